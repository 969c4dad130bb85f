"""Where a project begins: its root is looked for upwards, as git looks for its own.

A folder is a root when it holds one of `MARKS`. Where none is on the way up, it is the folder one works in.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HOME = ".assetmill"
"""What a project keeps for itself, below its root."""

MARKS = ("configs/pipelines", "assets.lock", "assetmill.toml", HOME)


@dataclass(frozen=True)
class Root:
    """A project's folder and which of the marks made it one; None where nothing is marked."""

    path: Path
    mark: str | None

    def told(self) -> str:
        """Return it as a person reads it."""
        why = f"marked by {self.mark}" if self.mark else "nothing above marks another"
        return f"{self.path} ({why})"


def find_root(start: Path, user_home: Path | None = None) -> Root:
    """Return the nearest folder with a mark, from `start` upwards.

    The way up ends at `user_home`, at the root of a file system, and below a folder that belongs to somebody
    else or that everybody may write to: who may write there could choose what is run here.
    """
    folder, user = start.resolve(), user_home.resolve() if user_home else None
    for place in _upwards(folder, user):
        # A home directory is full of programs' folders: one of ours there says nothing of what is below it.
        marks = MARKS if place == folder or place != user else MARKS[:-1]
        for mark in marks:
            if (place / mark).exists():
                return Root(place, mark)
    return Root(folder, None)


def find_upwards(name: str, start: Path, user_home: Path | None = None) -> Path | None:
    """Return the nearest file of that name, as far up as a root would be looked for."""
    places = _upwards(start.resolve(), user_home.resolve() if user_home else None)
    return next((place / name for place in places if (place / name).is_file()), None)


def _upwards(start: Path, user_home: Path | None) -> Iterator[Path]:
    yield start
    try:
        first = start.stat()
    except OSError:
        return
    below = start
    while below not in {user_home, below.parent}:
        place = below.parent
        try:
            found = place.stat()
        except OSError:
            return
        is_ours = found.st_uid in {first.st_uid, os.getuid()} and not found.st_mode & stat.S_IWOTH
        if found.st_dev != first.st_dev or not is_ours:
            return
        yield place
        below = place
