"""Every command and option that a message names is there: read out of the source, asked of the parser."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click
import pytest

from assetmill.cli import main

ROOT = Path(__file__).parents[3]
SOURCES = [path for room in ("assetmill", "flows", "tasks") for path in (ROOT / room).rglob("*.py")]
COMMAND = re.compile(r"(?:^|`|: |  |run |\()assetmill((?: [a-z][a-z-]*\b)+)([^`\n;]*)")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
AFTER_THE_HINT = re.compile(r" {4,}|\) |, ")
A_TITLE = "assetmill pipeline"
OTHERS = re.compile(r"\b(prefect|git|pip) [a-z-]+ | -m [\w.\\]+ ")
"""Programs of others, which have options of their own."""


class Message(NamedTuple):
    path: Path
    line: int
    text: str


def messages(path: Path) -> Iterator[Message]:
    """Yield the texts of a module that are no docstrings; what an f-string fills in is an X."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield Message(path, node.lineno, "".join(_part(part) for part in node.values))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs | inside:
            yield Message(path, node.lineno, node.value)


def _part(part: ast.expr) -> str:
    return str(part.value) if isinstance(part, ast.Constant) else "X"


def all_messages() -> list[Message]:
    return [message for path in SOURCES for message in messages(path) if _may_hint(message.text)]


def _may_hint(text: str) -> bool:
    return " " in text and text[:2] != "--" and text != A_TITLE and not OTHERS.search(text)


def commands() -> dict[str, click.Command]:
    """Return every command by its words: `emulator bill`, and what a group is itself."""
    context = click.Context(main.cli)
    found: dict[str, click.Command] = {}
    for name in main.cli.list_commands(context):
        command = main.cli.get_command(context, name)
        assert command is not None, name
        found[name] = command
        if isinstance(command, click.Group):
            found |= {f"{name} {sub}": one for sub, one in command.commands.items()}
    return found


def options_of(command: click.Command) -> set[str]:
    return {name for option in command.params for name in (*option.opts, *option.secondary_opts)} | {"--help"}


COMMANDS = commands()
ANY_OPTION = set[str]().union(*map(options_of, COMMANDS.values()))


def hinted(text: str) -> Iterator[tuple[str, set[str]]]:
    """Yield the commands that a text names, each with the options that it is named with."""
    for words, rest in COMMAND.findall(text):
        first = words.split()
        name = next((n for n in (" ".join(first[:2]), first[0]) if n in COMMANDS), first[0])
        said = AFTER_THE_HINT.split(f"{words}{rest}")[0]
        yield name, set(OPTION.findall(said))


def test_every_command_that_a_message_names_is_there_with_its_options() -> None:
    seen = 0
    for message in all_messages():
        for name, options in hinted(message.text):
            where = f"{message.path.relative_to(ROOT)}:{message.line}: {message.text!r}"
            assert name in COMMANDS, where
            assert options <= options_of(COMMANDS[name]), where
            seen += 1
    assert seen > 30


def test_every_option_that_a_message_names_is_one_of_some_command() -> None:
    seen = 0
    for message in all_messages():
        for option in OPTION.findall(message.text):
            where = f"{message.path.relative_to(ROOT)}:{message.line}: {message.text!r}"
            assert option in ANY_OPTION, where
            seen += 1
    assert seen > 60


def test_a_message_of_a_command_names_its_own_options() -> None:
    """In the module of a command a bare option means that command's."""
    for message in all_messages():
        name = message.path.stem.rstrip("_")
        if message.path.parent.name != "cli" or name not in COMMANDS or COMMAND.search(message.text):
            continue
        own = set[str]().union(*(options_of(c) for n, c in COMMANDS.items() if n.split()[0] == name))
        beside = {n for n, module in main._COMMANDS.items() if module == f"assetmill.cli.{message.path.stem}"}  # pyright: ignore[reportPrivateUsage]
        own |= set[str]().union(*(options_of(COMMANDS[n]) for n in beside))
        where = f"{message.path.relative_to(ROOT)}:{message.line}: {message.text!r}"
        assert set(OPTION.findall(message.text)) <= own, where


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("`assetmill prices --add X --tokens 'S=N'` adds it", [("prices", {"--add", "--tokens"})]),
        ("run `assetmill emulator serve`, or --port", [("emulator serve", set[str]())]),
        ("next: assetmill sync --prune    takes them out with --force", [("sync", {"--prune"})]),
    ],
)
def test_hints_are_found(text: str, named: list[tuple[str, set[str]]]) -> None:
    assert list(hinted(text)) == named
