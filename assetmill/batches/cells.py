"""What every kind of table comes to: cells by name, under a head, within limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assetmill.errors import InvalidSpec

MAX_ROWS = 100_000
MAX_BYTES = 64 * 1024 * 1024
MAX_UNPACKED_BYTES = 512 * 1024 * 1024
"""A parquet file of a few kilobytes may claim to hold terabytes."""

Cells = Mapping[str, Any]


def without_blank_end(cells: list[str], width: int) -> list[str]:
    """Return a row without empty cells beyond the last column that has a name, as spreadsheets write them."""
    end = len(cells)
    while end > width and not cells[end - 1]:
        end -= 1
    return cells[:end]


def check_head(head: list[str], source: str, line: int) -> None:
    """Refuse a head that leaves a column without a name, or gives two the same one."""
    if "" in head:
        raise InvalidSpec(source, line, f"column {head.index('') + 1} has no name")
    if twice := [column for column in head if head.count(column) > 1]:
        raise InvalidSpec(source, line, f"two columns are called {twice[0]!r}")
