"""One at a time for a folder's files: whoever reads one, changes it and writes it back holds the folder.

Without this, two commands at once would each write what they read plus their own change, and the later one
would silently undo the earlier.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from assetmill.errors import InvalidInput

GUARD = ".assetmill-guard"
"""Stands for the folder where a file system locks files alone, as NFS does; it stays."""

_ONLY_FILES = frozenset({errno.EBADF, errno.EISDIR, errno.EINVAL, errno.ENOLCK, errno.EOPNOTSUPP})


@contextmanager
def held(folder: Path) -> Generator[None]:
    """Hold a folder that exists; another process, or thread, that wants it waits. Not to be nested.

    A process that dies lets go.

    Raises:
        InvalidInput: the folder cannot be opened, or its file system knows no locks.
    """
    try:
        handle = _locked(folder)
    except OSError as error:
        raise InvalidInput(f"cannot lock {folder}: {error.strerror or error}") from error
    try:
        yield
    finally:
        os.close(handle)


def _locked(folder: Path) -> int:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
    except OSError as error:
        os.close(handle)
        if error.errno not in _ONLY_FILES:
            raise
        handle = os.open(folder / GUARD, os.O_RDWR | os.O_CREAT, 0o666)
        fcntl.flock(handle, fcntl.LOCK_EX)
    except BaseException:
        # Ctrl-C while it waits.
        os.close(handle)
        raise
    return handle
