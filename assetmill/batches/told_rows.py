"""What became of rows, kept small: a batch of many rows must not grow with each that is done."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping

from assetmill.batches.records import BatchRow, pack, unpack


class ToldRows(MutableMapping[int, BatchRow]):
    """Rows by their number, packed: nobody looks at one before the batch is sealed."""

    def __init__(self) -> None:
        self._packed: dict[int, bytes] = {}

    def __getitem__(self, number: int) -> BatchRow:
        return unpack(self._packed[number])

    def __setitem__(self, number: int, row: BatchRow) -> None:
        self._packed[number] = pack(row)

    def __delitem__(self, number: int) -> None:
        del self._packed[number]

    def __iter__(self) -> Iterator[int]:
        return iter(self._packed)

    def __len__(self) -> int:
        return len(self._packed)

    def __contains__(self, number: object) -> bool:
        return number in self._packed
