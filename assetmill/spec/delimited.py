"""How a table's text parts its columns, as spreadsheets write it, and the names that nobody can see apart."""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

_SEPARATOR_LINE = re.compile(r'"?sep=([,;|\t])"?[ \t]*\r?\n', re.IGNORECASE)
_QUOTED = re.compile(r'"(?:[^"]|"")*"')
_HEAD_LETTERS = 65_536


class Delimited(NamedTuple):
    """A table's text without what stands above its head: that many lines."""

    text: str
    delimiter: str
    lines_above: int


def delimited(text: str, delimiter: str = "") -> Delimited:
    """Return a table's text and its delimiter: the known one, the one it names, or what its head uses."""
    if match := _SEPARATOR_LINE.match(text):
        # Spreadsheets write and read this line above the head.
        return Delimited(text[match.end() :], match[1], 1)
    return Delimited(text, delimiter or _likely(text), 0)


def visible(text: str) -> str:
    """Return a name without what nobody sees: spaces around it, and signs of no width anywhere in it."""
    return "".join(sign for sign in text if unicodedata.category(sign) != "Cf").strip()


def _likely(text: str) -> str:
    """Return what parts the columns: where a comma is the decimal sign, spreadsheets write semicolons."""
    # What stands between quotation marks, line ends too, is a column's name.
    head = _QUOTED.sub("", text[:_HEAD_LETTERS].lstrip()).lstrip().partition("\n")[0]
    return max(",;\t", key=head.count)
