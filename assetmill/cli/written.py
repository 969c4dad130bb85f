"""Reports that commands write into files, and Markdown that text from elsewhere cannot break."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from assetmill.errors import InvalidInput

_LONGEST = 300
_MARKUP = re.compile(r"[^\w\s.,;:/()=+%$'-]")
# A forge looks for names, numbers, commits and addresses in the text that the markup leaves, so what begins
# one is followed by a space of no width.
_BEGINNINGS = re.compile(r"([@#]|:(?=//)|\b[wW]{3}(?=\.)|\b[gG][hH](?=-\d))")

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


def cell(text: str) -> str:
    """Return text for a cell of a Markdown table: one line, nothing in it is markup, a name or an address."""
    plain = _BEGINNINGS.sub("\\1\N{ZERO WIDTH SPACE}", _short(text))
    return _MARKUP.sub(_entity, plain).replace("_", "&#95;").replace(":", "&#58;")


def code(text: str) -> str:
    """Return text as code in a cell of a Markdown table.

    Not between backticks: a backslash before a bar would end the cell, and with it the code.
    """
    plain = _MARKUP.sub(_entity, _short(text)).replace("_", "&#95;").replace(":", "&#58;")
    return f"<code>{plain}</code>" if plain else ""


def rows_that_fit(rows: Iterable[str], at_most: int) -> list[str]:
    """Return the first rows of a table, as many as a comment takes, and a line that counts the others."""
    listed, size, shown = list(rows), 0, 0
    while shown < min(len(listed), at_most) and size + len(listed[shown]) <= COMMENT_CHARS:
        size, shown = size + len(listed[shown]), shown + 1
    more = len(listed) - shown
    return [*listed[:shown], *([f"\nand {more} more."] if more else [])]


def one_line(text: str) -> str:
    """Return text for a line of a terminal or a log, where line ends and control signs would do more."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def _short(text: str) -> str:
    return " ".join(one_line(text).split())[:_LONGEST]


def _entity(sign: re.Match[str]) -> str:
    return f"&#{ord(sign[0])};"
