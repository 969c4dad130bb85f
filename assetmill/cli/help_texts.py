"""What `--help` says, kept beside the commands so that nobody waits for their modules to read it.

`help.json` is written from the commands; a test tells when it is no longer what they say, and how to write it
anew.
"""

from __future__ import annotations

import inspect
import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FILE = Path(__file__).with_name("help.json")
_ASKED = ("--help", "-h")


Sections = list[tuple[str, list[str]]]
"""Titles, each with the names of commands."""


class CommandHelp(TypedDict):
    """What one command says: its usage after the name, its text, and pairs of option and explanation."""

    usage: list[str]
    text: str
    epilog: str
    options: list[tuple[str, str]]
    commands: Sections


class HelpOnly(click.Command):
    """A command that only tells what it does; `path` are the words after the program's name."""

    def __init__(self, path: Sequence[str], told: CommandHelp) -> None:
        super().__init__(path[-1] if path else None, help=told["text"], epilog=told["epilog"])
        self._path, self._told = " ".join(path), told

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write how it is typed."""
        formatter.write_usage(ctx.command_path, " ".join(self._told["usage"]))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write its options, and its commands if it has some."""
        with formatter.section("Options"):
            formatter.write_dl([(option, said) for option, said in self._told["options"]])
        if self._told["commands"]:
            write_commands(formatter, self._told["commands"], self._path)


def write_commands(formatter: click.HelpFormatter, sections: Sections, path: str = "") -> None:
    """Write lists of commands with a line each; `path` are the words before them."""
    told = {name: kept().get(f"{path} {name}".strip()) for _, names in sections for name in names}
    texts = {name: one["text"] for name, one in told.items() if one}
    width = max(map(len, texts), default=0)
    limit = formatter.width - 6 - width
    for title, names in sections:
        with formatter.section(title):
            briefs = [
                (name.ljust(width), click.Command(name, help=texts[name]).get_short_help_str(limit))
                for name in names
                if name in texts
            ]
            formatter.write_dl(briefs)


@cache
def kept() -> dict[str, CommandHelp]:
    """Return what every command says, by its words after the program's name."""
    return json.loads(FILE.read_text(encoding="utf-8"))


def find(arguments: Sequence[str], program: str) -> str | None:
    """Return the help that is asked for, None where only the command itself can answer."""
    *path, asked = arguments or ("",)
    told = kept().get(" ".join(path)) if asked in _ASKED else None
    if told is None:
        return None
    context = click.Context(click.Command(program), info_name=program)
    for word in path[:-1]:
        context = click.Context(click.Command(word), info_name=word, parent=context)
    command = HelpOnly(path, told)
    if path:
        context = click.Context(command, info_name=path[-1], parent=context)
    return command.get_help(context)


def describe(command: click.Command, context: click.Context) -> CommandHelp:
    """Return what a command says of itself."""
    options = (one for one in command.get_params(context) if not isinstance(one, click.Argument))
    records = (option.get_help_record(context) for option in options)
    return {
        "usage": command.collect_usage_pieces(context),
        "text": inspect.cleandoc(command.help or "").partition("\f")[0],
        "epilog": inspect.cleandoc(command.epilog or ""),
        "options": [record for record in records if record],
        "commands": sections_of(command, context),
    }


def sections_of(command: click.Command, context: click.Context) -> Sections:
    """Return the names of the commands below one, under their titles."""
    if not isinstance(command, click.Group):
        return []
    titled: Callable[[], Sections] | None = getattr(command, "sections", None)
    return titled() if titled else [("Commands", command.list_commands(context))]


def describe_all(command: click.Command, context: click.Context, path: str = "") -> dict[str, CommandHelp]:
    """Return what a command and all below it say, by their words."""
    found = {path: describe(command, context)}
    for name in (name for _, names in found[path]["commands"] for name in names):
        below = command.get_command(context, name) if isinstance(command, click.Group) else None
        if below is not None and not below.hidden:
            inner = context_of(below, name, context)
            found |= describe_all(below, inner, f"{path} {name}".strip())
    return found


def context_of(command: click.Command, name: str, parent: click.Context | None = None) -> click.Context:
    """Return the context in which a command would tell its help."""
    return click.Context(command, info_name=name, parent=parent, **command.context_settings)


def page(root: click.Command) -> str:
    """Return the text of `help.json`."""
    told: dict[str, Any] = describe_all(root, context_of(root, "assetmill"))
    return json.dumps(told, indent=1, ensure_ascii=False) + "\n"


def write(root: click.Command) -> None:
    """Write `help.json` anew."""
    FILE.write_text(page(root), encoding="utf-8")
