"""The object store of tests: a dictionary that keeps the port's promises, save the power cut."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

from assetmill.errors import KeyExists, KeyMissing, StoreError
from assetmill.store.backend import ObjectHead
from assetmill.store.keys import check_key, check_prefix


class MemoryStore:
    """An object store that lives as long as the process."""

    def __init__(self) -> None:
        self.name = "memory:"
        self.requests = 0
        self._objects: dict[str, tuple[bytes, float]] = {}
        # Two creators must not both find the key free; listings must not meet a dictionary that grows.
        self._lock = threading.Lock()

    def put(self, key: str, data: bytes, *, media_type: str = "application/octet-stream") -> None:
        """Store `data`, replacing what was there."""
        check_key(key)
        with self._lock:
            self.requests += 1
            self._objects[key] = (bytes(data), time.time())

    def create(self, key: str, data: bytes, *, media_type: str = "application/json") -> None:
        """Store `data` if nothing is there yet."""
        check_key(key)
        with self._lock:
            self.requests += 1
            if key in self._objects:
                raise KeyExists(f"{self.name} already has {key!r}")
            self._objects[key] = (bytes(data), time.time())

    def get(self, key: str) -> bytes:
        """Return the object's bytes."""
        return self._find(key)[0]

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """Return at most `length` bytes from offset `start`."""
        if start < 0 or length < 0:
            raise ValueError((start, length))
        return self._find(key)[0][start : start + length]

    def head(self, key: str) -> ObjectHead | None:
        """Return what is known of the object, None when nothing is there."""
        try:
            data, modified_at = self._find(key)
        except KeyMissing:
            return None
        return ObjectHead(key, len(data), modified_at)

    def list(self, prefix: str, limit: int | None = None) -> Iterator[ObjectHead]:
        """Yield the objects whose key starts with `prefix`, sorted by key, at most `limit` of them."""
        check_prefix(prefix)
        with self._lock:
            self.requests += 1
            found = sorted(item for item in self._objects.items() if item[0].startswith(prefix))
        return iter([ObjectHead(key, len(data), at) for key, (data, at) in found[:limit]])

    def delete(self, key: str) -> None:
        """Remove the object; absent is fine."""
        check_key(key)
        with self._lock:
            self.requests += 1
            self._objects.pop(key, None)

    def presign(self, key: str, expires_s: int) -> str:
        """Refuse: memory has no URLs."""
        raise StoreError(f"{self.name} has no URLs for its objects")

    def close(self) -> None:
        """Do nothing; the objects stay readable."""

    def _find(self, key: str) -> tuple[bytes, float]:
        check_key(key)
        with self._lock:
            self.requests += 1
            found = self._objects.get(key)
        if found is None:
            raise KeyMissing(f"{self.name} has no {key!r}")
        return found
