"""The rows of a batch: read from a table, each checked against the pipeline's parameters before any spend."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, cast

from assetmill.errors import InvalidInput, InvalidSpec, KeyMissing, StoreError
from assetmill.fingerprint import canonical, digest
from assetmill.settings import Settings
from assetmill.spec.parameters import Scalar, resolve_parameters
from assetmill.spec.pipeline import LoadedPipeline
from assetmill.spec.reading import Problems, nearest, read_bytes
from assetmill.store.opening import open_store

MAX_ROWS = 100_000
MAX_BYTES = 64 * 1024 * 1024
MAX_UNPACKED_BYTES = 512 * 1024 * 1024
"""A parquet file of a few kilobytes may claim to hold terabytes."""

NAME_COLUMN = "row"
"""A column of this name, which the pipeline does not know, says what people call the row."""

_KINDS = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet", ".pq": "parquet"}
_BUCKETS = ("s3://", "azure://", "gs://")
_MOST_SHOWN = 300

Cells = Mapping[str, Any]


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


def read_rows(source: str, pipeline: LoadedPipeline, common: Cells, settings: Settings) -> Rows:
    """Read a table and check every row; values of `common` fill the columns that a row leaves empty.

    `source` is a path or an object: CSV, JSON lines or parquet, told by its suffix. An empty cell is a
    parameter that was not given.

    Raises:
        InvalidInput: not readable, not a table, too many rows, a column that is no parameter.
    """
    kind = _KINDS.get(PurePosixPath(source).suffix.lower())
    if kind is None:
        hint = "csv, jsonl or parquet; save a spreadsheet as CSV UTF-8"
        raise InvalidSpec(source, None, "cannot tell what kind of table it is", hint)
    lines = _lines(source, kind, _read(source, settings))
    if kind != "jsonl":
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
    return Rows(tuple(good), tuple(bad))


class _Checker:
    def __init__(self, pipeline: LoadedPipeline, common: Cells) -> None:
        self._pipeline, self._specs, self._common = pipeline, pipeline.spec.parameters, dict(common)
        self._has_names = NAME_COLUMN not in self._specs

    def check(self, number: int, cells: Cells) -> Row | BadRow:
        given = {name: value for name, value in cells.items() if value is not None and value != ""}
        name = given.pop(NAME_COLUMN, None) if self._has_names else None
        problems = Problems(self._pipeline.document)
        values = resolve_parameters(self._specs, {**self._common, **self._as_text(given)}, problems)
        if problems.found:
            return BadRow(number, "; ".join(_said(problem) for problem in problems.found)[:_MOST_SHOWN])
        key = digest(canonical(values)).removeprefix("sha256:")[:32]
        return Row(number, f"row {number}" if name is None else str(name)[:80], values, key)

    def _as_text(self, given: Cells) -> dict[str, Any]:
        """Take a whole number as text where text is due: an article's number is a name."""
        return {
            name: str(value) if _is_whole(value) and self._is_string(name) else value
            for name, value in given.items()
        }

    def _is_string(self, name: str) -> bool:
        return name in self._specs and self._specs[name].type == "string"


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


def _read(source: str, settings: Settings) -> bytes:
    if not source.startswith(_BUCKETS):
        return read_bytes(Path(source), MAX_BYTES)
    scheme, _, rest = source.partition("://")
    bucket, _, key = rest.partition("/")
    store = settings.store
    backend = open_store(f"{scheme}://{bucket}", endpoint_url=store.endpoint_url, region=store.region)
    try:
        head = backend.head(key)
        if head is None:
            raise InvalidInput(f"no object {source!r}")
        if head.size_bytes > MAX_BYTES:
            raise InvalidSpec(source, None, f"is larger than {MAX_BYTES // 1024} KB", "split it")
        return backend.get(key)
    except (StoreError, KeyMissing) as error:
        raise InvalidInput(f"{source!r} cannot be read: {error}") from error
    finally:
        backend.close()


def _lines(source: str, kind: str, data: bytes) -> Iterator[tuple[int, Cells | str]]:
    if kind == "parquet":
        return _parquet(source, data)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidSpec(
            source, _line_at(data, error.start), "is not UTF-8", "save it as CSV UTF-8"
        ) from error
    return _csv(source, text) if kind == "csv" else _json_lines(text)


def _csv(source: str, text: str) -> Iterator[tuple[int, Cells | str]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    head: list[str] | None = None
    # A cell may hold line ends: a row stands where it begins.
    line = 1
    try:
        for cells in reader:
            begins, line = line, reader.line_num + 1
            plain = _without_blank_end([cell.strip() for cell in cells], len(head or ()))
            if not any(plain):
                continue
            if head is None:
                head = plain
                _check_head(head, source, begins)
            elif len(plain) != len(head):
                yield begins, f"has {counted(len(plain), 'column')}; the head names {len(head)}"
            else:
                yield begins, dict(zip(head, plain, strict=True))
    except csv.Error as error:
        hint = "a quotation mark is opened and not closed" if "unexpected end" in str(error) else ""
        raise InvalidSpec(source, line, f"is not CSV: {error}", hint) from error


def _line_at(data: bytes, offset: int) -> int:
    return data.count(b"\n", 0, offset) + 1


def _delimiter(text: str) -> str:
    """Return what parts the columns: where a comma is the decimal sign, spreadsheets write semicolons."""
    head = text.lstrip().partition("\n")[0]
    return max(",;\t", key=head.count)


def _without_blank_end(cells: list[str], width: int) -> list[str]:
    """Leave out empty cells beyond the last column that has a name, as spreadsheets write them."""
    end = len(cells)
    while end > width and not cells[end - 1]:
        end -= 1
    return cells[:end]


def _check_head(head: list[str], source: str, line: int) -> None:
    if "" in head:
        raise InvalidSpec(source, line, f"column {head.index('') + 1} has no name")
    if twice := [column for column in head if head.count(column) > 1]:
        raise InvalidSpec(source, line, f"two columns are called {twice[0]!r}")


def counted(count: int, word: str) -> str:
    """Return `1 row` or `2 rows`."""
    return f"{count} {word}{'' if count == 1 else 's'}"


def _json_lines(text: str) -> Iterator[tuple[int, Cells | str]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except json.JSONDecodeError as error:
            yield number, f"is not JSON: {error.msg}, at column {error.colno}"
            continue
        except (ValueError, RecursionError) as error:
            yield number, f"is not JSON: {error}"
            continue
        yield number, cast("dict[str, Any]", value) if isinstance(value, dict) else "is not a JSON object"


def _parquet(source: str, data: bytes) -> Iterator[tuple[int, Cells | str]]:
    try:
        import pyarrow as arrow  # pyright: ignore[reportMissingTypeStubs]
        from pyarrow import parquet  # pyright: ignore[reportMissingTypeStubs]
    except ModuleNotFoundError as error:
        hint = "install assetmill[parquet], or save it as CSV"
        raise InvalidSpec(source, None, "reading parquet needs pyarrow", hint) from error
    try:
        file: Any = parquet.ParquetFile(io.BytesIO(data))
        meta = file.metadata
        unpacked = sum(meta.row_group(n).total_byte_size for n in range(meta.num_row_groups))
        if meta.num_rows > MAX_ROWS or unpacked > MAX_UNPACKED_BYTES:
            raise InvalidSpec(source, None, f"has more than {MAX_ROWS} rows, or unpacks to too much")
        number = 0
        for batch in file.iter_batches(batch_size=1000):
            for cells in batch.to_pylist():
                number += 1
                yield number, cast("dict[str, Any]", cells)
    except cast(
        "tuple[type[Exception], ...]", (arrow.ArrowException, OSError, ValueError, TypeError)
    ) as error:
        raise InvalidSpec(source, None, f"is not parquet: {error}") from error


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
