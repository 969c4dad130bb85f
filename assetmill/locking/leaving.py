"""Files that a lock in git named and the lock of the tree does not: what may be removed, and nothing else."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from assetmill.errors import InvalidInput, InvalidSpec
from assetmill.locking.history import newest_versions
from assetmill.locking.lockfile import parse_lock
from assetmill.locking.models import Lock
from assetmill.locking.paths import file_state, linked_folder

_VERSIONS = 2
"""The lock of the tree may be committed already, and then the one before it is the one to ask."""


@dataclass(frozen=True)
class Left:
    """A file that left the lock. `is_ours` says that it has the bytes that were locked, so nobody's work."""

    path: str
    is_ours: bool


def previous_lock(lock: Lock, root: Path, name: str) -> Lock:
    """Return the newest lock in git that is another than `lock`; an empty one when there is none.

    Raises:
        InvalidInput: git is not there, or the tree is not one of its work trees.
    """
    for data in newest_versions(root, name, _VERSIONS):
        try:
            before = parse_lock(data)
        except InvalidSpec:
            continue
        if before != lock:
            return before
    return Lock()


def files_left(before: Lock, lock: Lock, root: Path) -> tuple[Left, ...]:
    """Return the files that are in the tree, that `before` names, and `lock` does not; by path."""
    # On some systems a name in other letters is the same file.
    kept = {path.lower() for path in lock.in_tree()}
    found: list[Left] = []
    for path, asset in sorted(before.in_tree().items()):
        if path.lower() in kept or linked_folder(root, path):
            continue
        state = file_state(root, path, asset.sha256)
        if state != "missing":
            found.append(Left(path, is_ours=state == "there"))
    return tuple(found)


def remove_file(root: Path, left: Left) -> bool:
    """Remove a file that left the lock, unless somebody changed it; return whether it was removed.

    Raises:
        InvalidInput: the system refuses.
    """
    if not left.is_ours or linked_folder(root, left.path):
        return False
    try:
        os.unlink(root / left.path)
    except OSError as error:
        raise InvalidInput(f"cannot remove {left.path!r}: {error.strerror or error}") from error
    return True
