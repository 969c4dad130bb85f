"""Processes that a run starts and leaves behind: found again by the next run, never two on one state.

A service has a directory with `start.lock`, `ready.json` and `log`. Whoever holds the lock may look for a
running process or start one; the process itself guards its state with a lock of its own, and does not end as
idle while somebody shares `users.lock`.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

from assetmill.children import child_environment
from assetmill.errors import InvalidSettings
from assetmill.private import make_folder, open_private, write_private

READY, LOCK, LOG, PROCESS = "ready.json", "start.lock", "log", "process.json"
STATE_LOCK = "server.lock"
USERS = "users.lock"
"""Runs share it while they live: no service ends as idle while one holds it."""

Ready = Mapping[str, Any]
Stopped = Callable[[], bool]
_PAUSE_S = 0.05
"""Between two looks at a file or a lock of another process: neither can be waited for with a limit."""

_TAKEN = frozenset({2, 3})
"""What our services exit with when another process works on their state."""
_MOST_STARTS, _AGAIN_S = 20, 0.5
_GUARDED_WITHIN_S = 15.0
"""A new process holds its state's lock by then, however busy the machine."""


@dataclass(frozen=True)
class Service:
    """What it takes to start a process and to recognise it. `module` is run with `python -m`."""

    title: str
    directory: Path
    module: str
    arguments: tuple[str, ...]
    is_alive: Callable[[Ready], bool]
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    announced: Mapping[str, str] = field(default_factory=dict[str, str])
    reads: tuple[str, ...] = ()
    """How the names of variables begin that the process may have of ours."""
    start_timeout_s: float = 90.0

    @property
    def ready_file(self) -> Path:
        """Where the process says that it is ready, and how to reach it."""
        return self.directory / READY


class Starting:
    """A service that was found or is being started. Call `wait`, or `close` to give up waiting.

    `announced` is what its starter said of it, before it is ready.
    """

    def __init__(self, service: Service, is_stopped: Stopped = lambda: False) -> None:
        self._service = service
        self._is_stopped = is_stopped
        self._process: subprocess.Popen[bytes] | None = None
        self._starts = 0
        make_folder(service.directory)
        self._lock = _locked(service, is_stopped)
        self._ready = find(service)
        self.was_running = self._ready is not None
        left = None if self.was_running else _left_behind(service)
        self.announced: Mapping[str, str] = left or service.announced
        if not self.was_running and left is None:
            self._start()

    def wait(self) -> Ready:
        """Return what the process says of itself, once it is ready.

        Raises:
            InvalidSettings: it ended, or took too long; with the last lines of its log.
        """
        deadline = time.monotonic() + self._service.start_timeout_s
        try:
            while self._ready is None:
                self._ready = find(self._service)
                if self._ready is None:
                    self._check(deadline)
                    time.sleep(_PAUSE_S)  # a file of another process cannot be waited for with a limit
            return self._ready
        finally:
            self.close()

    def close(self) -> None:
        """Let other runs look; the process goes on."""
        self._lock.close()
        if self._process is not None and self._process.returncode is None:
            # It outlives us on purpose: Popen must not complain about that when it is collected.
            self._process.returncode = 0

    def _start(self) -> None:
        service = self._service
        self._starts += 1
        service.ready_file.unlink(missing_ok=True)
        with open_private(service.directory / LOG, "wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, "-m", service.module, *service.arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=service.directory,
                env=child_environment(service.environment, beginnings=service.reads),
                # Keys and answers of the service are among what it writes.
                umask=0o077,
                start_new_session=True,
            )
        started = {"pid": self._process.pid, "at": time.time(), "announced": dict(service.announced)}
        write_private(service.directory / PROCESS, json.dumps(started).encode())

    def _check(self, deadline: float) -> None:
        service = self._service
        if self._is_stopped():
            raise KeyboardInterrupt
        if time.monotonic() > deadline:
            log = service.directory / LOG
            raise InvalidSettings(
                f"{service.title} was not ready in time; its log is {log}; `assetmill stop` ends it"
            )
        if self._process is None:
            if _left_behind(service) is None:
                self._start()
        elif (code := self._process.poll()) is not None:
            # One that is just ending still holds the state for a moment.
            if code not in _TAKEN or self._starts >= _MOST_STARTS:
                raise InvalidSettings(f"{service.title} ended at once: {_last_words(service)}")
            time.sleep(_AGAIN_S)  # a lock can be waited for, but not until a deadline or a stop
            self._start()


def find(service: Service) -> Ready | None:
    """Return what a running process says of itself, None when none is running."""
    try:
        ready = json.loads(service.ready_file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(ready, dict):
        return None
    told = cast(dict[str, Any], ready)
    return told if service.is_alive(told) else None


def stop(service: Service, timeout_s: float = 10.0) -> bool:
    """End a process that runs or starts; False when there was none."""
    return stop_in(service.directory, timeout_s)


def stop_in(directory: Path, timeout_s: float = 10.0) -> bool:
    """End the process that works on the state in a directory; False when there was none."""
    pid = pid_of(directory)
    if pid is None or not is_guarded(directory):
        return False
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + timeout_s
    while is_guarded(directory) and time.monotonic() < deadline:
        time.sleep(_PAUSE_S)  # it is nobody's child: the system does not tell when it ends
    return not is_guarded(directory)


def pid_of(directory: Path) -> int | None:
    """Return the number of the process that was started last for the state in a directory."""
    started = _read_process(directory)
    return None if started is None else int(started["pid"])


def is_guarded(directory: Path) -> bool:
    """Return whether a process works on the state in a directory."""
    try:
        with (directory / STATE_LOCK).open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def _read_process(directory: Path) -> dict[str, Any] | None:
    try:
        started = json.loads((directory / PROCESS).read_text(encoding="utf-8"))
        return {"pid": int(started["pid"]), "at": float(started["at"]), "announced": started["announced"]}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _left_behind(service: Service) -> Mapping[str, str] | None:
    """Return what was announced of a process that another run started and that does not answer yet.

    It is still starting. Or it was ready: then it is busy, or has lost what it needs and ends by itself.
    Another beside it could not start, and would take away by what the busy one is found.
    """
    started = _read_process(service.directory)
    if started is None or not _is_process(started["pid"]):
        return None
    if service.ready_file.exists():
        return started["announced"] if is_guarded(service.directory) else None
    age_s = time.time() - started["at"]
    is_young = age_s < _GUARDED_WITHIN_S or is_guarded(service.directory)
    return started["announced"] if is_young and age_s < service.start_timeout_s else None


def _is_process(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _locked(service: Service, is_stopped: Stopped) -> IO[str]:
    lock = open_private(service.directory / LOCK, "w")
    deadline = time.monotonic() + service.start_timeout_s
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if is_stopped():
                lock.close()
                raise KeyboardInterrupt from None
            if time.monotonic() > deadline:
                lock.close()
                raise InvalidSettings(f"another run has been starting {service.title} for too long") from None
            time.sleep(_PAUSE_S)  # a lock can be waited for, but not until a deadline or a stop
        else:
            return lock


def _last_words(service: Service) -> str:
    log = service.directory / LOG
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return f"{lines[-1][:300]} (all of it: {log})" if lines else f"its log {log} is empty"
