"""Tables as people have them, read into cells by name: text of several kinds, parquet, spreadsheets."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, cast

from assetmill.batches.cells import (
    MAX_BYTES,
    MAX_ROWS,
    MAX_UNPACKED_BYTES,
    Cells,
    check_head,
    without_blank_end,
)
from assetmill.errors import InvalidInput, InvalidSpec, KeyMissing, StoreError
from assetmill.settings import Settings
from assetmill.spec.delimited import delimited, visible
from assetmill.spec.reading import read_bytes
from assetmill.store.opening import open_store

_KINDS = {
    **{".csv": "csv", ".tsv": "tsv", ".tab": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl"},
    **{".parquet": "parquet", ".pq": "parquet", ".xlsx": "xlsx", ".xlsm": "xlsx"},
}
_BUCKETS = ("s3://", "azure://", "gs://")


def read_table(source: str, settings: Settings) -> tuple[Iterator[tuple[int, Cells | str]], bool]:
    """Return a table's rows, with number and cells or what is wrong, and whether one head names all cells.

    Raises:
        InvalidInput: not readable, or of no kind that is known by its suffix.
    """
    kind = _KINDS.get(PurePosixPath(source).suffix.lower())
    if kind is None:
        hint = "csv, tsv, xlsx, jsonl or parquet; save other spreadsheets as CSV UTF-8"
        raise InvalidSpec(source, None, "cannot tell what kind of table it is", hint)
    return _lines(source, kind, _read(source, settings)), kind != "jsonl"


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
    if kind == "xlsx":
        from assetmill.batches.sheets import read_sheet

        return read_sheet(source, data)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidSpec(
            source, _line_at(data, error.start), "is not UTF-8", "save it as CSV UTF-8"
        ) from error
    return _json_lines(text) if kind == "jsonl" else _csv(source, text, "\t" if kind == "tsv" else "")


def _csv(source: str, text: str, delimiter: str) -> Iterator[tuple[int, Cells | str]]:
    text, delimiter, above = delimited(text, delimiter)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    head: list[str] | None = None
    # A cell may hold line ends: a row stands where it begins.
    line = 1 + above
    try:
        for cells in reader:
            begins, line = line, reader.line_num + 1 + above
            plain = without_blank_end([cell.strip() for cell in cells], len(head or ()))
            if not any(plain):
                continue
            if head is None:
                head = [visible(cell) for cell in plain]
                check_head(head, source, begins)
            elif len(plain) != len(head):
                columns = f"{len(plain)} column{'' if len(plain) == 1 else 's'}"
                yield begins, f"has {columns}; the head names {len(head)}"
            else:
                yield begins, dict(zip(head, plain, strict=True))
    except csv.Error as error:
        hint = "a quotation mark is opened and not closed" if "unexpected end" in str(error) else ""
        raise InvalidSpec(source, line, f"is not CSV: {error}", hint) from error


def _line_at(data: bytes, offset: int) -> int:
    return data.count(b"\n", 0, offset) + 1


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
