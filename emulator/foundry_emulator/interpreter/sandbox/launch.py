"""Start one warden, feed it a job, drink its output, and end it when it must end."""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from foundry_emulator.interpreter.sandbox.inside.job import CellReport, Job

MAX_LOG_BYTES = 1 << 20
_MAX_REPORT_BYTES = 64 << 10
_CHECK_EVERY_S = 0.2
_AFTER_DEADLINE_S = 6.0
"""How long the warden may take to clear up before it is ended itself."""

_START = "import sys; sys.path.insert(0, {package!r}); from inside.warden import main; main()"


@dataclass(frozen=True)
class Ended:
    """What came back: the log, the report, and why it was stopped from outside, if it was."""

    log: bytes
    is_log_cut: bool
    report: CellReport
    stopped_for: str | None


def launch(job: Job, *, objection: Callable[[], str | None]) -> Ended:
    """Run the job to its end and return what it said.

    `objection` is asked a few times a second; the first reason it gives ends the run.
    """
    command = [job.python, "-I", "-S", "-X", "utf8", "-c", _START.format(package=job.inside_package)]
    with subprocess.Popen(  # noqa: S603  # our own interpreter, our own words
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={},
        cwd="/",
        start_new_session=True,
    ) as process:
        try:
            data = job.dump()
            return _attend(process, f"{len(data):010d}".encode() + data, job.timeout_s, objection)
        finally:
            process.kill()


def _attend(
    process: subprocess.Popen[bytes], letter: bytes, timeout_s: float, objection: Callable[[], str | None]
) -> Ended:
    stdin, stdout, stderr = (
        cast("IO[bytes]", pipe) for pipe in (process.stdin, process.stdout, process.stderr)
    )
    log, report = _Drain(MAX_LOG_BYTES), _Drain(_MAX_REPORT_BYTES)
    drains: Mapping[int, _Drain] = {stdout.fileno(): log, stderr.fileno(): report}
    stopped_for: str | None = None
    # A warden that died at once has said why on its standard error.
    with contextlib.suppress(BrokenPipeError):
        stdin.write(letter)
        stdin.flush()
    deadline = time.monotonic() + timeout_s + _AFTER_DEADLINE_S
    next_check = time.monotonic() + _CHECK_EVERY_S
    with selectors.DefaultSelector() as selector:
        for fd in drains:
            selector.register(fd, selectors.EVENT_READ)
        while selector.get_map():
            for key, _ in selector.select(_CHECK_EVERY_S):
                if not drains[key.fd].take(key.fd):
                    selector.unregister(key.fd)
            now = time.monotonic()
            if stopped_for is None and now >= next_check:
                next_check = now + _CHECK_EVERY_S
                stopped_for = objection()
                if stopped_for is not None:
                    stdin.close()
            if now > deadline:
                stopped_for = stopped_for or "killed: it did not end"
                break
    return Ended(bytes(log.data), log.is_cut, CellReport.load(bytes(report.data)), stopped_for)


class _Drain:
    """A pipe's content up to a limit; what comes after is read and forgotten, so that nobody blocks."""

    def __init__(self, limit: int) -> None:
        self.data = bytearray()
        self.is_cut = False
        self._limit = limit

    def take(self, fd: int) -> bool:
        piece = os.read(fd, 1 << 16)
        room = self._limit - len(self.data)
        self.data += piece[:room]
        self.is_cut = self.is_cut or len(piece) > room
        return bool(piece)


def inside_package() -> Path:
    """Return the directory that is put on the child's import path."""
    return Path(__file__).resolve().parent
