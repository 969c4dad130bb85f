"""Immutable bytes under their SHA-256, whatever store holds them."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator

from assetmill.errors import BlobDamaged, InvalidInput, KeyMissing, StoreError
from assetmill.fingerprint import Digest, digest
from assetmill.records import BlobRef
from assetmill.store import layout
from assetmill.store.backend import Backend
from assetmill.store.pending_deletions import PendingDeletions

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class Blobs:
    """The content-addressed part of a store. Safe to share between threads if its backend is."""

    def __init__(self, backend: Backend, pending_deletions: PendingDeletions | None = None) -> None:
        self._backend, self._pending = backend, pending_deletions

    def put(self, data: bytes, media_type: str) -> BlobRef:
        """Store `data` under its SHA-256 and name it.

        Repeating a call is harmless, and heals a damaged blob. Nothing is visible if it raises.

        Raises:
            StoreUnavailable: the backend still refused after its own retries.
        """
        name = digest(data)
        plan = self._pending.plan_of(name) if self._pending else None
        key = layout.blob(name) if plan is None else layout.blob_beside(name, plan)
        self._backend.put(key, data, media_type=media_type)
        return BlobRef(digest=name, size_bytes=len(data), media_type=media_type)

    def get(self, ref: BlobRef) -> bytes:
        """Return the blob's bytes, checked against its digest and size.

        Raises:
            KeyMissing: it is not there.
            BlobDamaged: what was there did not match, was set aside, and counts as absent.
            StoreUnavailable: the backend still refused after its own retries.
        """
        try:
            return self._get(self.key(ref), ref)
        except (KeyMissing, BlobDamaged) as error:
            for key in self._beside(ref):
                try:
                    return self._get(key, ref)
                except (KeyMissing, BlobDamaged):
                    continue
            if isinstance(error, KeyMissing) and self._backend.head(layout.tombstone(ref.digest)):
                raise KeyMissing(f"{error}: these bytes were purged") from error
            raise type(error)(f"{error}; `assetmill repair` looks for these bytes elsewhere") from error

    def _get(self, key: str, ref: BlobRef) -> bytes:
        data = self._backend.get(key)
        if not _is(ref, data):
            # Once more, because a single bad transfer must not cost a blob that was paid for.
            data = self._backend.get(key)
        if _is(ref, data):
            return data
        if digest(data) == ref.digest:
            # The blob is whole and the reference lies about its size: others may rely on these bytes.
            raise BlobDamaged(f"{key!r} has {len(data)} bytes, not {ref.size_bytes} as its record says")
        self._backend.put(layout.quarantine(ref.digest, uuid.uuid4().hex), data)
        self._backend.delete(key)
        raise BlobDamaged(
            f"{key!r} in {self._backend.name} held {len(data)} bytes of another digest; set aside"
        )

    def has(self, ref: BlobRef) -> bool:
        """Say whether a blob of that digest and size is there, without reading it."""
        found = self._backend.head(self.key(ref))
        if found is not None:
            return found.size_bytes == ref.size_bytes
        sizes = [other.size_bytes for other in self._backend.list(layout.blobs_beside(ref.digest))]
        return ref.size_bytes in sizes

    def _beside(self, ref: BlobRef) -> Iterator[str]:
        """Yield where else the bytes may be: written while a collection condemned their own key."""
        for entry in self._backend.list(layout.blobs_beside(ref.digest)):
            yield entry.key

    def key(self, ref: BlobRef) -> str:
        """Return the blob's key.

        Raises:
            InvalidInput: the digest is not a SHA-256 as we write it.
        """
        if not _DIGEST.fullmatch(ref.digest):
            raise InvalidInput(f"{ref.digest[:100]!r} is not a digest: sha256: and 64 hex digits")
        return layout.blob(ref.digest)

    def shared(self, ref: BlobRef, expires_s: int) -> str | None:
        """Return an address at which anybody reads the bytes for a while, None where the store has none."""
        try:
            url = self._backend.presign(self.key(ref), expires_s)
        except StoreError:
            return None
        return url if url.startswith("https://") else None

    def named(self, name: Digest, media_type: str = "application/octet-stream") -> BlobRef | None:
        """Return the reference to bytes of which only the digest is known, None when they are not there."""
        ref = BlobRef(digest=name, size_bytes=0, media_type=media_type)
        heads = (self._backend.head(self.key(ref)), *self._backend.list(layout.blobs_beside(name)))
        found = next((head for head in heads if head is not None), None)
        return ref.model_copy(update={"size_bytes": found.size_bytes}) if found else None

    def find(self, ref: BlobRef) -> bytes | None:
        """Return the blob's bytes, None when it is missing or damaged."""
        try:
            return self.get(ref)
        except (KeyMissing, BlobDamaged):
            return None


def _is(ref: BlobRef, data: bytes) -> bool:
    return len(data) == ref.size_bytes and digest(data) == ref.digest
