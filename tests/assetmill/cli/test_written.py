"""Text from elsewhere in a comment on a pull request stays text."""

from __future__ import annotations

import html
import re

import pytest

from assetmill.cli.written import COMMENT_CHARS, rows_that_fit
from assetmill.markdown import cell, code

HOSTILE = [
    "a | b",
    r"a\| b @all <img src=x>",
    r"a\\| b",
    "`x` ``` y",
    "</code></details><h1>x",
    "<!-- x",
    "[a](http://b) ![c](d)",
    "**a** __b__ ~~c~~ $d$",
    "line\nbreak\r\n\x0b| x |\u2028| y |",
    "https://x.example www.x.example",
    "@ada @org/team #12 ada/x#12 GH-12",
    "&lt;b&gt; &amp; :tada:",
]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("write", [cell, code])
def test_hostile_text_is_no_markup(write: object, text: str) -> None:
    assert callable(write)
    written = str(write(text)).removeprefix("<code>").removesuffix("</code>")
    assert not set(written) & set("|`<>[]*_~\\!\n\r"), written
    shown = html.unescape(written).replace("\N{ZERO WIDTH SPACE}", "")
    assert shown.split() == text.split()


@pytest.mark.parametrize(
    "text", ["@ada", "x (@ada)", "#12", "ada/x#12", "GH-12", "http://x.example", "www.x.y"]
)
def test_what_a_forge_would_link_is_broken_in_a_cell(text: str) -> None:
    """It looks at the text after the markup was read, so an entity alone does not hide a name."""
    shown = html.unescape(cell(text))
    assert not re.search(r"@\w|#\d|GH-\d|://|www\.", shown)


def test_a_sign_is_written_once() -> None:
    assert cell("motif[page=a]") == "motif&#91;page=a&#93;"
    assert code("motif[page=a]") == "<code>motif&#91;page=a&#93;</code>"
    assert code("\n") == ""


def test_a_table_ends_before_the_comment_does() -> None:
    assert rows_that_fit(["| a |", "| b |"], 5) == ["| a |", "| b |"]
    assert rows_that_fit(["| a |", "| b |", "| c |"], 1) == ["| a |", "\nand 2 more."]
    long = rows_that_fit(["x" * 10_000] * 9, 100)
    assert len("".join(long)) < COMMENT_CHARS
    assert long[-1] == "\nand 7 more."
