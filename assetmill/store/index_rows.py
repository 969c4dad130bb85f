"""The rows of an index, held where they do not fill the memory, and the page on which a store keeps them."""

from __future__ import annotations

import gzip
import io
import itertools
import json
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import BinaryIO, Literal

from pydantic import ValidationError

from assetmill.fingerprint import Digest
from assetmill.records import AssetId, RunId, Stored
from assetmill.store.kinds import Unreadable, validated
from assetmill.store.streams import unpacked_file

_PIECE = 1 << 16
"""Characters of a page that are read at once."""

_ROWS = '"rows":['
_SCHEMA = """
PRAGMA journal_mode = OFF;
BEGIN;
CREATE TABLE asset (number INTEGER PRIMARY KEY, asset_id TEXT, digest TEXT, created_at REAL, row TEXT);
CREATE TABLE link (name TEXT, number INTEGER);
"""
_ORDER = (
    "CREATE UNIQUE INDEX IF NOT EXISTS asset_by_id ON asset (asset_id)",
    "CREATE INDEX IF NOT EXISTS link_by_name ON link (name)",
)
_TOGETHER = 200


class IndexRow(Stored):
    """One asset, in as few words as it is looked for."""

    asset_id: AssetId
    digest: Digest
    parents: tuple[AssetId, ...] = ()
    service_ids: tuple[str, ...] = ()
    created_at: float


class IndexPage(Stored):
    """Every asset of the runs sealed so far. Runs up to `floor` are covered, later ones if in `recent`."""

    schema_version: Literal[1] = 1
    floor: RunId
    recent: tuple[RunId, ...]
    rows: tuple[IndexRow, ...]


class IndexRows:
    """Rows in a temporary database, which is on the disk as soon as they are many.

    Of two rows of one asset the last counts. Safe for threads, which take turns at it.
    """

    def __init__(self) -> None:
        # Closed with its last reference, and its file with it.
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._database.executescript(_SCHEMA)

    def load(self, rows: Iterable[IndexRow]) -> None:
        """Add the rows of a page, each of another asset: sorted at the end, which is quicker.

        Raises:
            sqlite3.IntegrityError: an asset comes twice.
        """
        every = iter(rows)
        while some := list(islice(every, _TOGETHER)):
            self._insert(some)
        self._sort()

    def add(self, rows: Iterable[IndexRow]) -> None:
        """Add rows; one that is there already keeps its place."""
        self._sort()
        for row in rows:
            number = self._number_of(row.asset_id)
            if number is None:
                self._insert([row])
            else:
                values = (row.digest, row.created_at, _text(row), number)
                self._run("UPDATE asset SET digest = ?, created_at = ?, row = ? WHERE number = ?", values)
                self._link([(row, number)])

    def _insert(self, rows: Sequence[IndexRow]) -> None:
        numbered = list(zip(rows, itertools.count(len(self) + 1), strict=False))
        values = [(number, r.asset_id, r.digest, r.created_at, _text(r)) for r, number in numbered]
        self._database.executemany("INSERT INTO asset VALUES (?, ?, ?, ?, ?)", values)
        self._link(numbered)

    def _link(self, numbered: Iterable[tuple[IndexRow, int]]) -> None:
        links = [(name, number) for row, number in numbered for name in {*row.parents, *row.service_ids}]
        self._database.executemany("INSERT INTO link VALUES (?, ?)", links)

    def _sort(self) -> None:
        for statement in _ORDER:
            self._run(statement)

    def _number_of(self, asset_id: AssetId) -> int | None:
        found = self._run("SELECT number FROM asset WHERE asset_id = ?", (asset_id,)).fetchone()
        return found[0] if found else None

    def _run(self, statement: str, values: Sequence[object] = ()) -> sqlite3.Cursor:
        return self._database.execute(statement, values)

    def __len__(self) -> int:
        return self._run("SELECT coalesce(max(number), 0) FROM asset").fetchone()[0]

    def __iter__(self) -> Iterator[IndexRow]:
        return self._found("ORDER BY number")

    def texts(self) -> Iterator[str]:
        """Yield every row as JSON."""
        return (text for (text,) in self._run("SELECT row FROM asset ORDER BY number"))

    def with_digest(self, digest: Digest) -> Iterator[IndexRow]:
        """Yield the rows of these bytes, the newest first."""
        return self._found("WHERE digest = ? ORDER BY created_at DESC, number", digest)

    def with_prefix(self, prefix: str) -> Iterator[IndexRow]:
        """Yield the rows whose asset's ID begins like that, by ID."""
        return self._found("WHERE substr(asset_id, 1, ?) = ? ORDER BY asset_id", len(prefix), prefix)

    def naming(self, name: str, order: Literal["number", "created_at"]) -> Iterator[IndexRow]:
        """Yield the rows that name a parent or an ID of the service, as they came or as they were made."""
        # Links stay when a later row takes the place of theirs: whoever asks looks at the row.
        self._sort()
        of_link = "WHERE number IN (SELECT number FROM link WHERE name = ?)"
        return self._found(f"{of_link} ORDER BY {order}, number", name)

    def _found(self, which: str, *values: object) -> Iterator[IndexRow]:
        # `which` is one of the texts above.
        found = self._run(f"SELECT row FROM asset {which}", values)  # noqa: S608
        return (IndexRow.model_validate_json(text) for (text,) in found)


def _text(row: IndexRow) -> str:
    return row.model_dump_json(exclude_defaults=True)


_DAMAGE = (OSError, EOFError, zlib.error, UnicodeDecodeError, ValidationError, sqlite3.IntegrityError)


def write_page(head: IndexPage, rows: IndexRows) -> bytes:
    """Return a page with the head's runs and these rows, as a store keeps it."""
    beginning = head.model_copy(update={"rows": ()}).model_dump_json(exclude_defaults=True)
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as file:
        file.write(beginning.removesuffix("]}").encode())
        for number, text in enumerate(rows.texts()):
            file.write(f"{',' if number else ''}{text}".encode())
        file.write(b"]}")
    return packed.getvalue()


def read_page(source: bytes | BinaryIO) -> tuple[IndexPage, IndexRows]:
    """Return a page without its rows, and these apart; of a file no more than a piece is held at once.

    Raises:
        Unreadable: it is damaged, or a newer version has written it.
    """
    rows = IndexRows()
    try:
        reader = _PageReader(io.TextIOWrapper(unpacked_file(source), encoding="utf-8"))
        head = validated(IndexPage, reader.head().encode())
        rows.load(head.rows or (IndexRow.model_validate(one) for one in reader.rows()))
    except _DAMAGE as error:
        raise Unreadable(f"it cannot be read: {str(error).splitlines()[0][:300]}") from error
    return head, rows


class _PageReader:
    """Reads a page's text piece by piece."""

    def __init__(self, file: io.TextIOWrapper) -> None:
        self._file, self._text, self._at = file, "", 0

    def head(self) -> str:
        """Return the page as it would be without rows."""
        while _ROWS not in self._text and self._more():
            pass
        beginning, found, rest = self._text.partition(_ROWS)
        if not found:
            # Written by hand, in another order or with blanks: then it is small.
            self._text = "]}"
            return beginning
        self._text = rest
        return f"{beginning}{found}]}}"

    def rows(self) -> Iterator[object]:
        """Yield the rows.

        Raises:
            Unreadable: the page ends before its end, or goes on after it.
        """
        decoder = json.JSONDecoder()
        while not self._text.startswith("]", self._at):
            try:
                row, self._at = decoder.raw_decode(
                    self._text, self._at + self._text.startswith(",", self._at)
                )
            except json.JSONDecodeError as error:
                if not self._more():
                    raise Unreadable(f"it ends in the middle of a row: {error}") from error
            else:
                yield row
                if self._at >= len(self._text) and not self._more():
                    raise Unreadable("it ends after a row")
        while self._more():
            pass
        if self._text[self._at :].strip() != "]}":
            raise Unreadable("something follows its rows")

    def _more(self) -> bool:
        piece = self._file.read(_PIECE)
        self._text, self._at = self._text[self._at :] + piece, 0
        return bool(piece)
