"""A Prefect server on PostgreSQL, workers and the emulator as processes that can be killed."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from foundry_emulator.at_rest import read_bill

from tests.server.databases import Database, postgres
from tests.server.processes import descendants

START_TIMEOUT_S = 120.0
POOL = "shards"
LATENCY_S = 2.0
"""How long a response of the service takes."""


class Stack:
    """Processes on one folder. `environment` is what a person would export to use them."""

    def __init__(self, folder: Path, database: Database, configs: Path) -> None:
        self.folder, self.home = folder, folder / "home"
        self.port = _free_port()
        self.environment: dict[str, str] = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "ASSETMILL_"))},
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "DO_NOT_TRACK": "1",
            "PREFECT_HOME": str(folder / "prefect"),
            "PREFECT_API_URL": f"http://127.0.0.1:{self.port}/api",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_WORKER_QUERY_SECONDS": "1",
            "PREFECT_WORKER_HEARTBEAT_SECONDS": "3",
            "ASSETMILL_HOME": str(self.home),
            "ASSETMILL_CONFIGS": str(configs),
        }
        self.database = database
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, command: Sequence[str], **environment: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={**self.environment, **environment},
                start_new_session=True,
            )
        self._processes[name] = process
        return process

    def start_server(self) -> None:
        # Uvicorn directly: `prefect server start` would be two processes, of which only one is killed.
        app = ["--factory", "prefect.server.api.server:create_app"]
        where = ["--host", "127.0.0.1", "--port", str(self.port), "--log-level", "warning"]
        self.start(
            "server",
            [sys.executable, "-m", "uvicorn", *app, *where],
            PREFECT_SERVER_DATABASE_CONNECTION_URL=self.database.url,
            PREFECT_SERVER_UI_ENABLED="false",
            PREFECT_API_SERVICES_FOREMAN_LOOP_SECONDS="3",
            PREFECT_SERVER_SERVICES_FOREMAN_LOOP_SECONDS="3",
            PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS="5",
        )
        self.wait_until(lambda: self.api("GET", "/health") is True, "the server")

    def start_emulator(self, **settings: Any) -> None:
        state = self.home / "emulator"
        state.mkdir(parents=True, exist_ok=True)
        ready = state / "ready.json"
        self.start(
            "emulator",
            [sys.executable, "-m", "foundry_emulator", "--state", str(state), "--port", "0",
             "--ready-file", str(ready)],
        )  # fmt: skip
        self.wait_until(ready.exists, "the emulator")
        set_emulator(ready, **settings)

    def emulator_port(self) -> int:
        """Return the port on which the emulator is the service."""
        told: dict[str, str] = json.loads((self.home / "emulator" / "ready.json").read_bytes())
        port = urllib.parse.urlsplit(told["endpoint"]).port
        assert port is not None
        return port

    def reach_emulator_by(self, port: int) -> None:
        """Have everybody reach the emulator through another port than its own; its controls stay."""
        ready = self.home / "emulator" / "ready.json"
        told: dict[str, str] = json.loads(ready.read_bytes())
        told["endpoint"] = re.sub(r":\d+/", f":{port}/", told["endpoint"], count=1)
        ready.write_text(json.dumps(told))

    def start_worker(self, name: str, **environment: str) -> subprocess.Popen[bytes]:
        prefect = str(Path(sys.executable).with_name("prefect"))
        command = [prefect, "worker", "start", "--pool", POOL, "--name", name, "--limit", "1"]
        return self.start(name, [*command, "--type", "process"], **environment)

    def forget(self, name: str) -> None:
        """Know no more of a process that somebody else has ended."""
        self._processes.pop(name).wait()

    def kill(self, name: str) -> None:
        """SIGKILL a process and everything that it started."""
        process = self._processes.pop(name)
        for pid in (*descendants(process.pid), process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()

    def process(self, name: str) -> subprocess.Popen[bytes]:
        """Return a process by its name."""
        return self._processes[name]

    def send(self, name: str, number: signal.Signals) -> None:
        """Signal a process and everything that it started."""
        process = self._processes[name]
        for pid in (process.pid, *descendants(process.pid)):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def stop(self) -> None:
        for name in list(self._processes):
            self.kill(name)

    def run(
        self, *command: str, timeout: float = 240.0, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as a person would, with more exported."""
        return subprocess.run(
            command,
            cwd=self.folder,
            env={**self.environment, **(environment or {})},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def api(self, method: str, path: str, body: object = None) -> Any:
        """Ask Prefect's API; None while nobody answers.

        Raises:
            urllib.error.HTTPError: Prefect refuses.
        """
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/api{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError:
            raise
        except OSError:
            return None

    def deployment(self, name: str) -> dict[str, Any]:
        """Return a deployment; an empty one while there is none."""
        try:
            return self.api("GET", f"/deployments/name/{name}") or {}
        except urllib.error.HTTPError as error:
            error.close()
            return {}

    def pause(self, name: str) -> None:
        """Stop the schedules of a deployment, if it is there."""
        if found := self.deployment(name):
            self.api("PATCH", f"/deployments/{found['id']}", {"paused": True})

    def flow_runs(self, name: str, *, state: str = "") -> list[dict[str, Any]]:
        """Return the flow runs of a deployment, all or those in a state."""
        if not (found := self.deployment(name)):
            return []
        wanted: dict[str, Any] = {"deployments": {"id": {"any_": [found["id"]]}}}
        if state:
            wanted["flow_runs"] = {"state": {"type": {"any_": [state]}}}
        return self.api("POST", "/flow_runs/filter", wanted) or []

    def pictures(self) -> int:
        """Return how many pictures the service has charged."""
        return sum(charge["kind"] == "image" for charge in read_bill(self.home / "emulator"))

    def wait_until(self, is_so: Callable[[], object], what: str, timeout_s: float = START_TIMEOUT_S) -> None:
        deadline = time.monotonic() + timeout_s
        while not is_so():
            ended = [name for name, process in self._processes.items() if process.poll() is not None]
            if ended or time.monotonic() > deadline:
                raise AssertionError(f"waited for {what}; ended: {ended}\n{self.logs()}")
            time.sleep(0.2)

    def logs(self) -> str:
        return "\n".join(
            f"--- {path.name}\n{path.read_text(errors='replace')[-1500:]}"
            for path in sorted(self.folder.glob("*.log"))
        )


def set_emulator(ready: Path, **settings: Any) -> None:
    """Change the settings of the emulator that wrote this ready file."""
    told: Mapping[str, Any] = json.loads(ready.read_bytes())
    is_tls = str(told["control"]).startswith("https:")
    request = urllib.request.Request(  # noqa: S310 - loopback
        f"{told['control']}/settings",
        method="POST",
        data=json.dumps(settings).encode(),
        headers={"Authorization": f"Bearer {told['token']}", "Content-Type": "application/json"},
    )
    context = ssl.create_default_context(cafile=told["ca"]) if is_tls else None
    with urllib.request.urlopen(request, timeout=30, context=context):  # noqa: S310
        pass


@contextmanager
def stack(folder: Path, short: Path, configs: Path) -> Generator[Stack]:
    """Run everything but the workers. `short` is a folder for a socket, whose path has a limit."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        # A shell starts so what goes on in the background; a worker passes TERM on to itself as INT.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    with ExitStack() as opened:
        made = Stack(folder, opened.enter_context(postgres(short / "pg")), configs)
        opened.callback(made.stop)
        made.start_server()
        yield made


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
