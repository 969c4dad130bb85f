"""Markdown that text from elsewhere cannot break: names of rows, prompts, what a service said."""

from __future__ import annotations

import re

_LONGEST = 300
_MARKUP = re.compile(r"[^\w\s.,;:/()=+%$'-]")
# A forge looks for names, numbers, commits and addresses in the text that the markup leaves, so what begins
# one is followed by a space of no width.
_BEGINNINGS = re.compile(r"([@#]|:(?=//)|\b[wW]{3}(?=\.)|\b[gG][hH](?=-\d))")


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


def one_line(text: str) -> str:
    """Return text for a line of a terminal or a log, where line ends and control signs would do more."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def _short(text: str) -> str:
    return " ".join(one_line(text).split())[:_LONGEST]


def _entity(sign: re.Match[str]) -> str:
    return f"&#{ord(sign[0])};"
