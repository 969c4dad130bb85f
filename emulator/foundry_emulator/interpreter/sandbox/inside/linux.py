"""The few Linux calls that Python 3.11 has no name for, through ctypes."""

from __future__ import annotations

import ctypes
import os

PR_SET_KEEPCAPS = 8
PR_SET_SECCOMP = 22
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2

MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
CLONE_NEWNS = 0x20000
CLONE_NEWUSER = 0x10000000

CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2
CAPABILITY_VERSION_3 = 0x20080522

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def prctl(option: int, *arguments: int) -> None:
    """Change an attribute of this process, as prctl does.

    Raises:
        OSError: the kernel refused.
    """
    padded = (*arguments, 0, 0, 0, 0)[:4]
    _checked(libc.prctl(option, *(ctypes.c_ulong(value) for value in padded)), f"prctl {option}")


def unshare(flags: int) -> None:
    """Leave the named namespaces for new ones.

    Raises:
        OSError: namespaces are not to be had here.
    """
    _checked(libc.unshare(flags), "unshare")


def mount(source: str, target: str, kind: str | None, flags: int, options: str | None = None) -> None:
    """Mount or bind a directory.

    Raises:
        OSError: the kernel refused.
    """
    result = libc.mount(
        source.encode(),
        target.encode(),
        kind.encode() if kind else None,
        ctypes.c_ulong(flags),
        options.encode() if options else None,
    )
    _checked(result, f"mount {target}")


def syscall(number: int, *arguments: object) -> int:
    """Call a system call by number and return its result.

    Raises:
        OSError: the kernel refused.
    """
    return _checked(libc.syscall(ctypes.c_long(number), *arguments), f"system call {number}")


class _CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _CapabilitySets(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def permitted_capabilities() -> int:
    """Return the permitted set's low 32 bits."""
    header = _CapabilityHeader(CAPABILITY_VERSION_3, 0)
    sets = (_CapabilitySets * 2)()
    _checked(libc.capget(ctypes.byref(header), sets), "capget")
    return int(sets[0].permitted)


def keep_only(capabilities: int) -> None:
    """Give up every capability that is not in the mask.

    Raises:
        OSError: the kernel refused.
    """
    header = _CapabilityHeader(CAPABILITY_VERSION_3, 0)
    sets = (_CapabilitySets * 2)()
    sets[0].effective = sets[0].permitted = sets[0].inheritable = capabilities
    _checked(libc.capset(ctypes.byref(header), sets), "capset")
