"""Reports that commands write into files, and Markdown that text from elsewhere cannot break."""

from __future__ import annotations

from pathlib import Path

from assetmill.errors import InvalidInput

_LONGEST = 300


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
    """Return text for a cell of a Markdown table: one line, nothing in it is markup."""
    plain = " ".join(text.split())[:_LONGEST].replace("\\", "\\\\")
    for sign in "`*_[]<>|!#@":
        plain = plain.replace(sign, f"&#{ord(sign)};")
    return plain


def code(text: str) -> str:
    """Return text as code in a cell of a Markdown table."""
    plain = " ".join(text.split())[:_LONGEST].replace("`", "'").replace("|", "\\|")
    return f"`{plain}`" if plain else ""
