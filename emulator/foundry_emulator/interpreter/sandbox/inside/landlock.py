"""Landlock: from here on only the named directories exist for opening, and no TCP, signal or abstract socket.

Numbers are those of <linux/landlock.h>; the system call numbers are the same on every architecture.
"""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Iterable

from . import linux

_CREATE, _ADD_RULE, _RESTRICT = 444, 445, 446
_VERSION_FLAG = 1
_RULE_PATH_BENEATH = 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 1 << 1, 1 << 2, 1 << 3
_RIGHTS_KNOWN = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
_MAKE_CHAR, _MAKE_SOCKET, _MAKE_BLOCK = 1 << 6, 1 << 9, 1 << 11
_TRUNCATE, _IOCTL_DEVICE = 1 << 14, 1 << 15
_FILE_RIGHTS = EXECUTE | WRITE_FILE | READ_FILE | _TRUNCATE | _IOCTL_DEVICE
_BIND_AND_CONNECT_TCP = 0b11
_ABSTRACT_SOCKETS_AND_SIGNALS = 0b11


class _Ruleset(ctypes.Structure):
    _fields_ = (("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def abi() -> int:
    """Return the kernel's Landlock version, 0 where there is none."""
    try:
        return linux.syscall(_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION_FLAG))
    except OSError:
        return 0


def scopes_signals(version: int) -> bool:
    """Say whether Landlock itself keeps signals inside."""
    return version >= 6


def guards_truncation(version: int) -> bool:
    """Say whether Landlock itself keeps files outside from being cut by name."""
    return version >= 3


def restrict(
    version: int, *, readable: Iterable[str], writable: Iterable[str], devices: Iterable[str]
) -> None:
    """Close the file system to this process and its children, except these trees, for good.

    `version` is the newest to use. Paths that do not exist are passed over. `no_new_privs` must be set.

    Raises:
        OSError: the kernel has no Landlock.
    """
    if version < 1:
        raise OSError("this kernel has no Landlock")
    handled = (1 << _RIGHTS_KNOWN[min(version, 5)]) - 1
    scoped = _ABSTRACT_SOCKETS_AND_SIGNALS if scopes_signals(version) else 0
    rules = _Ruleset(handled, _BIND_AND_CONNECT_TCP, scoped)
    size = ctypes.c_size_t(24 if scoped else 16 if version >= 4 else 8)
    ruleset = linux.syscall(_CREATE, ctypes.byref(rules), size, ctypes.c_uint32(0))
    everything = handled & ~(_MAKE_CHAR | _MAKE_SOCKET | _MAKE_BLOCK | _IOCTL_DEVICE)
    try:
        for paths, rights in (
            (readable, EXECUTE | READ_FILE | READ_DIR),
            (writable, everything),
            (devices, READ_FILE | WRITE_FILE),
        ):
            for path in paths:
                _allow(ruleset, path, rights)
        linux.syscall(_RESTRICT, ctypes.c_int(ruleset), ctypes.c_uint32(0))
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(parent).st_mode):
            rights &= _FILE_RIGHTS
        rule = _PathBeneath(rights, parent)
        linux.syscall(
            _ADD_RULE,
            ctypes.c_int(ruleset),
            ctypes.c_int(_RULE_PATH_BENEATH),
            ctypes.byref(rule),
            ctypes.c_uint32(0),
        )
    finally:
        os.close(parent)
