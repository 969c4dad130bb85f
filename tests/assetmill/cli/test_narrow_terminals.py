"""What a person at a narrow terminal reads when something went wrong."""

from __future__ import annotations

import fcntl
import os
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from tests.assetmill.cli.terminal import Terminal

COLUMNS = 50
_CONTROL = re.compile(r"\x1b\[[?\d;]*[A-Za-z]|\r")


def said_at_terminal(folder: Path, *words: str) -> str:
    """Return what a command says on stderr where that is a terminal of 50 columns."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, COLUMNS, 0, 0))
    command = [sys.executable, "-m", "assetmill.cli.main", *words]
    environment = {**os.environ, "NO_COLOR": "1", "ASSETMILL_HOME": str(folder / "home")}
    subprocess.run(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=theirs, check=False,
    )  # fmt: skip
    os.close(theirs)
    said = b""
    while chunk := _read(ours):
        said += chunk
    os.close(ours)
    return _CONTROL.sub("", said.decode())


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # so Linux says that nobody writes any more
        return b""


@pytest.mark.parametrize("words", [["lineage", "ast_nope"], ["edit", "ast_nope", "make it dusk"]])
def test_no_word_of_an_error_is_broken_at_the_edge(words: list[str], tmp_path: Path) -> None:
    lines = said_at_terminal(tmp_path, *words).strip().splitlines()
    assert lines[0] == "error: no asset 'ast_nope': give an asset ID, a"
    assert max(map(len, lines)) <= COLUMNS
    assert "a service ID, a file, or RUN/STAGE/NAME: `assetmill assets` lists them" in " ".join(lines)


def test_where_nobody_looks_an_error_stays_one_line(assetmill: Terminal) -> None:
    assert assetmill("lineage", "ast_nope") == 2
    assert len(assetmill.err.splitlines()) == 1


def test_who_left_out_the_words_of_an_edit_is_told_what_they_are(assetmill: Terminal) -> None:
    assert assetmill("edit", "latest/pic/pic.png") == 2
    assert assetmill.err.endswith('Say what is to change: "make the sky dusk".\n')
