"""What `--help` shows without a command's module is what the command itself would show."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

from assetmill.cli import help_texts
from assetmill.cli.main import call, cli

Asked = tuple[tuple[str, ...], str]


def every(command: click.Command, context: click.Context, path: tuple[str, ...] = ()) -> Iterator[Asked]:
    """Yield every command's words, and its own help."""
    yield path, command.get_help(context)
    for name in command.list_commands(context) if isinstance(command, click.Group) else ():
        below = command.get_command(context, name) if isinstance(command, click.Group) else None
        assert below is not None
        if not below.hidden:
            yield from every(below, help_texts.context_of(below, name, context), (*path, name))


def test_the_file_is_current() -> None:
    written = help_texts.FILE.read_text(encoding="utf-8")
    command = "python -c 'from assetmill.cli import help_texts, main; help_texts.write(main.cli)'"
    assert written == help_texts.page(cli), f"what commands say has changed: {command}"


@pytest.mark.parametrize("columns", [50, 80])
@pytest.mark.parametrize("word", ["--help", "-h"])
def test_every_command_says_the_same(monkeypatch: pytest.MonkeyPatch, columns: int, word: str) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    asked = list(every(cli, help_texts.context_of(cli, "assetmill")))
    assert len(asked) > len(cli.list_commands(click.Context(cli)))
    for path, told in asked:
        assert help_texts.find((*path, word), "assetmill") == told, path


def test_no_command_s_line_is_cut_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for path, told in every(cli, help_texts.context_of(cli, "assetmill")):
        cut = [line for line in told.splitlines()[1:] if line.startswith("  ") and line.endswith("...")]
        assert cut == [], path


def test_every_command_is_listed_once_under_what_it_is_for() -> None:
    listed = [name for _, names in help_texts.kept()[""]["commands"] for name in names]
    assert sorted(listed) == sorted(set(cli.list_commands(click.Context(cli))))


@pytest.mark.parametrize("arguments", [(), ("plan",), ("nothing", "--help"), ("plan", "x", "--help")])
def test_what_is_not_kept_is_left_to_the_command(arguments: tuple[str, ...]) -> None:
    assert help_texts.find(arguments, "assetmill") is None


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["emulator", "bill", "-h"]])
def test_help_imports_no_command(words: list[str]) -> None:
    program = (
        "import atexit, json, sys; from assetmill.cli import main; "
        "atexit.register(lambda: print(json.dumps(sorted(sys.modules)), file=sys.stderr)); main.main()"
    )
    told = subprocess.run(
        [sys.executable, "-c", program, *words], capture_output=True, text=True, check=True, timeout=60
    )
    loaded = set(json.loads(told.stderr.splitlines()[-1]))
    ours = {name for name in loaded if name.startswith("assetmill.cli.")}
    lean = ("main", "help_texts", "verbose", "printing")
    assert ours == {f"assetmill.cli.{name}" for name in lean}
    assert not loaded & {"pydantic", "yaml", "prefect", "PIL"}


@pytest.mark.parametrize(("typed", "meant"), [("paln", "plan"), ("shwo", "show"), ("galery", "gallery")])
def test_a_slip_is_answered_with_what_was_meant(
    typed: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call([typed]) == 2
    assert f"No such command {typed!r}. Did you mean {meant!r}?" in capsys.readouterr().err
