"""Copies of stored bytes that the product itself wrote on this machine: exports, results, the emulator's."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path

from assetmill.fingerprint import Digest, digest
from assetmill.private import thumbnail_path
from assetmill.settings import Settings


def local_copies(wanted: Collection[tuple[Digest, int]], settings: Settings) -> Iterator[Path]:
    """Yield every file below the project's home, but the store, that has the bytes of a digest and size.

    So are thumbnails, which have other bytes and show the same.
    """
    sizes = {size_bytes for _, size_bytes in wanted}
    digests = {name for name, _ in wanted}
    for name in sorted(digests):
        sha256 = name.removeprefix("sha256:")
        both = [thumbnail_path(settings.home, sha256, is_small=is_small) for is_small in (False, True)]
        yield from (path for path in both if path.is_file())
    store = Path(settings.store_url.removeprefix("file:")) if settings.store_url.startswith("file:") else None
    for folder, folders, names in os.walk(settings.home):
        inside = Path(folder)
        folders[:] = [name for name in folders if inside / name != store]
        for path in (inside / name for name in sorted(names)):
            if _has(path, sizes, digests):
                yield path


def _has(path: Path, sizes: Collection[int], digests: Collection[Digest]) -> bool:
    """Whether a file has wanted bytes; one that goes while it is looked at, or cannot be read, has not."""
    try:
        is_like = path.is_file() and not path.is_symlink() and path.stat().st_size in sizes
        return is_like and digest(path.read_bytes()) in digests
    except OSError:
        return False
