"""A whole store copied into another one, while it is worked with: resumable, verified, never overwriting."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from assetmill.errors import BlobDamaged, KeyExists, KeyMissing
from assetmill.fingerprint import digest
from assetmill.store import layout
from assetmill.store.backend import Backend, ObjectHead

_AT_ONCE = 16
_MOST_PASSES = 20
_NAMES = ("v1/h/", "v1/j/", "v1/k/", layout.BEGUN)
"""What leads to records: it must not be in a copy before them."""
_OWN = ("v1/meta/",)
"""What a store says of itself alone."""


@dataclass
class Copied:
    """What came of a copy. `differing` are keys under which the other store holds something else."""

    copied: int = 0
    size_bytes: int = 0
    there: int = 0
    vanished: int = 0
    differing: tuple[str, ...] = ()


class StoreCopier:
    """Copies what one store has and another lacks. Running it again goes on where it was.

    Everything in a store is written once, so what is there already is compared by its size alone, unless all
    is to be read (`is_thorough`). Bytes that do not match the digest that is their name are not copied.
    """

    def __init__(self, source: Backend, target: Backend, *, is_thorough: bool = False) -> None:
        self._source, self._target, self._is_thorough = source, target, is_thorough
        self._seen: dict[str, int] = {}
        # Objects are copied in several threads, which count together.
        self._lock = threading.Lock()
        self.result = Copied()

    def run(self) -> Copied:
        """Copy until a listing of the source shows nothing new: it may be worked with meanwhile.

        Raises:
            BlobDamaged: bytes of the source are not what their name says; `repair` comes before a copy.
            StoreError: one of the two stores refuses.
        """
        self._seen = {head.key: head.size_bytes for head in self._target.list("")}
        self._compare_known()
        for _ in range(_MOST_PASSES):
            if not self._pass():
                break
        return self.result

    def _pass(self) -> int:
        """Copy what is new, and return how much that was.

        What is written last is listed first and copied last, so that whoever reads the copy at any moment
        finds everything that a record names.
        """
        names = self._new(*_NAMES)
        records = [head for head in self._new("") if not head.key.startswith((layout.BLOBS, *_NAMES))]
        blobs = self._new(layout.BLOBS)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for group in (blobs, records, names):
                list(pool.map(self._copy, group))
                self._seen |= {head.key: head.size_bytes for head in group}
        return len(blobs) + len(records) + len(names)

    def _new(self, *prefixes: str) -> list[ObjectHead]:
        return [head for prefix in prefixes for head in self._listed(prefix) if head.key not in self._seen]

    def _listed(self, prefix: str) -> Iterator[ObjectHead]:
        # Heartbeats of shards come and go.
        return (h for h in self._source.list(prefix) if not h.key.startswith(_OWN) and "/live." not in h.key)

    def _compare_known(self) -> None:
        known = [head for head in self._listed("") if head.key in self._seen]
        self.result.there = len(known)
        doubtful = [h.key for h in known if self._is_thorough or self._seen[h.key] != h.size_bytes]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(self._compare, doubtful))

    def _compare(self, key: str) -> None:
        if key.startswith(layout.BEGUN):
            # Of another run of its batch by now; each leads to the same batch.
            return
        try:
            if self._target.get(key) == self._source.get(key):
                return
        except KeyMissing:
            return
        self._note_difference(key)

    def _note_difference(self, key: str) -> None:
        with self._lock:
            self.result.differing = tuple(sorted({*self.result.differing, key}))

    def _copy(self, head: ObjectHead) -> None:
        try:
            data = self._source.get(head.key)
        except KeyMissing:
            # Collected meanwhile: what goes while it is copied need not be in the copy.
            with self._lock:
                self.result.vanished += 1
            return
        _check(self._source.name, head.key, data)
        try:
            self._target.create(head.key, data)
        except KeyExists:
            return self._compare(head.key)
        with self._lock:
            self.result.copied += 1
            self.result.size_bytes += len(data)


def _check(store: str, key: str, data: bytes) -> None:
    if key.startswith(layout.BLOBS) and digest(data).removeprefix("sha256:") != layout.sha_of_blob(key):
        raise BlobDamaged(f"{store}: the bytes under {key} are damaged; `assetmill repair` first")
