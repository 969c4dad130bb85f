"""The port that every object store adapter implements: eight verbs over keys and bytes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol


class ObjectHead(NamedTuple):
    """What a listing tells of one object."""

    key: str
    size_bytes: int
    modified_at: float
    """Unix seconds, by the store's clock."""


class Backend(Protocol):
    """An object store. All methods may be called from several threads at once.

    Keys are `/`-separated segments of `[A-Za-z0-9_.=@+-]`, at most 200 bytes each and 900 in all; no key is
    a directory of another. When a write returns, it survives a power cut.
    """

    name: str
    """For messages: `file:.assetmill/store`, `s3://bucket/prefix`."""

    @property
    def requests(self) -> int:
        """How many requests this adapter has made, for measurements and tests."""
        ...

    def put(self, key: str, data: bytes, *, media_type: str = "application/octet-stream") -> None:
        """Store `data`, replacing what was there. Only for bytes that are the same whoever writes them.

        Raises:
            StoreUnavailable: the store still refused after its own retries.
        """
        ...

    def create(self, key: str, data: bytes, *, media_type: str = "application/json") -> None:
        """Store `data` if nothing is there yet; of racing creators exactly one succeeds.

        A lost reply makes one's own write look like another's: callers read back and compare.

        Raises:
            KeyExists: something is there already (perhaps one's own bytes).
            StoreUnavailable: the store still refused after its own retries.
        """
        ...

    def get(self, key: str) -> bytes:
        """Return the object's bytes.

        Raises:
            KeyMissing: nothing is there.
            StoreUnavailable: the store still refused; never reported as missing.
        """
        ...

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """Return at most `length` bytes from offset `start`; errors as in `get`."""
        ...

    def head(self, key: str) -> ObjectHead | None:
        """Return what is known of the object, None when nothing is there."""
        ...

    def list(self, prefix: str, limit: int | None = None) -> Iterator[ObjectHead]:
        """Yield the objects whose key starts with `prefix`, sorted by key, at most `limit` of them."""
        ...

    def delete(self, key: str) -> None:
        """Remove the object; absent is fine."""
        ...

    def presign(self, key: str, expires_s: int) -> str:
        """Return a URL that reads the object for `expires_s` seconds. Never stored, only shown.

        Raises:
            StoreError: this kind of store has no URLs.
        """
        ...

    def close(self) -> None:
        """Release connections and threads."""
        ...
