"""A site as a folder: it works from a file manager and from a bucket, and asks nobody for anything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from assetmill.errors import InvalidInput
from assetmill.gallery.site import Site
from assetmill.private import make_folder, write_private

_TOLD_EVERY = 200


@dataclass
class Written:
    """What came of it: files, their bytes, and the paths whose bytes the store has lost."""

    files: int = 0
    size_bytes: int = 0
    lost: list[str] = field(default_factory=list[str])


def write_folder(site: Site, folder: Path, tell: Callable[[int], None]) -> Written:
    """Write every file of a site; what is there under its digest already stays.

    Raises:
        InvalidInput: the folder cannot be written, or holds something that is no gallery.
        StoreUnavailable: the store does not answer; what is written stays, and a second call goes on.
    """
    _check(folder)
    done = Written()
    try:
        for path in site.paths():
            target = folder / path
            if _is_named_by_content(path) and target.is_file():
                size_bytes = target.stat().st_size
            elif found := site.read(path):
                make_folder(target.parent)
                write_private(target, found.data)
                target.chmod(0o644)
                size_bytes = len(found.data)
            else:
                done.lost.append(path)
                continue
            done.files += 1
            done.size_bytes += size_bytes
            if done.files % _TOLD_EVERY == 0:
                tell(done.files)
    except OSError as error:
        raise InvalidInput(f"cannot write to {folder}: {error.strerror or error}") from error
    return done


def _is_named_by_content(path: str) -> bool:
    return path.startswith(("files/", "thumbnails/"))


def _check(folder: Path) -> None:
    if not folder.exists():
        return
    if not folder.is_dir():
        raise InvalidInput(f"{folder} is a file: name a folder")
    if any(folder.iterdir()) and not (folder / "wall.js").is_file():
        raise InvalidInput(f"{folder} holds something that is no gallery: name a new or an empty folder")
