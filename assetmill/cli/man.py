"""`assetmill man`: manual pages, from the same words as `--help`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import click

from assetmill.cli import help_texts
from assetmill.cli.help_texts import CommandHelp
from assetmill.cli.printing import json_option, print_json
from assetmill.cli.written import write_text
from assetmill.errors import InvalidInput

PROGRAM = "assetmill"
_CODE = re.compile(r"`([^`\n]+)`")


@click.command()
@click.argument("directory", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@json_option
def man(directory: Path, *, as_json: bool) -> None:
    """Write a manual page for each command to DIR.

    In a folder `man1` of what `manpath` prints, as ~/.local/share/man/man1, `man assetmill-run` finds them.
    """
    written = list(_write_all(directory))
    if as_json:
        return print_json({"directory": str(directory), "files": [path.name for path in written]})
    return click.echo(f"{len(written)} pages in {directory}: man {written[0]}")


def _write_all(directory: Path) -> Iterator[Path]:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput(f"cannot write to {directory}: {error.strerror or error}") from error
    for words, told in help_texts.kept().items():
        path = directory / f"{_name(words)}.1"
        write_text(path, page(words, told))
        yield path


def page(words: str, told: CommandHelp) -> str:
    """Return the page of a command, by its words after the program's name."""
    brief, *rest = told["text"].split("\n\n")
    lines = [
        f'.TH "{_name(words).upper()}" "1" "" "{PROGRAM} {version(PROGRAM)}" "{PROGRAM}"',
        ".SH NAME",
        f"{_name(words)} \\- {_text(brief).rstrip('.')}",
        ".SH SYNOPSIS",
        f"\\fB{_text(f'{PROGRAM} {words}'.strip())}\\fR {_text(' '.join(told['usage']))}".rstrip(),
        ".SH DESCRIPTION",
        _text(brief),
    ]
    for paragraph in rest:
        lines += [".PP", _text(paragraph)]
    lines += [*_listed("OPTIONS", told["options"]), *_commands(words, told["commands"])]
    if told["epilog"]:
        lines += [".SH NOTES", _text(told["epilog"])]
    return "\n".join([*lines, ""])


def _commands(words: str, sections: help_texts.Sections) -> Iterator[str]:
    listed: list[str] = []
    for title, names in sections:
        known = {name: help_texts.kept().get(f"{words} {name}".strip()) for name in names}
        briefs = [(name, told["text"].partition("\n\n")[0]) for name, told in known.items() if told]
        yield from _listed(title.upper(), briefs)
        listed += [f"\\fB{_text(_name(f'{words} {name}'))}\\fR(1)" for name, _ in briefs]
    if listed:
        yield from (".SH SEE ALSO", ", ".join(listed))


def _listed(title: str, pairs: list[tuple[str, str]]) -> Iterator[str]:
    if pairs:
        yield f".SH {title}"
    for name, said in pairs:
        yield from (".TP", f"\\fB{_text(name)}\\fR", _text(said) or "\\&")


def _name(words: str) -> str:
    return "-".join([PROGRAM, *words.split()])


def _text(text: str) -> str:
    """Return text as roff shows it unchanged: its lines filled anew, none of them taken for a request."""
    flat = " ".join(text.split()).replace("\\", "\\e").replace("-", "\\-")
    flat = _CODE.sub(r"\\fB\1\\fR", flat)
    return f"\\&{flat}" if flat.startswith((".", "'")) else flat
