"""A look into a mounted CSV: which columns it has, which are numbers, and which of them a request means."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from foundry_emulator.model.coding.inline import table_in
from foundry_emulator.model.coding.request import CodeRequest, Source, named
from foundry_emulator.stems import words

MAX_ROWS = 5000
"""Rows looked at to choose columns; the code itself reads them all."""

ORDERED = {"date", "day", "week", "month", "quarter", "year", "time", "hour", "period"}
_CODES = {"id", "code", "year", "index", "number", "no", "zip", "phone"}


@dataclass(frozen=True)
class CsvTable:
    """A mounted CSV, its header and its first rows."""

    source: Source
    separator: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    inline: str | None = None
    """The text of a table that the request itself brings along."""

    def values(self, column: str) -> list[str]:
        """List a column's values, stripped, empty ones left out."""
        place = self.header.index(column)
        return [row[place].strip() for row in self.rows if place < len(row) and row[place].strip()]

    def numeric(self) -> list[str]:
        """List the columns that hold numbers."""
        return [column for column in self.header if _mostly_numbers(self.values(column))]

    def textual(self) -> list[str]:
        """List the columns that hold anything else."""
        numeric = set(self.numeric())
        return [column for column in self.header if column not in numeric]

    def measures(self) -> list[str]:
        """List the numeric columns that are quantities rather than codes or years, all if there is none."""
        numeric = self.numeric()
        return [column for column in numeric if not set(words(column)) & _CODES] or numeric

    def ordered(self) -> str | None:
        """Return the column that orders the rows in time, if there is one."""
        return next((column for column in self.header if set(words(column)) & ORDERED), None)


def open_table(request: CodeRequest) -> CsvTable | None:
    """Read the CSV that the request means: the one it names, the first that can be read, or its own lines."""
    sources = named(request.tables(), request.text) or request.tables()
    tables = [table for source in sources if (table := read_table(source)) is not None]
    if tables:
        return tables[0]
    text = None if sources else table_in(request.text)
    found = read_table(Source("", "table.csv", text.encode())) if text else None
    return replace(found, inline=text) if found else None


def read_table(source: Source) -> CsvTable | None:
    """Read a CSV; None when it has no header or no rows."""
    text = source.data.decode("utf-8-sig", errors="replace")
    separator = max("\t;|,", key=text.split("\n", 1)[0].count) if text else ","
    try:
        lines = [
            row
            for row, _ in zip(
                csv.reader(io.StringIO(text), delimiter=separator), range(MAX_ROWS), strict=False
            )
        ]
    except csv.Error:
        return None
    rows = [tuple(row) for row in lines if any(cell.strip() for cell in row)]
    if len(rows) < 2:
        return None
    return CsvTable(source, separator, tuple(cell.strip() for cell in rows[0]), tuple(rows[1:]))


def to_number(text: str) -> float | None:
    """Read a number as people write it in tables: thousands separators, currency and percent signs."""
    bare = re.sub(r"[\s,$\u20ac\u00a3%]", "", text)
    bare = f"-{bare[1:-1]}" if re.fullmatch(r"\([\d.]+\)", bare) else bare
    return float(bare) if re.fullmatch(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?", bare) else None


def _mostly_numbers(values: Sequence[str]) -> bool:
    return bool(values) and sum(to_number(value) is not None for value in values) >= 0.8 * len(values)


def columns_named(text: str, columns: Sequence[str]) -> list[str]:
    """List the columns that `text` names in full, or the one that shares most words with it."""
    if found := columns_named_in_full(text, columns):
        return found
    said = words(text)
    shares = {column: len(set(words(column)) & set(said)) / max(1, len(words(column))) for column in columns}
    best = max(columns, key=lambda column: shares[column], default=None)
    return [best] if best is not None and shares[best] > 0 else []


def columns_named_in_full(text: str, columns: Sequence[str]) -> list[str]:
    """List the columns whose whole name `text` says, in the order in which it says them.

    A column is left out when a longer one covers its words: "operating profit" is not `profit` as well.
    """
    said = words(text)
    places = {column: _place(words(column), said) for column in columns}
    found = [column for column in columns if places[column] is not None]
    telling = [one for one in found if not any(set(words(one)) < set(words(other)) for other in found)]
    return sorted(telling, key=lambda column: places[column] or 0)


def _place(name: Sequence[str], said: Sequence[str]) -> int | None:
    if not name:
        return None
    for place in range(len(said)):
        if list(said[place : place + len(name)]) == list(name):
            return place
    return said.index(name[0]) if len(name) > 1 and set(name) <= set(said) else None


def filters_said(text: str, table: CsvTable) -> dict[str, str]:
    """Return `{column: value}` for the values of text columns that `text` names, such as a sector."""
    said = f" {' '.join(words(text))} "
    header = {word for column in table.header for word in words(column)}
    found: dict[str, str] = {}
    for column in table.textual():
        values = sorted(set(table.values(column)), key=len, reverse=True)
        hits = [value for value in values if _is_said(value, said) and not set(words(value)) <= header]
        if len(hits) == 1 or (hits and len(hits[0].split()) > 1):
            found.setdefault(column, hits[0])
    return found


def _is_said(value: str, said: str) -> bool:
    plain = " ".join(words(value))
    return len(plain) > 2 and to_number(value) is None and f" {plain} " in said
