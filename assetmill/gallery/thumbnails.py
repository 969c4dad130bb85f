"""A small picture for each picture: made once, kept by digest in the home, made again when it is gone."""

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

_QUALITY = 78


class ThumbnailStore:
    """The thumbnails of one home. Safe for threads and processes: a file appears whole, or not at all."""

    def __init__(self, home: Path, blobs: Blobs) -> None:
        self._home, self._blobs = home, blobs

    def read(self, ref: BlobRef) -> bytes | None:
        """Return the thumbnail of a picture as WebP; None when its bytes are lost or show nothing."""
        path = thumbnail_path(self._home, ref.digest.removeprefix("sha256:"))
        try:
            return path.read_bytes()
        except FileNotFoundError:
            pass
        data = self._make(ref)
        if data is not None:
            make_folder(path.parent)
            write_private(path, data)
        return data

    def _make(self, ref: BlobRef) -> bytes | None:
        try:
            seen = Look(self._blobs.get(ref)).first(LONGEST_PX)
        except (StoreError, OSError, SyntaxError, ValueError):
            # A wall of ten thousand is worth seeing without the one picture that is damaged.
            return None
        data = io.BytesIO()
        seen.save(data, "WEBP", quality=_QUALITY, method=2)
        return data.getvalue()
