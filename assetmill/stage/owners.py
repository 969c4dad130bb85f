"""Who works on an attempt: a process by its host and number, as its intents name it."""

from __future__ import annotations

import os
import re
import socket
import uuid
from pathlib import Path

GIVEN_UP_S = 1800.0
"""So long after the last word of another host, of which nobody can tell whether it lives."""

_OWNER = re.compile(r"(?P<host>.*):(?P<pid>[1-9][0-9]{0,9}):[^:]*", re.ASCII | re.DOTALL)
_CLOCK_STEP_S = 60.0
"""A clock that is set later moves what it said of the past."""


def this_owner() -> str:
    """Return a name for this process that no other process has had."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


def is_here(owner: str) -> bool:
    """Say whether a process is one of this host, so that it can be told whether it runs."""
    named = _OWNER.fullmatch(owner)
    return named is not None and named["host"] == socket.gethostname()


def is_alive(owner: str, since: float | None = None) -> bool:
    """Say whether the process that calls itself `owner` may still run; on another host nobody can tell.

    `since` is when it was at work, in Unix seconds: a process that began later has no more than its number.
    """
    named = _OWNER.fullmatch(owner)
    if named is None or named["host"] != socket.gethostname():
        return True
    pid = int(named["pid"])
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return not _is_younger(pid, since)
    except OverflowError:
        # No process has had this number: what is stored is damaged.
        return True
    return not _is_unburied(pid) and not _is_younger(pid, since)


def _is_unburied(pid: int) -> bool:
    """Say whether a process has ended and only its number is left, until its parent has asked how.

    A page or a service that has started a run may not ask for hours. Where the system does not tell, nobody
    can; a process whose first thread alone has ended still works.
    """
    told = _told_of(pid)
    return bool(told) and told[0] in {b"Z", b"X"} and int(told[17]) <= 1


def _is_younger(pid: int, since: float | None) -> bool:
    """Say whether a process began after a time, as what has taken over a number does."""
    told = _told_of(pid)
    if since is None or not told:
        return False
    try:
        lines = Path("/proc/stat").read_bytes().splitlines()
    except OSError:
        return False
    booted_at = next((int(line.split()[1]) for line in lines if line.startswith(b"btime ")), None)
    began_at = int(told[19]) / os.sysconf("SC_CLK_TCK")
    return booted_at is not None and booted_at + began_at > since + _CLOCK_STEP_S


def _told_of(pid: int) -> list[bytes]:
    """Return what the system tells of a process: its state first, then numbers; nothing where it does not."""
    try:
        told = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return []
    # Behind the program's name, which may hold anything.
    return told.rpartition(b")")[2].split()
