"""Collect what a run left in its directory without trusting a single name in it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

MAX_FILES = 50
MAX_TOTAL_BYTES = 64 << 20
MAX_ENTRIES = 10_000
"""Directory entries looked at; a run that makes more has its rest ignored, and says so."""
MAX_DEPTH = 16

_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

Stamp = tuple[int, int, int, int]
Snapshot = Mapping[str, Stamp]


@dataclass(frozen=True)
class Harvest:
    """New and changed files by relative path, in order of name, and a line for each thing passed over."""

    files: tuple[tuple[str, bytes], ...]
    skipped: tuple[str, ...]


def snapshot(root: Path) -> Snapshot:
    """Remember what is there, so that only changes are collected afterwards."""
    found: dict[str, Stamp] = {}
    for name, info in _entries(root):
        found[name] = _stamp(info)
    return found


def size_of(root: Path) -> int:
    """Return the disk space below the directory in bytes; sparse files count what they hold."""
    return sum(info.st_blocks * 512 for _, info in _entries(root))


def collect(root: Path, before: Snapshot) -> Harvest:
    """Read every regular file that is new or changed since `before`.

    The tree must be at rest: whoever could write to it has been ended. Links, pipes, sockets, files with a
    second name and names that are not text are passed over, as is whatever exceeds the limits.
    """
    files: list[tuple[str, bytes]] = []
    skipped: list[str] = []
    left = MAX_TOTAL_BYTES
    seen = 0
    for name, info in sorted(_entries(root)):
        seen += 1
        if before.get(name) == _stamp(info):
            continue
        reason = _refusal(name, info)
        if reason is None and len(files) >= MAX_FILES:
            reason = f"more than {MAX_FILES} files"
        if reason is None and info.st_size > left:
            reason = f"more than {MAX_TOTAL_BYTES >> 20} MiB of files"
        data = _read(root, name, info) if reason is None else None
        if data is None:
            skipped.append(f"{name!r}: {reason or 'it cannot be read'}")
            continue
        left -= len(data)
        files.append((name, data))
    if seen >= MAX_ENTRIES:
        skipped.append(f"everything after the first {MAX_ENTRIES} entries")
    return Harvest(tuple(files), tuple(skipped))


def _entries(root: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Walk the tree without following a link; directories themselves are not listed."""
    count = 0
    waiting = [""]
    while waiting:
        below = waiting.pop()
        try:
            with os.scandir(root / below) as listing:
                for entry in listing:
                    count += 1
                    if count > MAX_ENTRIES:
                        return
                    name = f"{below}/{entry.name}" if below else entry.name
                    info = entry.stat(follow_symlinks=False)
                    if not stat.S_ISDIR(info.st_mode):
                        yield name, info
                    elif name.count("/") < MAX_DEPTH:
                        waiting.append(name)
        except OSError:
            continue


def _stamp(info: os.stat_result) -> Stamp:
    return info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns


def _refusal(name: str, info: os.stat_result) -> str | None:
    try:
        name.encode()
    except UnicodeEncodeError:
        return "its name is not text"
    if not stat.S_ISREG(info.st_mode):
        return "it is not a regular file"
    if info.st_nlink != 1:
        return "it has a second name"
    if info.st_size > MAX_TOTAL_BYTES:
        return f"it is larger than {MAX_TOTAL_BYTES >> 20} MiB"
    return None


def _read(root: Path, name: str, expected: os.stat_result) -> bytes | None:
    """Read one file, step by step from the root, and only if it is still the file that was looked at."""
    *directories, last = name.split("/")
    opened: list[int] = []
    try:
        opened.append(os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        for directory in directories:
            opened.append(os.open(directory, _OPEN | os.O_DIRECTORY, dir_fd=opened[-1]))
        opened.append(os.open(last, _OPEN, dir_fd=opened[-1]))
        info = os.fstat(opened[-1])
        if not stat.S_ISREG(info.st_mode) or info.st_nlink != 1 or info.st_ino != expected.st_ino:
            return None
        with os.fdopen(opened.pop(), "rb") as source:
            return source.read(expected.st_size)
    except OSError:
        return None
    finally:
        for fd in opened:
            os.close(fd)
