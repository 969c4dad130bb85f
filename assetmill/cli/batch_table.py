"""`rows.csv`: a batch as a table that a spreadsheet opens, a line for each row, a column for each output."""

from __future__ import annotations

import csv
import os
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from assetmill.batches.records import BatchRow, BatchStage
from assetmill.names import distinct

NAME = "rows.csv"
MOST_LETTERS = 2_000
"""Of an answer in a cell: what is longer nobody reads in a table."""

_FIRST = ("row", "name", "state", "reason", "spent_usd")
_FORMULA = ("=", "+", "-", "@")
_KEPT = "\n\t"
"""Control characters that a cell may hold; all others have no place in a table, and one ends a file."""

Place = tuple[str, int]
"""A stage's label and which of its outputs: rows may call the same output by different names."""


@dataclass(frozen=True)
class Columns:
    """Which outputs and which answers the table has, in the order of the stages."""

    places: tuple[Place, ...]
    answers: tuple[str, ...]
    head: tuple[str, ...]


def is_text(stage: BatchStage) -> bool:
    """Return whether a stage's answer is something to read: no pictures came of it."""
    media_types = [asset.media_type for asset in stage.assets]
    return stage.fingerprint is not None and all(_is_readable(media_type) for media_type in media_types)


def columns_of(rows: Iterable[BatchRow], wants: Callable[[str], bool]) -> Columns:
    """Return the columns that these rows need, for the stages that are wanted."""
    names: dict[str, dict[int, set[str]]] = {}
    texts: dict[str, bool] = {}
    for row in rows:
        for stage in row.stages:
            if wants(stage.label) and stage.is_done:
                places = names.setdefault(stage.label, {})
                for position, asset in enumerate(stage.assets):
                    places.setdefault(position, set()).add(asset.name)
                texts[stage.label] = texts.get(stage.label, True) and is_text(stage)
    places = tuple((label, position) for label, found in names.items() for position in sorted(found))
    answers = tuple(label for label, is_one in texts.items() if is_one)
    titles = [_title(place, names[place[0]]) for place in places]
    head = distinct([*_FIRST, *titles, *(f"{label} text" for label in answers)], are_folders=True)
    return Columns(places, answers, tuple(head))


def _title(place: Place, found: Mapping[int, set[str]]) -> str:
    label, position = place
    if len(found[position]) == 1:
        return next(iter(found[position]))
    return label if len(found) == 1 else f"{label} {position + 1}"


class Table:
    """The file, while it is written. It takes the place of an older one when it is complete."""

    def __init__(self, folder: Path, columns: Columns) -> None:
        self._path, self._columns = folder / NAME, columns
        self._partial = folder / f".{os.getpid()}.rows.partial"
        # With the mark by which spreadsheets know UTF-8.
        self._file = self._partial.open("w", encoding="utf-8-sig", errors="replace", newline="")
        self._csv = csv.writer(self._file, lineterminator="\n")
        self._csv.writerow(map(cell, columns.head))

    def add(self, row: BatchRow, paths: Mapping[Place, str], answers: Mapping[str, str]) -> None:
        """Write one row; `paths` are relative to the folder of the table."""
        spent = "" if row.spent_usd is None else f"{row.spent_usd:.8f}".rstrip("0").rstrip(".")
        made = [paths.get(place, "") for place in self._columns.places]
        said = [_short(answers.get(label, "")) for label in self._columns.answers]
        cells: Sequence[str] = (str(row.number), row.name, row.state, row.reason or "", spent, *made, *said)
        self._csv.writerow(map(cell, cells))

    def __enter__(self) -> Table:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if error is None:
            self._partial.replace(self._path)
        else:
            with suppress(OSError):
                self._partial.unlink()


def cell(text: str) -> str:
    """Return text that no spreadsheet takes for a formula, also behind spaces or in letters of full width."""
    lines = text.replace("\r\n", "\n")
    plain = "".join(sign for sign in lines if sign in _KEPT or unicodedata.category(sign) != "Cc")
    # Signs of no width are part of many languages' words and stay; a formula may hide behind one.
    seen = (sign for sign in plain if not sign.isspace() and unicodedata.category(sign) != "Cf")
    first = unicodedata.normalize("NFKC", next(seen, ""))
    return f"'{plain}" if first.startswith(_FORMULA) or plain.startswith("\t") else plain


def _short(text: str) -> str:
    return text if len(text) <= MOST_LETTERS else f"({len(text)} characters, too long for a cell)"


def _is_readable(media_type: str) -> bool:
    return media_type.startswith("text/") or media_type == "application/json"
