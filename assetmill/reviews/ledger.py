"""The envelopes of a store: what was said of a picture's bytes, each written once, oldest first."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator

from assetmill.fingerprint import Digest
from assetmill.records import BlobRef
from assetmill.store import layout
from assetmill.store.backend import Backend
from assetmill.store.blobs import Blobs


class ReviewLedger:
    """Reads and adds envelopes; whether they are sound is for who opens them. Safe for threads."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def add(self, picture: Digest, envelope: str) -> None:
        """Keep an envelope beside those that are there."""
        key = layout.review(picture, time.time_ns(), uuid.uuid4().hex[:12])
        self._backend.create(key, envelope.encode(), media_type="application/json")

    def holds(self, picture: BlobRef) -> bool:
        """Whether the store has a picture's bytes, and no others in their place: they are read."""
        return Blobs(self._backend).find(picture) is not None

    def of(self, picture: Digest) -> tuple[str, ...]:
        """Return the envelopes of a picture, oldest first."""
        keys = [entry.key for entry in self._backend.list(layout.reviews(picture))]
        return tuple(self._backend.get(key).decode(errors="replace") for key in keys)

    def pictures(self) -> Iterator[Digest]:
        """Yield the digest of every picture of which something was said, each once."""
        seen: set[str] = set()
        for entry in self._backend.list(layout.REVIEWS):
            sha = entry.key.removeprefix(layout.REVIEWS).partition("/")[0]
            if sha not in seen:
                seen.add(sha)
                yield Digest(f"sha256:{sha}")
