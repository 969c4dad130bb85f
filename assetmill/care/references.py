"""Which blobs the records of a store name, read one record at a time."""

from __future__ import annotations

import re
import zlib
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from assetmill.care.kinds import kind_of, parse
from assetmill.errors import KeyMissing
from assetmill.store import layout
from assetmill.store.backend import Backend, ObjectHead
from assetmill.store.index_rows import read_page
from assetmill.store.streams import as_file, is_packed, opened

# Blobs and what is about them; and records that hold money, IDs and names alone.
_NO_RECORDS = (
    *(layout.BLOBS, layout.QUARANTINE, layout.COLLECTION, layout.TOMBSTONES, layout.PURGES),
    *("v1/m/", "v1/h/", "v1/e/", "v1/c/", "v1/u/", "v1/j/", layout.BEGUN, "v1/meta/"),
)
_DIGEST = re.compile(rb"sha256:([0-9a-f]{64})")
MAX_RECORD_BYTES = 1 << 30
"""What a compressed record may unpack to; raw responses may hold a picture that did not decode."""

_PIECE_BYTES, _PACKED_BYTES = 1 << 20, 1 << 14
"""At once, of what comes out, and of what is unpacked, whose rest is copied after each step."""

_DIGEST_BYTES = len("sha256:") + 64
_PART_BITS = 10


def records(backend: Backend) -> Iterator[ObjectHead]:
    """Yield everything in a store that may name a blob."""
    for entry in backend.list(layout.ROOT):
        if not entry.key.startswith(_NO_RECORDS):
            yield entry


def named_by(data: bytes) -> set[str]:
    """Return every SHA-256 that a record's bytes name, whatever kind of record it is.

    Some of them are no blobs but digests of requests or files: for keeping blobs that does no harm.
    """
    return named_in(unpacked(data))


def named_in(text: bytes) -> set[str]:
    """Return every SHA-256 that a text names."""
    return {found.decode() for found in _DIGEST.findall(text)}


def unpacked(data: bytes) -> bytes:
    """Return a record's JSON, whether it is stored compressed or not.

    Raises:
        ValueError: it is damaged, or a bomb.
    """
    return b"".join(pieces(data))


def pieces(source: bytes | BinaryIO) -> Iterator[bytes]:
    """Yield a record's JSON a megabyte at a time, whether it is stored compressed or not.

    What comes before some damage is yielded, and what follows the end of what is compressed is left aside.

    Raises:
        ValueError: it is damaged, or a bomb.
    """
    file = as_file(source)
    if not is_packed(file):
        yield from iter(lambda: file.read(_PIECE_BYTES), b"")
        return
    inflate, size, packed = zlib.decompressobj(wbits=31), 0, b""
    while not inflate.eof and size < MAX_RECORD_BYTES:
        packed = packed or file.read(_PACKED_BYTES)
        try:
            piece = inflate.decompress(packed, min(_PIECE_BYTES, MAX_RECORD_BYTES - size))
        except zlib.error as error:
            raise ValueError(f"it cannot be unpacked: {error}") from error
        if not piece and not packed:
            break
        packed, size = inflate.unconsumed_tail, size + len(piece)
        yield piece
    if not inflate.eof:
        raise ValueError("it is cut short, or unpacks to more than a gigabyte")


def _named_in_pieces(source: bytes | BinaryIO) -> Iterator[set[str]]:
    """Yield every SHA-256 that a record's text names, a piece of it after the other."""
    before = b""
    for piece in pieces(source):
        # One may begin in a piece and end in the next.
        text = before + piece
        yield named_in(text)
        before = text[-_DIGEST_BYTES:]


class Marked:
    """A set of digests that takes eight bytes for each: a million blobs are 9 MB.

    Two digests that share their first 64 bits count as one, which keeps a blob too many at worst.
    """

    def __init__(self) -> None:
        # Sorted, and so many that each stays short: a number moves a few kilobytes on its way in.
        self._parts = [array("Q") for _ in range(1 << _PART_BITS)]

    def add(self, shas: Iterable[str]) -> None:
        """Add digests, given as hex digits."""
        for sha in shas:
            part, number = self._part(sha)
            at = bisect_left(part, number)
            if at == len(part) or part[at] != number:
                part.insert(at, number)

    def __contains__(self, sha: str) -> bool:
        part, number = self._part(sha)
        at = bisect_left(part, number)
        return at < len(part) and part[at] == number

    def _part(self, sha: str) -> tuple[array[int], int]:
        number = int(sha[:16], 16)
        return self._parts[number >> 64 - _PART_BITS], number


def mark(backend: Backend) -> Marked:
    """Return every digest that any record names now.

    Raises:
        ValueError: a record cannot be read, so nobody knows what it names.
        StoreUnavailable: the store refused.
    """
    marked = Marked()
    for entry in records(backend):
        try:
            if entry.key.startswith(layout.INDEX) and kind_of(entry.key):
                _mark_page(marked, backend, entry)
            else:
                _mark_record(marked, entry.key, backend.get(entry.key))
        except KeyMissing:
            continue  # a probe's key, deleted since it was listed
        except ValueError as error:
            raise ValueError(f"{entry.key}: {error}") from error
    return marked


def _mark_page(marked: Marked, backend: Backend, entry: ObjectHead) -> None:
    """Add what a page of the index names, read in pieces: it has a row for each asset of the store."""
    read_page(opened(backend, entry))
    for named in _named_in_pieces(opened(backend, entry)):
        marked.add(named)


def _mark_record(marked: Marked, key: str, data: bytes) -> None:
    kind = kind_of(key)
    is_record = kind is not None and not kind.is_bytes
    if is_record:
        parse(key, data)
    try:
        for named in _named_in_pieces(data):
            marked.add(named)
    except ValueError:
        if is_record:
            raise
        # What nothing of ours wrote may name bytes all the same, as may what was set aside: searched
        # as it is, never in the way.
        marked.add(named_in(data))
