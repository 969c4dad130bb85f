"""The axes of `for_each`: one variant of a stage for each value.

Values come from a list in the file, from a parameter (a text with commas), or from the rows of a CSV, a
Markdown table, JSON or JSON lines.
"""

# No postponed annotations here: pydantic would compile and evaluate the text of each at every start.

import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Self, cast

from pydantic import BaseModel, ConfigDict, model_validator

from assetmill.errors import InvalidSpec
from assetmill.spec.delimited import delimited, visible
from assetmill.spec.reading import nearest, read_bytes
from assetmill.spec.short_forms import ShortForms
from assetmill.spec.templates import TemplateProblem, compile_template

MAX_ROWS = 20_000
MAX_TABLE_BYTES = 16 * 1024 * 1024

Scalar = str | int | float | bool
_PLAIN = ("string", "number", "boolean")


class AxisSpec(BaseModel):
    """Where an axis has its values from; exactly one of `values`, `parameter` and `rows`.

    `rows` is a path, or a template of one over the parameters. `key` names the column that tells values
    apart; without it, the first column.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    values: tuple[Scalar | dict[str, Scalar | None], ...] | None = None
    parameter: str | None = None
    rows: str | None = None
    key: str | None = None

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        given = [n for n in ("values", "parameter", "rows") if getattr(self, n) is not None]
        if len(given) != 1:
            raise ValueError("give exactly one of values (or a plain list), parameter, rows")
        return self


def _from_list(value: Any) -> Any:
    return {"values": cast("object", value)} if isinstance(value, list) else value


Axis = Annotated[AxisSpec, ShortForms(_from_list, {"type": "array", "items": {"type": [*_PLAIN, "object"]}})]
"""An axis, or its values as a plain list."""


class AxisValue(NamedTuple):
    """One value of an axis. `label` tells it from the others, in variants and file names."""

    label: str
    value: Any

    @property
    def columns(self) -> frozenset[str]:
        """The columns of a value that is a row, none for a plain value."""
        return frozenset(cast("dict[str, Any]", self.value)) if isinstance(self.value, dict) else frozenset()


def axis_values(
    spec: AxisSpec,
    parameters: Mapping[str, Any],
    find: Callable[[str], Path],
    where: tuple[str, int | None],
) -> tuple[AxisValue, ...]:
    """Return an axis's values.

    `find` turns a path as written into a Path; `where` is the file and line for messages.

    Raises:
        InvalidSpec: no values, two with the same label, an unreadable table.
    """
    if spec.values is not None:
        values: list[Any] = list(spec.values)
    elif spec.parameter is not None:
        text = str(parameters.get(spec.parameter, ""))
        values = [part.strip() for part in text.split(",") if part.strip()]
    else:
        values = list(read_rows(find(_path(str(spec.rows), parameters, where))))
    if not values:
        raise InvalidSpec(*where, "an axis without values")
    return _labelled(values, spec.key, where)


def _path(written: str, parameters: Mapping[str, Any], where: tuple[str, int | None]) -> str:
    try:
        return compile_template(written).render(parameters)
    except TemplateProblem as error:
        raise InvalidSpec(*where, error.message, nearest(error.name, parameters)) from error


def _labelled(values: list[Any], key: str | None, where: tuple[str, int | None]) -> tuple[AxisValue, ...]:
    made: dict[str, AxisValue] = {}
    for value in values:
        text = value
        if isinstance(value, dict):
            column = key or next(iter(value), "")  # pyright: ignore[reportUnknownArgumentType,reportUnknownVariableType]
            if column not in value:
                hint = nearest(str(column), map(str, value))  # pyright: ignore[reportUnknownArgumentType]
                raise InvalidSpec(*where, f"a row without the column {column!r}", hint)  # pyright: ignore[reportUnknownArgumentType]
            text = value[column]  # pyright: ignore[reportUnknownVariableType]
        label = slug(str(text))  # pyright: ignore[reportUnknownArgumentType]
        if label in made:
            raise InvalidSpec(*where, f"two values of this axis are called {label!r}", "name another `key`")
        made[label] = AxisValue(label, value)
    return tuple(made.values())


def slug(text: str) -> str:
    """Return a label that is safe in file names and keys: letters, digits, `.`, `_` and `-`."""
    plain = unicodedata.normalize("NFKC", text).strip()
    return re.sub(r"[^A-Za-z0-9._-]+", "-", plain).strip("-.")[:60] or "x" + plain.encode().hex()[:16]


def read_rows(path: Path) -> Iterable[dict[str, Any]]:
    """Return a table's rows as dictionaries: CSV, a Markdown table, JSON (a list) or JSON lines.

    Raises:
        InvalidSpec: unreadable, no table, rows that do not fit its head.
    """
    text = _text(path)
    kind = path.suffix.lower()
    try:
        if kind in (".csv", ".tsv"):
            rows = _csv_rows(text, "\t" if kind == ".tsv" else "")
        elif kind in (".md", ".markdown"):
            rows = _markdown_rows(text)
        elif kind == ".json":
            rows = json.loads(text)
        elif kind in (".jsonl", ".ndjson"):
            rows = [json.loads(line) for line in text.splitlines() if line.strip()]
        else:
            raise InvalidSpec(
                str(path), None, f"cannot read rows from {kind!r}", "csv, tsv, md, json or jsonl"
            )
    except (ValueError, RecursionError) as error:
        raise InvalidSpec(str(path), None, f"not a table: {error}") from error
    return _checked(path, rows)


def _text(path: Path) -> str:
    data = read_bytes(path, MAX_TABLE_BYTES)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidSpec(str(path), None, f"is not UTF-8 text: {error.reason}") from error


def _checked(path: Path, rows: Any) -> list[dict[str, Any]]:
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):  # pyright: ignore[reportUnknownVariableType]
        raise InvalidSpec(str(path), None, "not a list of rows with named columns")
    if len(rows) > MAX_ROWS:  # pyright: ignore[reportUnknownArgumentType]
        raise InvalidSpec(str(path), None, f"has more than {MAX_ROWS} rows")
    return rows  # pyright: ignore[reportUnknownVariableType]


def _csv_rows(text: str, delimiter: str) -> list[dict[str, Any]]:
    import csv
    import io

    text, delimiter, above = delimited(text, delimiter)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[dict[str, Any]] = []
    try:
        for row in reader:
            if None in row or None in row.values():
                raise ValueError(f"line {reader.line_num + above} does not have the columns of its head")
            rows.append({visible(str(column)): value.strip() for column, value in row.items()})
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num + above}: {error}") from error
    return rows


def _markdown_rows(text: str) -> list[dict[str, Any]]:
    lines = [line.strip() for line in text.splitlines() if line.strip().startswith("|")]
    cells = [[cell.strip().replace("\\|", "|") for cell in _cells(line)] for line in lines]
    if len(cells) < 2 or not all(re.fullmatch(r":?-+:?", cell) for cell in cells[1]):
        raise ValueError("no Markdown table in it")
    head = cells[0]
    for row in cells[2:]:
        if len(row) != len(head):
            raise ValueError(f"the row {' | '.join(row)!r} does not have the columns of its head")
    return [dict(zip(head, row, strict=True)) for row in cells[2:]]


def _cells(line: str) -> list[str]:
    return re.split(r"(?<!\\)\|", line.removeprefix("|").removesuffix("|"))
