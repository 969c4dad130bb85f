"""Processes that a run starts and leaves behind: found again by the next run, never two on one state.

A service has a directory with `start.lock`, `ready.json` and `log`. Whoever holds the lock may look for a
running process or start one; the process itself guards its state with a lock of its own.
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

from assetmill.errors import InvalidSettings

READY, LOCK, LOG, PROCESS = "ready.json", "start.lock", "log", "process.json"

Ready = Mapping[str, Any]
Stopped = Callable[[], bool]
_PAUSE_S = 0.05


@dataclass(frozen=True)
class Service:
    """What it takes to start a process and to recognise it. `module` is run with `python -m`."""

    title: str
    directory: Path
    module: str
    arguments: tuple[str, ...]
    is_alive: Callable[[Ready], bool]
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    start_timeout_s: float = 90.0

    @property
    def ready_file(self) -> Path:
        """Where the process says that it is ready, and how to reach it."""
        return self.directory / READY


class Starting:
    """A service that was found or is being started. Call `wait`, or `close` to give up waiting."""

    def __init__(self, service: Service, is_stopped: Stopped = lambda: False) -> None:
        self._service = service
        self._is_stopped = is_stopped
        self._process: subprocess.Popen[bytes] | None = None
        service.directory.mkdir(parents=True, exist_ok=True)
        self._lock = _locked(service, is_stopped)
        self._ready = find(service)
        self.was_running = self._ready is not None
        if self._ready is None:
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
                    time.sleep(_PAUSE_S)
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
        service.ready_file.unlink(missing_ok=True)
        with (service.directory / LOG).open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, "-m", service.module, *service.arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=service.directory,
                env={**os.environ, **service.environment},
                start_new_session=True,
            )
        (service.directory / PROCESS).write_text(json.dumps({"pid": self._process.pid}))

    def _check(self, deadline: float) -> None:
        title = self._service.title
        if self._is_stopped():
            raise KeyboardInterrupt
        if self._process is not None and self._process.poll() is not None:
            raise InvalidSettings(f"{title} ended at once: {_last_words(self._service)}")
        if time.monotonic() > deadline:
            log = self._service.directory / LOG
            raise InvalidSettings(f"{title} was not ready in time; its log is {log}")


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
    """End a running process; False when there was none."""
    if find(service) is None:
        return False
    try:
        pid = int(json.loads((service.directory / PROCESS).read_text(encoding="utf-8"))["pid"])
    except (OSError, ValueError, KeyError, TypeError):
        return False
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + timeout_s
    while find(service) is not None and time.monotonic() < deadline:
        time.sleep(_PAUSE_S)
    return find(service) is None


def _locked(service: Service, is_stopped: Stopped) -> IO[str]:
    lock = (service.directory / LOCK).open("w")
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
            time.sleep(_PAUSE_S)
        else:
            return lock


def _last_words(service: Service) -> str:
    log = service.directory / LOG
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return f"{lines[-1][:300]} (all of it: {log})" if lines else f"its log {log} is empty"
