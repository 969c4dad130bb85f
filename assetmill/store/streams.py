"""Large records as files: read a piece at a time, never held whole."""

from __future__ import annotations

import gzip
import io
from typing import TYPE_CHECKING, BinaryIO, cast

from assetmill.store.backend import Backend, ObjectHead

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_PIECE_BYTES = 1 << 20
"""What one request reads; an object that is no larger is read at once."""


class _Ranges(io.RawIOBase):
    """An object of a store, read by ranges one after the other."""

    def __init__(self, backend: Backend, entry: ObjectHead) -> None:
        self._backend, self._entry, self._at = backend, entry, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer)
        length = min(len(view), _PIECE_BYTES, self._entry.size_bytes - self._at)
        data = self._backend.get_range(self._entry.key, self._at, length) if length else b""
        view[: len(data)] = data
        self._at += len(data)
        return len(data)


def opened(backend: Backend, entry: ObjectHead) -> BinaryIO:
    """Return an object as a file.

    Raises:
        KeyMissing: it is gone since it was listed; of a large one it is told when it is read.
    """
    if entry.size_bytes <= _PIECE_BYTES:
        return io.BytesIO(backend.get(entry.key))
    return io.BufferedReader(_Ranges(backend, entry), _PIECE_BYTES)


def as_file(source: bytes | BinaryIO) -> io.BufferedReader:
    """Return bytes, or what `opened` returns, as a file that can be looked into."""
    raw = io.BytesIO(source) if isinstance(source, bytes) else source
    return io.BufferedReader(cast(io.RawIOBase, raw))


def is_packed(file: io.BufferedReader) -> bool:
    """Whether what follows in a file is compressed."""
    return file.peek(2)[:2] == b"\x1f\x8b"


def unpacked_file(source: bytes | BinaryIO) -> BinaryIO:
    """Return a record's text as a file, whether it is stored compressed or not."""
    file = as_file(source)
    return cast(BinaryIO, gzip.GzipFile(fileobj=file)) if is_packed(file) else file
