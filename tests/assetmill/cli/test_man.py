"""The manual says what `--help` says, and manual readers have nothing to complain about."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from assetmill.cli import help_texts, man
from tests.assetmill.cli.terminal import Terminal

HOSTILE = help_texts.CommandHelp(
    usage=["[OPTIONS]", "'FILE\\fB"],
    text=".so /etc/passwd \\n(x\n\n'tis `a-b` \\(co.",
    epilog="",
    options=[(".TH", ".de x")],
    commands=[],
)


def test_every_command_has_a_page(assetmill: Terminal, tmp_path: Path) -> None:
    told = assetmill.document("man", str(tmp_path / "man1"))
    assert len(told["files"]) == len(help_texts.kept())
    assert {path.name for path in (tmp_path / "man1").iterdir()} == set(told["files"])
    assert {"assetmill.1", "assetmill-run.1", "assetmill-emulator-bill.1"} <= set(told["files"])


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff, which shows manual pages, is not installed")
@pytest.mark.parametrize("words", ["", "run", "gc", "emulator"])
def test_a_page_shows_the_words_of_the_help(words: str) -> None:
    told = help_texts.kept()[words]
    shown = seen(man.page(words, told))
    said = [told["text"], *(part for pair in told["options"] for part in pair)]
    for text in said:
        assert squeezed(text.replace("`", "")) in squeezed(shown)


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff, which shows manual pages, is not installed")
def test_no_words_are_taken_for_requests() -> None:
    shown = squeezed(seen(man.page("x", HOSTILE)))
    for text in (".so/etc/passwd\\n(x", "'tisa-b\\(co.", "'FILE\\fB", ".TH.dex"):
        assert text in shown


@pytest.mark.skipif(
    shutil.which("mandoc") is None, reason="mandoc, which lints manual pages, is not installed"
)
def test_a_linter_of_manual_pages_finds_nothing(assetmill: Terminal, tmp_path: Path) -> None:
    assert assetmill("man", str(tmp_path)) == 0
    # A page is of no day: the same words are the same bytes, whenever they are written.
    command = ["mandoc", "-T", "lint", "-W", "warning", *map(str, sorted(tmp_path.iterdir()))]
    found = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    said = [line for line in (found.stdout + found.stderr).splitlines() if "missing date" not in line]
    assert said == []


def seen(page: str) -> str:
    """Return what a reader of a page sees."""
    command = ["groff", "-man", "-ww", "-T", "utf8", "-P", "-c", "-P", "-b", "-P", "-u"]
    shown = subprocess.run(command, input=page, capture_output=True, text=True, check=True, timeout=60)
    assert shown.stderr == ""
    return shown.stdout


def squeezed(text: str) -> str:
    """Return text without what a line's end may change: blanks, and hyphens of any kind."""
    return "".join(text.translate({0x2010: "-", 0x2019: "'", 0xAD: None}).split())
