"""Groups and their order: by which column a request groups figures, and in which order the rows come."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from foundry_emulator.model.coding.csv_table import ORDERED, CsvTable, columns_named
from foundry_emulator.model.words import has
from foundry_emulator.stems import words

CODE = """
def natural(label):
    # Numbers by size, quarters and weeks by year, everything else by its letters.
    parts = [int(part) if part.isdigit() else part.lower() for part in re.split(r"(\\d+)", str(label))]
    year = re.search(r"(?:19|20)\\d\\d", str(label))
    return (int(year[0]) if year else 0, [(isinstance(part, str), part) for part in parts])


def ordered(data, by, falling):
    if by == "label":
        return data.loc[sorted(data.index, key=natural, reverse=falling)]
    return data.sort_values(data.columns[0], ascending=not falling) if by == "value" else data
"""
"""What the code of charts and tables orders its rows with."""

_GROUPED = re.compile(
    r"\b(?:by|per|for each|for every|in each|each|across|over|grouped by|group by|against|top \d{1,4})\s+"
    r"((?:the\s+)?[\w-]+(?:\s+[\w-]+)?(?:\s+[\w-]+)?)",
    re.IGNORECASE,
)
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
    """In which order rows come: by their label, by their first figure, or as the file has them."""

    by: Literal["label", "value", "file"]
    falling: bool = False


def group_said(text: str, columns: Sequence[str]) -> str | None:
    """Return the column that a request groups by; what it sorts by is none."""
    text = re.sub(
        r"\b(?:sort|order|rank)(?:ed|ing)?\s+(?:\w+\s+)?by\b[^.;,\n]*", " ", text, flags=re.IGNORECASE
    )
    for match in _GROUPED.finditer(text):
        if found := columns_named(match[1], columns):
            return found[0]
    return None


def order_said(text: str, table: CsvTable, label: str | None, kind: str = "") -> RowOrder:
    """Return the order that a request names; without one, time and numbers run upwards."""
    falling = has(text, _FALLING)
    said = _SORTED.search(text)
    by_label = said is not None and label is not None and bool(set(words(said[1])) & set(words(label)))
    is_in_time = label is not None and _runs_upwards(table, label)
    if by_label or has(
        text, "newest first", "latest first", "oldest first", "earliest first", "chronological\\w*"
    ):
        return RowOrder("label", falling)
    if kind in {"line", "area"} and is_in_time:
        return RowOrder("label", falling=False)
    if falling or has(text, _RISING) or said or kind == "pie" or has(text, "rank\\w*", r"top(?: \d+)?"):
        return RowOrder("value", falling=not has(text, _RISING))
    return RowOrder("label") if is_in_time else RowOrder("file")


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


def _runs_upwards(table: CsvTable, label: str) -> bool:
    values = table.values(label)
    is_dated = all(re.fullmatch(r"(?:19|20)\d\d(?:-\d\d){0,2}(?:[ T].*)?|\d{1,4}", value) for value in values)
    return is_dated or (
        bool(set(words(label)) & ORDERED) and all(re.search(r"\d", value) for value in values)
    )
