"""A listing that is too long for memory: its lines wait in a file, and only their times are held."""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import BinaryIO


class Spool:
    """Lines with a time and a name each; they come back by time, and of the same time as they went in."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._times, self._ends = array("d"), array("Q")
        self._standing: dict[str, int] = {}

    def add(self, time: float, name: str, line: str, *, replaces: bool = False) -> None:
        """Take a line in; the last that replaces stands for all others of its name."""
        if replaces:
            self._standing[name] = len(self._times)
        self._file.write(f"{name}\0{line}".encode())
        self._times.append(time)
        self._ends.append(self._file.tell())

    @property
    def is_used(self) -> bool:
        """Whether any line was taken in."""
        return bool(self._times)

    def lines(self) -> Iterator[str]:
        """Yield every line for which no other stands, the oldest first."""
        for number in sorted(range(len(self._times)), key=self._times.__getitem__):
            start = self._ends[number - 1] if number else 0
            self._file.seek(start)
            name, _, line = self._file.read(self._ends[number] - start).decode().partition("\0")
            if self._standing.get(name, number) == number:
                yield line


@contextmanager
def opened_spool() -> Generator[Spool]:
    """Open a spool for a while."""
    with tempfile.TemporaryFile(prefix="assetmill-") as file:
        yield Spool(file)
