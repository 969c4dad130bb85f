"""A project's home is its owner's alone: nobody else reads it, and git does not take it."""

from __future__ import annotations

import os
import stat
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

IGNORE = ".gitignore"
OURS = frozenset(
    {"store", "emulator", "prefect", "gallery", "reviewers", "out", "agent-calls", "mcp", IGNORE}
)
"""What we make in a home. With anything else in it the folder is a person's, and only these are ours."""

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def make_home(home: Path) -> Path:
    """Make a home, or tighten one that an older version left open; return it.

    It is tightened once, file by file; what is made in it afterwards is as private as the folder it lies in.
    """
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    entries = set(os.listdir(home))
    if IGNORE in entries and not _is_open(home):
        return home
    is_ours = entries <= OURS
    if is_ours:
        _close(home)
    for name in sorted((entries & OURS) - {IGNORE}):
        if is_ours or _is_open(home / name):
            tighten(home / name)
    if is_ours and IGNORE not in entries:
        # Last: with it a home counts as tightened.
        write_private(home / IGNORE, b"*\n")
    return home


def thumbnail_path(home: Path, sha256: str, *, is_small: bool = False) -> Path:
    """Return where a thumbnail of a picture lies: whoever purges the picture has to find both."""
    return home / "gallery" / "thumbnails" / sha256[:2] / f"{sha256}{'-small' if is_small else ''}.webp"


def tighten(folder: Path) -> None:
    """Take everything in a folder, and the folder, from everybody but its owner."""
    for path in _below(folder):
        _close(path)


def make_folder(folder: Path) -> Path:
    """Make a folder and those above it, each no more open than the one it lies in; return it."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(exist_ok=True, mode=path.parent.stat().st_mode & 0o777)
    # A file of that name is there, and cannot be used.
    folder.mkdir(exist_ok=True)
    return folder


def write_private(path: Path, data: bytes) -> None:
    """Replace a file as a whole by one that only its owner may read."""
    # Threads of one process make a home together: the number of the process would be one name for all.
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
    try:
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(data)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def open_private(path: Path, mode: str) -> IO[Any]:
    """Open a file to write into it; one that has to be made only its owner may read."""
    return open(path, mode, opener=lambda name, flags: os.open(name, flags, 0o600))


def _is_open(path: Path) -> bool:
    return bool(path.stat().st_mode & _OTHERS)


def _close(path: Path) -> None:
    # Of another owner, or gone meanwhile: a temporary file of a process that is at work.
    with suppress(PermissionError, FileNotFoundError):
        if not path.is_symlink():
            path.chmod(stat.S_IMODE(path.stat().st_mode) & ~_OTHERS)


def _below(folder: Path) -> Iterator[Path]:
    if folder.is_symlink():
        return
    yield folder
    for place, folders, files in os.walk(folder):
        yield from (Path(place) / name for name in (*folders, *files))
