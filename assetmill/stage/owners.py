"""Who works on an attempt: a process by its host and number, as its intents name it."""

from __future__ import annotations

import os
import socket
import uuid
from pathlib import Path


def this_owner() -> str:
    """Return a name for this process that no other process has had."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


def is_alive(owner: str) -> bool:
    """Say whether the process that calls itself `owner` may still run; on another host nobody can tell."""
    host, pid, _ = owner.rsplit(":", 2)
    if host != socket.gethostname():
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _is_unburied(int(pid))


def _is_unburied(pid: int) -> bool:
    """Say whether a process has ended and only its number is left, until its parent has asked how.

    A page or a service that has started a run may not ask for hours. Where the system does not tell, nobody
    can; a process whose first thread alone has ended still works.
    """
    try:
        told = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False
    # Behind the program's name, which may hold anything: the state first, the number of threads 18th.
    state, *more = told.rpartition(b")")[2].split()
    return state in {b"Z", b"X"} and int(more[16]) <= 1
