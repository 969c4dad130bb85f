"""One peer at its work: its program started, given orders, watched from outside."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.bench import Control
from benchmarks.peers.installing import PROGRAMS, Peer
from benchmarks.peers.processes import PeakMemory, cpu_of, settle, tree
from benchmarks.peers.servers import beside

_ROOT = Path(__file__).resolve().parents[2]
_LAST_LINES = 12


@dataclass(frozen=True)
class Order:
    """What a program is to do."""

    stages: int
    at_once: int
    poll_s: float

    def ideal_s(self, latency_s: float) -> float:
        """Return how long it takes where nothing but the service takes time."""
        return -(-self.stages // self.at_once) * latency_s


@dataclass(frozen=True)
class Pass:
    """What one order took."""

    peer: str
    latency_s: float
    ratio: float
    """Of its time to the ideal."""
    cpu_ms: float
    server_cpu_ms: float
    emulator_cpu_ms: float
    peak_mb: float

    def document(self) -> dict[str, Any]:
        """Return it as `--json` prints it."""
        return asdict(self)


class ProgramFailed(Exception):
    """A program said something else than that it was done."""


class Bench:
    """Measures peers on the emulator of one home."""

    def __init__(self, home: Path, order: Order) -> None:
        self._home, self._order = home, order
        self._control = Control(home)
        self._control.ask("POST", "/settings", {"canned_pictures": True})

    def measure(self, peer: Peer, commands: Path, latencies_s: Sequence[float]) -> Iterator[Pass]:
        """Start a peer and yield what it takes for an order at each latency of the service.

        Raises:
            ProgramFailed: it ended, or did not make all pictures.
        """
        with tempfile.TemporaryDirectory(prefix="peer-") as name:
            folder = Path(name)
            self._control.ask("POST", "/settings", {"latency_s": 0.0})
            with beside(peer.server, commands, folder) as server:
                environment = {**os.environ, **self._environment(folder), **(server.environment or {})}
                with _started(peer, commands, folder, environment) as program:
                    pid = self._our_server() if peer.ours else server.pid
                    for latency_s in latencies_s:
                        self._control.ask("POST", "/settings", {"latency_s": latency_s})
                        yield self._pass(peer, program, pid, latency_s)
                if peer.ours:
                    os.kill(pid, signal.SIGTERM)  # it would stay a while, beside the next peer

    def _pass(self, peer: Peer, program: subprocess.Popen[str], server: int, latency_s: float) -> Pass:
        servers = tree(server) if server else []
        settle(servers)
        posts, emulator = self._control.posts(), int(self._control.ready["pid"])
        before = cpu_of(tree(program.pid, servers)), cpu_of(servers), cpu_of([emulator])
        with PeakMemory(program.pid, servers) as memory:
            started = time.perf_counter()
            _tell(program, {"mark": f"{peer.name}-{time.time_ns()}", "stages": self._order.stages})
            wall_s = time.perf_counter() - started
        used = cpu_of(tree(program.pid, servers)) - before[0]
        emulated = cpu_of([emulator]) - before[2]
        servers = tree(server) if server else []
        settle(servers)
        if (made := self._control.posts() - posts) != self._order.stages:
            raise ProgramFailed(f"{peer.name} asked for {made} pictures instead of {self._order.stages}")
        used_ms, served_ms, emulated_ms = (
            seconds * 1000 / self._order.stages for seconds in (used, cpu_of(servers) - before[1], emulated)
        )
        ratio = wall_s / self._order.ideal_s(latency_s)
        return Pass(peer.name, latency_s, ratio, used_ms, served_ms, emulated_ms, memory.peak_mb)

    def _our_server(self) -> int:
        return int(json.loads((self._home / "prefect" / "process.json").read_bytes())["pid"])

    def _environment(self, folder: Path) -> dict[str, str]:
        ready = self._control.ready
        return {
            "FOUNDRY_PROJECT_ENDPOINT": str(ready["endpoint"]),
            "IDENTITY_ENDPOINT": str(ready["identity_endpoint"]),
            "IDENTITY_HEADER": str(ready["identity_header"]),
            "SSL_CERT_FILE": str(ready["ca"]),
            "REQUESTS_CA_BUNDLE": str(ready["ca"]),
            "NO_PROXY": "127.0.0.1,localhost",
            "DO_NOT_TRACK": "1",
            "PYTHONPATH": str(PROGRAMS),  # for processes that a program starts
            "PEER_FOLDER": str(folder),
            "PEER_AT_ONCE": str(self._order.at_once),
            "PEER_POLL_S": str(self._order.poll_s),
            "ASSETMILL_CONCURRENCY": str(self._order.at_once),
        }


@contextlib.contextmanager
def _started(
    peer: Peer, commands: Path, folder: Path, environment: Mapping[str, str]
) -> Generator[subprocess.Popen[str]]:
    """Start a program, and return it once it has made its first picture."""
    command = [str(commands / "python"), str(PROGRAMS / peer.program)]
    if peer.ours:
        command = [sys.executable, "-m", "benchmarks.peers.ours", peer.ours]
    with (folder / "program.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            env=environment,
            cwd=_ROOT if peer.ours else folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        _hear(process, "ready")
        yield process
        process.communicate(timeout=60)
    except ProgramFailed as error:
        said = (folder / "program.log").read_text("utf-8", "replace").splitlines()[-_LAST_LINES:]
        raise ProgramFailed("\n".join([str(error), *said])) from error
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _tell(program: subprocess.Popen[str], order: dict[str, object]) -> None:
    assert program.stdin
    program.stdin.write(json.dumps(order) + "\n")
    program.stdin.flush()
    _hear(program, "done")


def _hear(program: subprocess.Popen[str], word: str) -> None:
    """Read until a program says a word; what a framework prints beside it is no answer."""
    assert program.stdout
    for line in program.stdout:
        if line.strip() == word:
            return
    raise ProgramFailed(f"it ended before it said {word!r}")
