"""Turn this process into the prisoner: limits, another user, no capabilities, Landlock, seccomp."""

from __future__ import annotations

import contextlib
import os
import resource

from . import landlock, linux, seccomp
from .job import CPU_S, FILE_BYTES, MEMORY_BYTES, OPEN_FILES, SYSTEM_FILES, SYSTEM_TREES, Job

_DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")


def limit(fork_room: int) -> None:
    """Set the resource limits. CPU time ends with SIGXCPU first, a second later with SIGKILL."""
    for kind, soft, hard in (
        (resource.RLIMIT_CPU, CPU_S, CPU_S + 1),
        (resource.RLIMIT_AS, MEMORY_BYTES, MEMORY_BYTES),
        (resource.RLIMIT_FSIZE, FILE_BYTES, FILE_BYTES),
        (resource.RLIMIT_NOFILE, OPEN_FILES, OPEN_FILES),
        (resource.RLIMIT_NPROC, fork_room, fork_room),
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_MSGQUEUE, 0, 0),
    ):
        _, ceiling = resource.getrlimit(kind)
        highest = hard if ceiling == resource.RLIM_INFINITY else min(hard, ceiling)
        resource.setrlimit(kind, (min(soft, highest), highest))


def become(uid: int, *, keep_search: bool) -> None:
    """Drop root for a user that owns nothing else.

    Raises:
        OSError: the user does not exist in this namespace.
    """
    kept = _search_capability() if keep_search else 0
    if kept:
        linux.prctl(linux.PR_SET_KEEPCAPS, 1)
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    linux.keep_only(kept)
    if kept:
        linux.prctl(linux.PR_CAP_AMBIENT, linux.PR_CAP_AMBIENT_RAISE, kept.bit_length() - 1)


def lock(job: Job, *, work: str, tmp: str) -> None:
    """Close the file system, the network and the rest of the kernel. There is no way back.

    Raises:
        OSError: the kernel lacks Landlock or seccomp; nothing may be run then.
    """
    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    version = min(landlock.abi(), job.newest_landlock)
    landlock.restrict(
        version,
        readable=(*SYSTEM_TREES, *SYSTEM_FILES, *job.readable),
        writable=(work, tmp),
        devices=_DEVICES,
    )
    seccomp.install(
        only_signal=None if landlock.scopes_signals(version) else os.getpid(),
        refuse_truncate=not landlock.guards_truncation(version),
    )


def drop_capabilities() -> None:
    """Give up what a user namespace handed out; an ordinary process has nothing to lose."""
    with contextlib.suppress(OSError):
        linux.keep_only(0)


def _search_capability() -> int:
    """Pick the weaker of the two capabilities that reach below a closed directory; Landlock bounds both."""
    permitted = linux.permitted_capabilities()
    for capability in (linux.CAP_DAC_READ_SEARCH, linux.CAP_DAC_OVERRIDE):
        if permitted & (1 << capability):
            return 1 << capability
    return 0
