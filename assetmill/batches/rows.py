"""The rows of a batch: read from a table, each checked against the pipeline's parameters before any spend."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from assetmill.batches.cells import MAX_ROWS, Cells
from assetmill.batches.tables import read_table
from assetmill.errors import InvalidSpec
from assetmill.fingerprint import canonical, digest
from assetmill.settings import Settings
from assetmill.spec.delimited import visible
from assetmill.spec.parameters import Scalar, resolve_parameters
from assetmill.spec.pipeline import LoadedPipeline
from assetmill.spec.reading import Problems, nearest

NAME_COLUMN = "row"
"""A column of this name, which the pipeline does not know, says what people call the row."""

_MOST_SHOWN = 300


@dataclass(frozen=True, slots=True)
class Row:
    """One row: where it stood in its file, what people call it, and every parameter's value."""

    number: int
    name: str
    parameters: Mapping[str, Scalar]
    key: str


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot run, with the line it stands on."""

    number: int
    reason: str


@dataclass(frozen=True)
class Rows:
    """A table that was read: what can run and what cannot."""

    good: tuple[Row, ...]
    bad: tuple[BadRow, ...]
    fallbacks: Mapping[str, tuple[int, ...]] = field(default_factory=dict[str, tuple[int, ...]])
    """Which rows take a parameter's default although other rows give it: an empty cell is seldom meant so."""


def read_rows(source: str, pipeline: LoadedPipeline, common: Cells, settings: Settings) -> Rows:
    """Read a table and check every row; values of `common` fill the columns that a row leaves empty.

    `source` is a path or an object, its kind told by its suffix: see `read_table`. An empty cell is a
    parameter that was not given.

    Raises:
        InvalidInput: not readable, not a table, too many rows, a column that is no parameter.
    """
    lines, has_head = read_table(source, settings)
    if has_head:
        lines = _with_known_columns(lines, pipeline, source)
    return check_rows(lines, pipeline, common, source)


def check_rows(
    lines: Iterable[tuple[int, Cells | str]], pipeline: LoadedPipeline, common: Cells, source: str
) -> Rows:
    """Check rows that were read: `(line, cells)`, or `(line, what is wrong with it)`."""
    good: list[Row] = []
    bad: list[BadRow] = []
    checker = _Checker(pipeline, common)
    for number, cells in lines:
        if len(good) + len(bad) >= MAX_ROWS:
            raise InvalidSpec(source, number, f"has more than {MAX_ROWS} rows", "split it")
        found = BadRow(number, cells) if isinstance(cells, str) else checker.check(number, cells)
        if isinstance(found, Row):
            good.append(found)
        else:
            bad.append(found)
    if not good and not bad:
        raise InvalidSpec(source, None, "holds no rows")
    return Rows(tuple(good), tuple(bad), checker.fallbacks(row.number for row in good))


class _Checker:
    def __init__(self, pipeline: LoadedPipeline, common: Cells) -> None:
        self._pipeline, self._specs, self._common = pipeline, pipeline.spec.parameters, dict(common)
        self._has_names = NAME_COLUMN not in self._specs
        self._must_be_given = [name for name, spec in self._specs.items() if spec.required]
        self._given: dict[str, set[int]] = {name: set() for name in self._specs}

    def check(self, number: int, cells: Cells) -> Row | BadRow:
        given = {visible(name): value for name, value in cells.items() if not _is_empty(value)}
        name = given.pop(NAME_COLUMN, None) if self._has_names else None
        problems = Problems(self._pipeline.document)
        values = resolve_parameters(self._specs, {**self._common, **self._as_text(given)}, problems)
        for parameter in self._must_be_given:
            if parameter not in given and parameter not in self._common:
                problems.add(("parameters", parameter), f"parameter {parameter!r} is required of every row")
        if problems.found:
            return BadRow(number, "; ".join(_said(problem) for problem in problems.found)[:_MOST_SHOWN])
        for parameter in self._given.keys() & given.keys():
            self._given[parameter].add(number)
        key = digest(canonical(values)).removeprefix("sha256:")[:32]
        return Row(number, f"row {number}" if name is None else str(name)[:80], values, key)

    def fallbacks(self, numbers: Iterable[int]) -> dict[str, tuple[int, ...]]:
        """Return the rows that do not give a parameter which others give."""
        listed = list(numbers)
        left = {
            name: tuple(number for number in listed if number not in given)
            for name, given in self._given.items()
            if given and name not in self._common
        }
        return {name: rows for name, rows in left.items() if rows}

    def _as_text(self, given: Cells) -> dict[str, Any]:
        """Take a whole number as text where text is due: an article's number is a name."""
        return {
            name: str(value) if _is_whole(value) and self._is_string(name) else value
            for name, value in given.items()
        }

    def _is_string(self, name: str) -> bool:
        return name in self._specs and self._specs[name].type == "string"


def _is_empty(value: object) -> bool:
    return value is None or (isinstance(value, str) and not visible(value))


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _said(problem: InvalidSpec) -> str:
    # What helps at the command line, `-p name=...`, is no help for a row.
    hint = "" if "required" in problem.message else problem.hint
    return problem.message + (f" ({hint})" if hint else "")


def pack(rows: Iterable[Row]) -> bytes:
    """Return rows as one blob, from which every shard reads the same ones."""
    lines = (canonical([row.number, row.name, dict(row.parameters), row.key]) for row in rows)
    return b"\n".join(lines)


def unpack(data: bytes, first: int = 0, last: int | None = None) -> tuple[Row, ...]:
    """Return the rows of a blob from index `first` up to, not with, `last`."""
    lines = data.split(b"\n")[first:last] if data else []
    return tuple(Row(*json.loads(line)) for line in lines)


def _with_known_columns(
    lines: Iterator[tuple[int, Cells | str]], pipeline: LoadedPipeline, source: str
) -> Iterator[tuple[int, Cells | str]]:
    """Refuse a table whose head names what the pipeline does not know: one message, not one for each row."""
    known = {*pipeline.spec.parameters, NAME_COLUMN}
    is_checked = False
    for number, cells in lines:
        if not is_checked and not isinstance(cells, str):
            is_checked = True
            for column in cells:
                if column not in known:
                    hint = nearest(column, known)
                    raise InvalidSpec(source, 1, f"column {column!r} is no parameter of the pipeline", hint)
        yield number, cells
