"""Collect what a run left in its directory without trusting a single name in it."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import subprocess
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
class CollectedFiles:
    """New and changed files by relative path, in order of name, and a line for each thing passed over."""

    files: tuple[tuple[str, bytes], ...]
    skipped: tuple[str, ...]


def snapshot(root: Path) -> Snapshot:
    """Remember what is there, so that only changes are collected afterwards."""
    found: dict[str, Stamp] = {}
    for name, info in _entries(root):
        found[name] = _stamp(info)
    return found


def footprint(root: Path) -> tuple[int, int]:
    """Return bytes on disk and number of files below the directory; sparse files count what they hold."""
    sizes = [info.st_blocks * 512 for _, info in _entries(root)]
    return sum(sizes), len(sizes)


def hand_over(root: Path, uid: int) -> None:
    """Give the tree to another user, as root. A file with a second name stays: that may be anywhere."""
    os.chown(root, uid, uid, follow_symlinks=False)
    for path, info in _walk(root):
        if info.st_uid != uid and (stat.S_ISDIR(info.st_mode) or info.st_nlink == 1):
            with contextlib.suppress(OSError):
                os.chown(root / path, uid, uid, follow_symlinks=False)


def remove(root: Path) -> None:
    """Remove a tree, however deep, and whatever modes its directories were given."""
    with contextlib.suppress(OSError, RecursionError):
        shutil.rmtree(root)
    if root.exists():
        for tool in (["chmod", "-R", "u+rwX"], ["rm", "-rf"]):
            subprocess.run([*tool, "--", str(root)], check=False, capture_output=True)  # noqa: S603


def collect(root: Path, before: Snapshot) -> CollectedFiles:
    """Read every regular file that is new or changed since `before`.

    The tree must be at rest: whoever could write to it has been ended. Links, pipes, sockets, files with a
    second name and names that are not text are passed over, as is whatever exceeds the limits.
    """
    files: list[tuple[str, bytes]] = []
    skipped: list[str] = []
    left = MAX_TOTAL_BYTES
    seen = 0
    for name, info in sorted(_walk(root)):
        seen += 1
        if stat.S_ISDIR(info.st_mode):
            if name.count("/") >= MAX_DEPTH:
                # Nobody who tidies up later should have to meet a tree deeper than the stack.
                remove(root / name)
                skipped.append(f"{name!r}: it is too deep")
            continue
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
    return CollectedFiles(tuple(files), tuple(skipped))


def _entries(root: Path) -> Iterator[tuple[str, os.stat_result]]:
    return ((name, info) for name, info in _walk(root) if not stat.S_ISDIR(info.st_mode))


def _walk(root: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Walk the tree without following a link, parents before children, to a limit in number and depth."""
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
                    yield name, info
                    if stat.S_ISDIR(info.st_mode) and name.count("/") < MAX_DEPTH:
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
