"""What became of rows, kept small: a batch of many rows must not grow with each that is done."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, MutableMapping
from typing import TypeVar

from assetmill.batches.records import BatchRow, pack, unpack

K = TypeVar("K", bound=Hashable)


class ToldRows(MutableMapping[K, BatchRow]):
    """Rows by their number or key, packed: few are looked at before the batch is sealed."""

    def __init__(self) -> None:
        self._packed: dict[K, bytes] = {}

    def __getitem__(self, key: K) -> BatchRow:
        return unpack(self._packed[key])

    def __setitem__(self, key: K, row: BatchRow) -> None:
        self._packed[key] = pack(row)

    def __delitem__(self, key: K) -> None:
        del self._packed[key]

    def __iter__(self) -> Iterator[K]:
        return iter(self._packed)

    def __len__(self) -> int:
        return len(self._packed)

    def __contains__(self, key: object) -> bool:
        return key in self._packed
