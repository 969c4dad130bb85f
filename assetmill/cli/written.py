"""Reports that commands write into files, and how much of them fits into a comment."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from assetmill.errors import InvalidInput

COMMENT_CHARS = 28_000
"""Two tables and their frame fit into a comment of 65,536 characters, which is all that GitHub takes."""


def write_text(path: Path, text: str) -> None:
    """Write a report.

    Raises:
        InvalidInput: it cannot be written.
    """
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InvalidInput(f"cannot write {path}: {error.strerror or error}") from error


def rows_that_fit(rows: Iterable[str], at_most: int) -> list[str]:
    """Return the first rows of a table, as many as a comment takes, and a line that counts the others."""
    listed, size, shown = list(rows), 0, 0
    while shown < min(len(listed), at_most) and size + len(listed[shown]) <= COMMENT_CHARS:
        size, shown = size + len(listed[shown]), shown + 1
    more = len(listed) - shown
    return [*listed[:shown], *([f"\nand {more} more."] if more else [])]
