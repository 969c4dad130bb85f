"""Listings in the order of keys, whether a store lists by key or by folder, without holding them whole.

By key `a-c` comes before `a/b`, because `-` does before `/`; a store with folders lists all of `a/` first. So
what is in a folder waits until the folder ends, or, when it is large, until what lies beside it under a name
that begins like its own (`a+`, `a-`, `a.`) was asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from heapq import heappop, heappush

from assetmill.store.backend import ObjectHead

BESIDE = ("+", "-", ".")
"""What a key may have that sorts before `/`."""

_HELD_FIRST, _HELD = 1_000, 20_000
"""The first objects come soon; later ones together, because each question costs a request or three."""


def in_key_order(
    found: Iterable[ObjectHead],
    beside: Callable[[str], Iterable[ObjectHead]],
    prefix: str,
    limit: int | None = None,
) -> Iterator[ObjectHead]:
    """Yield what a store lists below `prefix` sorted by key; some 20,000 objects are held at most.

    `beside` lists what begins like a folder, given without its `/`, and goes on with one of `BESIDE`. With a
    `limit` no more than that are held before it is asked.
    """
    ordering = _Ordering(beside, prefix, min(_HELD_FIRST, limit or _HELD))
    for head in found:
        yield from ordering.take(head)
    yield from ordering.rest()


class _Ordering:
    """What was listed and cannot be told yet."""

    def __init__(self, beside: Callable[[str], Iterable[ObjectHead]], prefix: str, most: int) -> None:
        self._beside, self._start, self._most = beside, prefix.rfind("/") + 1, most
        self._held: dict[str, ObjectHead] = {}
        self._names: list[str] = []
        """Their keys, as a heap."""
        self._settled: set[str] = set()
        """Folders of which everything that belongs before them is told or held."""
        self._ahead: tuple[str, ...] = ()
        """How keys begin that were asked for before the store came to them."""
        self._told = ""

    def take(self, head: ObjectHead) -> Iterator[ObjectHead]:
        """Take one in, and yield those before which nothing can come any more."""
        key = head.key
        if key <= self._told or key.startswith(self._ahead):
            return
        self._hold(head)
        folders = list(self._folders(key))
        if not self._settled.issuperset(folders):
            if len(self._held) < self._most:
                return
            self._settle(key, folders)
            self._most = min(2 * self._most, _HELD)
        yield from self._until(key)

    def rest(self) -> Iterator[ObjectHead]:
        """Yield what is left at the end."""
        return self._until(None)

    def _folders(self, key: str) -> Iterator[str]:
        """Yield the folders of a key below the prefix."""
        at = key.find("/", self._start)
        while at >= 0:
            yield key[:at]
            at = key.find("/", at + 1)

    def _settle(self, key: str, folders: list[str]) -> None:
        # Folders that the store has left for good do not come again.
        self._settled = {folder for folder in self._settled if key.startswith(folder)}
        for folder in folders:
            if folder not in self._settled:
                self._settled.add(folder)
                for head in self._beside(folder):
                    if head.key > self._told:
                        self._hold(head)
        self._ahead = tuple(folder + letter for folder in self._settled for letter in BESIDE)

    def _hold(self, head: ObjectHead) -> None:
        if head.key not in self._held:
            heappush(self._names, head.key)
        self._held[head.key] = head

    def _until(self, key: str | None) -> Iterator[ObjectHead]:
        """Yield what is held, up to a key."""
        while self._names and (key is None or self._names[0] <= key):
            self._told = heappop(self._names)
            yield self._held.pop(self._told)
