"""CPU of a process until the service has its first post: `assetmill run` beside a plain script, in turn.

Services run already, as processes of their own, and are not counted. The service is asked until it has the
post; then the process waits for its answer, and what it has used is read.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.bench import ASSETMILL, Control, cpu_seconds, fresh_home, headline, write_pipeline

ROUNDS = 5
_LOOK_S = 0.02
_SCRIPT = Path(__file__).with_name("peers") / "programs" / "first_post.py"


def until_post_s(control: Control, command: Sequence[str]) -> float:
    """Return the CPU that a command has used when the service has its first post."""
    before = control.posts()
    environment = {**os.environ, "FOUNDRY_READY": str(control.path)}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        while control.posts() == before:
            if process.poll() is not None:
                raise SystemExit(f"{command} ended with {process.returncode} before it posted")
            time.sleep(_LOOK_S)  # asking in a loop would take a core from it
        used_s = cpu_seconds(process.pid)
    return used_s


def measure(home: Path) -> None:
    """Compare the least of some rounds; the services of the home are running."""
    control = Control(home)
    # So long that the process waits when it is looked at, and has not come to what it does with an answer.
    control.ask("POST", "/settings", {"canned_pictures": True, "latency_s": 2.0})
    ours: list[float] = []
    plain: list[float] = []
    for number in range(ROUNDS):
        pipeline = home / f"first-{number}.yaml"
        pipeline.write_text(write_pipeline(home, 1).read_text().replace("teal mug", f"teal mug {number}"))
        plain.append(until_post_s(control, [sys.executable, str(_SCRIPT), f"plain-{number}"]))
        ours.append(until_post_s(control, [ASSETMILL, "run", str(pipeline)]))
    control.ask("POST", "/settings", {"latency_s": 0.0})
    print("CPU of `run` until its first post, against a plain script with the same imports, least of", ROUNDS)
    print(f"  ratio                              {min(ours) / min(plain):6.2f}     target: at most 1.5")
    print(f"  seconds                            {min(ours):6.2f} against {min(plain):.2f}")


def main() -> None:
    with fresh_home() as home:
        subprocess.run([ASSETMILL, "run", str(write_pipeline(home, 1))], check=True, capture_output=True)
        measure(home)


if __name__ == "__main__":
    print(headline())
    main()
