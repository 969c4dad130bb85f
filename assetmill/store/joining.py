"""Two listings read side by side: both are sorted, so neither has to be held in memory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

V = TypeVar("V")


class Beside(Generic[V]):
    """Values by ascending names, asked for in ascending order; each is forgotten once it is passed."""

    def __init__(self, pairs: Iterable[tuple[str, V]]) -> None:
        self._pairs = iter(pairs)
        self._next = next(self._pairs, None)

    def at(self, name: str) -> V | None:
        """Return the value of a name, None without one; no earlier name may be asked for afterwards."""
        while self._next is not None and self._next[0] < name:
            self._next = next(self._pairs, None)
        return self._next[1] if self._next is not None and self._next[0] == name else None
