"""Groups and their order: by which column a request groups figures, and in which order the rows come."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from foundry_emulator.model.coding.csv_table import (
    ORDERED,
    CsvTable,
    columns_named,
    columns_named_in_full,
)
from foundry_emulator.model.words import has
from foundry_emulator.stems import words

CODE = """
def natural(label):
    # Numbers by size, quarters and weeks by year, everything else by its letters.
    parts = [int(part) if part.isdigit() else part.lower() for part in re.split(r"(\\d+)", str(label))]
    year = re.search(r"(?:19|20)\\d\\d", str(label))
    return (int(year[0]) if year else 0, [(isinstance(part, str), part) for part in parts])


def ordered(data, by, falling, levels):
    if by == "value":
        return data.sort_values(data.columns[0], ascending=not falling, kind="stable")
    # Sorting is stable, so that the most important level comes last.
    for name, is_natural in reversed(levels):
        labels = data.index.get_level_values(name)
        seen = {label: place for place, label in enumerate(labels.unique())}
        key = natural if is_natural else seen.get
        turn = falling and name == levels[0][0]
        data = data.iloc[sorted(range(len(data)), key=lambda row: key(labels[row]), reverse=turn)]
    return data
"""
"""What the code of charts and tables orders its rows with."""

_GROUPED = re.compile(
    r"\b(?:by|per|for each|for every|in each|each|across|over|grouped by|group by|against|top \d{1,4})\s+"
    r"(?=((?:the\s+)?[\w-]+(?:\s+[\w-]+)?(?:\s+[\w-]+)?))",
    re.IGNORECASE,
)
"""Looks ahead only: what follows may hold the next, as in `by vessel per year`."""
_FURTHER = re.compile(
    r"(?:\s*,\s*(?:and\s+|then\s+)?|\s+and\s+|\s+then\s+|\s*[/&\u00d7+]\s*)(?:the\s+)?"
    r"(?=([\w-]+(?:\s+[\w-]+)?(?:\s+[\w-]+)?))",
    re.IGNORECASE,
)
"""What joins a further column to the one before it, as in `by year, orchard and variety`."""
_SORTED = re.compile(
    r"\b(?:sort|order|rank|arrang)(?:ed|ing)?(?: it| them| the rows)?(?: by| on)?\s+([^.;,\n]{2,40})", re.I
)
_FALLING = (
    r"descending|desc|(?:largest|biggest|highest|greatest|most|newest|latest)(?: \w+)? first|"
    r"high to low|falling"
)
_RISING = r"ascending|asc|(?:smallest|lowest|least|fewest|oldest|earliest)(?: \w+)? first|low to high|rising"


@dataclass(frozen=True)
class RowOrder:
    """In which order rows come: by their first figure, or by their labels, level after level.

    Each level is a column with whether its labels run upwards; the others keep the order of the file.
    `falling` is of the figures, or of the first level.
    """

    by: Literal["label", "value"]
    falling: bool = False
    levels: tuple[tuple[str, bool], ...] = ()


def groups_said(text: str, columns: Sequence[str]) -> list[str]:
    """List the columns that a request groups by, in its order; what it sorts by is none."""
    text = re.sub(
        r"\b(?:sort|order|rank)(?:ed|ing)?\s+(?:\w+\s+)?by\b[^.;,\n]*|\S+\.\w{2,4}\b",
        " ",
        text,
        flags=re.IGNORECASE,
    )
    found: list[str] = []
    for match in _GROUPED.finditer(text):
        # A word of a column's name is enough for the first alone: more would be guesses.
        named = columns_named(match[1], columns) if not found else columns_named_in_full(match[1], columns)
        found += named[:1]
        if named:
            found += _further(text[match.start(1) :], columns)
    return list(dict.fromkeys(found))


def _further(text: str, columns: Sequence[str]) -> list[str]:
    """List the columns that are joined to the one that the text begins with."""
    found: list[str] = []
    for match in _FURTHER.finditer(re.split(r"[.;\n]", text)[0]):
        named = columns_named_in_full(match[1], columns)
        if not named:
            break
        found += named[:1]
    return found


def order_said(text: str, table: CsvTable, groups: Sequence[str], kind: str = "") -> RowOrder:
    """Return the order that a request names; without one, time and numbers run upwards."""
    falling = has(text, _FALLING)
    said = _SORTED.search(text)
    sorts_by = columns_named_in_full(said[1], groups) if said else []
    if said and not sorts_by:
        sorts_by = [group for group in groups if set(words(said[1])) & set(words(group))]
    runs = {group: _runs_upwards(table, group) for group in groups}
    is_by_time = has(
        text, "newest first", "latest first", "oldest first", "earliest first", r"chronological\w*"
    )
    if is_by_time and not sorts_by:
        sorts_by = [group for group in groups if runs[group]] or list(groups[:1])
    if sorts_by:
        others = [(group, runs[group]) for group in groups if group not in sorts_by]
        return RowOrder("label", falling, (*((group, True) for group in sorts_by), *others))
    by_label = RowOrder("label", levels=tuple(runs.items()))
    if kind in {"line", "area"} and any(runs.values()):
        return by_label
    if falling or has(text, _RISING) or said or kind == "pie" or has(text, r"rank\w*", r"top(?: \d+)?"):
        return RowOrder("value", not has(text, _RISING))
    return by_label


def most_said(text: str) -> int | None:
    """Return how many rows are wanted of all, as in `the top 3 months`."""
    said = re.search(r"\btop (\d{1,4})\b", text, re.IGNORECASE)
    return int(said[1]) if said else None


def aggregate_said(text: str) -> str:
    """Return how the rows of a group are put together: sum, mean, count, max, min or median."""
    ways = {
        "mean": ("average", "mean", "averages"), "median": ("median",), "max": ("maximum", "max"),
        "min": ("minimum", "min"), "count": ("number of", "count", "how many"),
    }  # fmt: skip
    return next((way for way, said in ways.items() if has(text, *said)), "sum")


def all_run_upwards(table: CsvTable, columns: Sequence[str]) -> bool:
    """Say whether the labels of all these columns have an order of their own, as years and months do."""
    return all(_runs_upwards(table, column) for column in columns)


def _runs_upwards(table: CsvTable, label: str) -> bool:
    values = table.values(label)
    is_dated = all(re.fullmatch(r"(?:19|20)\d\d(?:-\d\d){0,2}(?:[ T].*)?|\d{1,4}", value) for value in values)
    return is_dated or (
        bool(set(words(label)) & ORDERED) and all(re.search(r"\d", value) for value in values)
    )
