"""Watch over one prisoner: start it, end it and everything it started, and say how it went.

The warden stays outside the walls. Standard input is its life line: when it closes, because the emulator
wants an end or has died, the prisoner dies too. Standard error carries the report and nothing else.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
from typing import Literal

from . import bubble, cell, jail, linux, paths
from .job import CellReport, Job

_REPORT_BYTES = 64 << 10
_GRACE_S = 3.0

Ending = Literal["ended", "timed out", "cut off"]


def main() -> None:
    """Read a job from standard input, carry it out, report on standard error."""
    job = Job.load(_read_job())
    linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    child = os.fork()
    if child == 0:
        os.close(reading)
        _become_prisoner(job, writing)
    os.close(writing)
    os.close(1)
    status, ending = _watch(child, job.timeout_s)
    said = _said(reading)
    code = os.waitstatus_to_exitcode(status)
    report = CellReport.load(said) if said else CellReport()
    outcome = CellReport(
        exit_code=code if code >= 0 else None,
        signal=-code if code < 0 else None,
        is_timed_out=ending == "timed out",
        setup_error=report.setup_error,
        is_finished=report.is_finished,
        error=report.error,
        displayed=report.displayed,
    )
    if ending == "cut off":
        # Nobody may be left to do it; the emulator, if it lives, does not mind.
        os.execv("/bin/rm", ["rm", "-rf", "--", os.path.dirname(job.tmp)])  # noqa: S606  # no shell is wanted
    os.write(2, outcome.dump())
    os._exit(0)


def imprisoned_main(report_fd: int) -> None:
    """Go on inside bubblewrap: the job is on standard input, the walls are up, the pure layer is not yet."""
    job = Job.load(_read_job())
    _stdin_from_nowhere()
    try:
        jail.limit(job.fork_room)
        jail.drop_capabilities()
        os.chdir(paths.DATA)
        jail.lock(job, work=paths.DATA, tmp=paths.TMP)
    except OSError as error:
        _refuse(report_fd, error)
    _serve(job, report_fd, work=paths.DATA, tmp=paths.TMP)


def _become_prisoner(job: Job, report_fd: int) -> None:
    os.setsid()
    os.dup2(1, 2)
    try:
        if job.tier == "strong":
            bubble.enter(job, report_fd)
        _stdin_from_nowhere()
        os.chdir(job.work)
        os.umask(0o022)
        jail.limit(job.fork_room)
        if job.uid is not None:
            jail.become(job.uid, keep_search=job.keep_search)
        if job.tier == "landlock":
            jail.lock(job, work=job.work, tmp=job.tmp)
        paths.translate(job.work, job.tmp, kept=job.readable)
    except OSError as error:
        _refuse(report_fd, error)
    _serve(job, report_fd, work=job.work, tmp=job.tmp)


def _serve(job: Job, report_fd: int, *, work: str, tmp: str) -> None:
    shown = cell.prepare(job, work=work, tmp=tmp)
    cell.finish(report_fd, cell.run(job.code), shown)


def _refuse(report_fd: int, error: OSError) -> None:
    os.write(report_fd, CellReport(setup_error=str(error)).dump())
    os._exit(1)


def _stdin_from_nowhere() -> None:
    nowhere = os.open("/dev/null", os.O_RDONLY)
    os.dup2(nowhere, 0)
    os.close(nowhere)


def _read_job() -> bytes:
    size = int(_exactly(10))
    return _exactly(size)


def _exactly(size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = os.read(0, size - len(data))
        if not piece:
            sys.exit("the job was cut short")
        data += piece
    return data


def _watch(child: int, timeout_s: float) -> tuple[int, Ending]:
    """Wait for the child, the clock or the life line; then end the whole tree."""
    deadline = time.monotonic() + timeout_s
    handle = os.pidfd_open(child)
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    poll.register(0, select.POLLIN | select.POLLHUP)
    left_ms = max(0, int((deadline - time.monotonic()) * 1000))
    ready = {fd for fd, _ in poll.poll(left_ms)}
    os.close(handle)
    if handle in ready:
        _, status = os.waitpid(child, 0)
        _end_descendants()
        return status, "ended"
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    _end_descendants()
    return status, "cut off" if ready else "timed out"


def _end_descendants() -> None:
    """Freeze, then kill, whatever is left below; orphans end up here because this process reaps them."""
    deadline = time.monotonic() + _GRACE_S
    while time.monotonic() < deadline:
        found = _descendants(os.getpid())
        for sign in (signal.SIGSTOP, signal.SIGKILL):
            for process in found:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(process, sign)
        try:
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass
        except ChildProcessError:
            return
        # Those that were killed take a moment to end, and each may have made others meanwhile.
        time.sleep(0.002)


def _descendants(process: int) -> list[int]:
    found: list[int] = []
    waiting = [process]
    while waiting:
        try:
            parent = waiting.pop()
            with open(f"/proc/{parent}/task/{parent}/children", encoding="ascii") as listing:
                children = [int(word) for word in listing.read().split()]
        except (FileNotFoundError, ProcessLookupError):
            continue
        found += children
        waiting += children
    return found


def _said(reading: int) -> bytes:
    os.set_blocking(reading, False)
    try:
        return os.read(reading, _REPORT_BYTES)
    except BlockingIOError:
        return b""
    finally:
        os.close(reading)
