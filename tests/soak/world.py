"""What a storm rages over: one service with its bill, one store, two machines that share both."""

from __future__ import annotations

import json
import os
import resource
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from foundry_emulator.at_rest import read_bill
from foundry_emulator.testing.calls import Control

from assetmill.settings import Settings, load_settings
from assetmill.store.backend import Backend
from assetmill.store.opening import open_store
from tests.millworks import write_configs
from tests.soak.pipelines import PIPELINES, TABLES, WAREHOUSE

COMMAND = str(Path(sys.executable).with_name("assetmill"))
START_S = 60.0
PROFILE = """
[foundry]
endpoint = ""
credential = "default"
model = "gpt-4.1-mini"
image_model = "gpt-image-2"
image_deployment = "gpt-image-2"
policy = "{policy}"
poll_s = 0.2
settle_s = 1.0
lease_s = 8.0
stage_deadline_s = 40.0
max_attempts = 4

[run]
concurrency = 4
outage_s = 30.0
idle_timeout_s = 600.0
"""
_CLEARED = ("AWS_", "AZURE_", "FOUNDRY_", "OPENAI_", "ASSETMILL_", "PREFECT_", "IDENTITY_")


class Diary:
    """Every command, signal and disturbance of a storm, a line each."""

    def __init__(self, path: Path) -> None:
        self.path, self._began = path, time.monotonic()
        path.parent.mkdir(parents=True, exist_ok=True)

    def note(self, what: str, text: str) -> None:
        """Write a line with its time."""
        with self.path.open("a", encoding="utf-8") as sink:
            sink.write(f"{time.monotonic() - self._began:8.1f}  {what:<9} {text}\n")


class Service:
    """The emulator as a process of its own; its state outlives it."""

    def __init__(self, state: Path) -> None:
        self.state, self._port = state, _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._http = httpx2.Client(trust_env=False, timeout=30)

    def start(self) -> None:
        """Start it, and return when it answers."""
        ready = self.state / "ready.json"
        ready.unlink(missing_ok=True)
        self.state.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "tests.soak.service", "--state", str(self.state)]
        with (self.state.parent / "service.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--port", str(self._port)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until = time.monotonic() + START_S
        while not ready.exists():
            if self._process.poll() is not None or time.monotonic() > until:
                raise AssertionError(f"the service did not start: {(self.state.parent / 'service.log')}")
            time.sleep(0.05)

    def kill(self) -> None:
        """End it without a word; what it had in hand goes on at its next start."""
        assert self._process
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """End it for good."""
        if self._process and self._process.poll() is None:
            self.kill()
        self._http.close()

    @property
    def ready(self) -> Mapping[str, Any]:
        """What the service says of itself."""
        return json.loads((self.state / "ready.json").read_bytes())

    @property
    def control(self) -> Control:
        """Its control API."""
        return Control(self._http, self.ready["control"], self.ready["token"])

    def bill(self) -> list[dict[str, Any]]:
        """Return every charge."""
        return read_bill(self.state)

    def environment(self) -> dict[str, str]:
        """Return what a person exports to use it."""
        told = self.ready
        return {
            "FOUNDRY_PROJECT_ENDPOINT": told["endpoint"],
            "IDENTITY_ENDPOINT": told["identity_endpoint"],
            "IDENTITY_HEADER": told["identity_header"],
            "AZURE_TOKEN_CREDENTIALS": "managedidentitycredential",
            "ASSETMILL_CA": told["ca"],
            "SSL_CERT_FILE": told["ca"],
            "REQUESTS_CA_BUNDLE": told["ca"],
            "NO_PROXY": "127.0.0.1,localhost",
        }


@dataclass
class Command:
    """A command line that runs, or has run, on a machine."""

    number: int
    machine: Machine
    words: tuple[str, ...]
    process: subprocess.Popen[bytes]
    output: Path
    began: float = field(default_factory=time.monotonic)
    hurt: list[str] = field(default_factory=list[str])
    """What befell it."""

    @property
    def told(self) -> str:
        """What it printed for people."""
        return self.output.with_suffix(".err").read_text(errors="replace")

    @property
    def printed(self) -> str:
        """What it printed for programs."""
        return self.output.with_suffix(".out").read_text(errors="replace")

    def stacks(self) -> str:
        """End it for good and return where each of its threads stood."""
        before = len(self.told)
        self.process.send_signal(signal.SIGABRT)
        self.process.wait(30)
        return self.told[before:]

    def document(self) -> dict[str, Any]:
        """Return its JSON document; an empty one where it came to none."""
        try:
            found = json.loads(self.printed)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}  # pyright: ignore[reportUnknownVariableType]

    def __str__(self) -> str:
        return f"#{self.number} {self.machine.name}$ assetmill {shlex.join(self.words)}"


class Machine:
    """A checkout with a home of its own; what it starts are real command lines."""

    def __init__(self, name: str, folder: Path, policy: str, shared: Mapping[str, str]) -> None:
        self.name, self.folder, self.home = name, folder, folder / ".assetmill"
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(_CLEARED)},
            **shared,
            "ASSETMILL_PROFILE": "storm",
            "DO_NOT_TRACK": "1",
            "PYTHONFAULTHANDLER": "1",  # for `Command.stacks`
            "USER": f"person-{name}",
            "LOGNAME": f"person-{name}",
        }
        configs = write_configs(folder / "configs", **PIPELINES)
        (configs / "profiles").unlink()
        (configs / "profiles").mkdir()
        (configs / "profiles" / "storm.toml").write_text(PROFILE.format(policy=policy))
        (configs / "pipelines" / "warehouse.py").write_text(WAREHOUSE)
        for table, text in TABLES.items():
            (folder / f"{table}.csv").write_text(text)

    def start(self, number: int, words: Sequence[str], logs: Path, disk_bytes: int | None = None) -> Command:
        """Start a command; with `disk_bytes` no file that it writes may be longer."""
        output = logs / f"{number:05d}-{words[0]}"

        def limit() -> None:
            if disk_bytes is not None:
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (disk_bytes, disk_bytes))

        with output.with_suffix(".out").open("wb") as out, output.with_suffix(".err").open("wb") as err:
            process = subprocess.Popen(
                [COMMAND, *words],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=self.folder,
                env=self.environment,
                start_new_session=True,
                preexec_fn=limit,  # noqa: PLW1509 - a storm has one thread
            )
        return Command(number, self, tuple(words), process, output)

    def settings(self) -> Settings:
        """Return what its commands read."""
        known = {**self.environment, "ASSETMILL_CONFIGS": str(self.folder / "configs")}
        return load_settings("storm", {**known, "ASSETMILL_HOME": str(self.home)})

    def open_store(self) -> Backend:
        """Return the store that its commands use; the caller closes it."""
        store = self.settings().store
        return open_store(store.url, endpoint_url=store.endpoint_url, region=store.region)

    def prefect_pid(self) -> int | None:
        """Return the number of its Prefect server's process; None while it has none."""
        try:
            return int(json.loads((self.home / "prefect" / "ready.json").read_bytes())["pid"])
        except (OSError, ValueError):
            return None


def descendants(pid: int) -> list[int]:
    """Return the processes that a process has started, and theirs."""
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            continue  # it has ended meanwhile
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found[1:]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
