"""What the benchmarks share: a line about the machine, a home of their own, a quick emulator."""

from __future__ import annotations

import datetime
import json
import os
import platform
import ssl
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ASSETMILL = str(Path(sys.executable).with_name("assetmill"))
CONFIGS = Path(__file__).resolve().parent.parent / "configs"

VARIANTS = """
name: bench
description: {stages} pictures, one from each other's nothing.
parameters: {{}}
stages:
  - name: picture
    for_each:
      number: [{numbers}]
    prompt: Draw picture number {{{{ number }}}} of a teal mug, flat style.
    tools:
      - {{type: image_generation, size: 1024x1024, quality: low}}
    outputs:
      - name: "picture-{{{{ number }}}}.png"
"""


def headline() -> str:
    """Name the machine and the day, because numbers without them mean nothing."""
    now = datetime.datetime.now(datetime.UTC)
    cpu = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.machine(),
    )
    load = os.getloadavg()[0]
    return (
        f"{now:%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores ({cpu}), Python {platform.python_version()}, "
        f"{platform.system()} {platform.release()}, load {load:.1f}"
    )


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


@contextmanager
def fresh_home() -> Generator[Path]:
    """Give the benchmark a home and a configs folder of its own; its services are stopped at the end."""
    with tempfile.TemporaryDirectory(prefix="assetmill-bench-") as folder:
        home = Path(folder)
        before = {name: os.environ.get(name) for name in ("ASSETMILL_HOME", "ASSETMILL_CONFIGS")}
        os.environ |= {"ASSETMILL_HOME": str(home), "ASSETMILL_CONFIGS": str(CONFIGS)}
        try:
            yield home
        finally:
            stop_services()
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name)
                else:
                    os.environ[name] = value


def stop_services() -> None:
    """End the emulator and the Prefect server of the current home."""
    subprocess.run([ASSETMILL, "stop"], check=True, stdout=subprocess.DEVNULL)


def write_pipeline(home: Path, stages: int) -> Path:
    """Write a pipeline of that many independent pictures."""
    path = home / f"bench-{stages}.yaml"
    path.write_text(VARIANTS.format(stages=stages, numbers=", ".join(map(str, range(1, stages + 1)))))
    return path


class Control:
    """The control API of a running emulator."""

    def __init__(self, home: Path) -> None:
        self.path = home / "emulator" / "ready.json"
        self.ready: Mapping[str, Any] = json.loads(self.path.read_bytes())
        is_tls = str(self.ready["control"]).startswith("https:")
        self._context = ssl.create_default_context(cafile=self.ready["ca"]) if is_tls else None

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Send one request and return its answer."""
        request = urllib.request.Request(
            f"{self.ready['control']}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.ready['token']}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30, context=self._context) as answer:
            return json.load(answer)

    def posts(self) -> int:
        """Count the responses that were asked for."""
        counts: Mapping[str, int] = self.ask("GET", "/requests")["counts"]
        return sum(count for name, count in counts.items() if name.endswith("responses.create"))


def cpu_seconds(pid: int) -> float:
    """Return the CPU that a process and its waited-for children have used, from /proc."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return sum(int(value) for value in fields[11:15]) / os.sysconf("SC_CLK_TCK")
