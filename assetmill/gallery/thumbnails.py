"""Two small pictures for each picture, one for dense screens: made once, by digest, and again if gone."""

from __future__ import annotations

import io
from pathlib import Path

from assetmill.errors import StoreError
from assetmill.looking import Look
from assetmill.private import make_folder, thumbnail_path, write_private
from assetmill.records import BlobRef
from assetmill.store.blobs import Blobs

LONGEST_PX = 480
"""A tile is 240 px wide on a common screen, and twice that on a dense one."""
SMALL_PX = 256

_QUALITY = 78
_SMALL_QUALITY = 72
"""Ten thousand pictures are looked through by these: a first screen of 56 stays below a megabyte."""


class ThumbnailStore:
    """The thumbnails of one home. Safe for threads and processes: a file appears whole, or not at all."""

    def __init__(self, home: Path, blobs: Blobs) -> None:
        self._home, self._blobs = home, blobs

    def read(self, ref: BlobRef, *, is_small: bool = False) -> bytes | None:
        """Return a thumbnail of a picture as WebP; None when its bytes are lost or show nothing."""
        path = thumbnail_path(self._home, ref.digest.removeprefix("sha256:"), is_small=is_small)
        try:
            return path.read_bytes()
        except FileNotFoundError:
            pass
        data = self._make(ref, is_small=is_small)
        if data is not None:
            make_folder(path.parent)
            write_private(path, data)
        return data

    def _make(self, ref: BlobRef, *, is_small: bool) -> bytes | None:
        try:
            seen = Look(self._blobs.get(ref)).first(SMALL_PX if is_small else LONGEST_PX)
        except (StoreError, OSError, SyntaxError, ValueError):
            # A wall of ten thousand is worth seeing without the one picture that is damaged.
            return None
        data = io.BytesIO()
        seen.save(data, "WEBP", quality=_SMALL_QUALITY if is_small else _QUALITY, method=2)
        return data.getvalue()
