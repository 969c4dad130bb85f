"""`--json`: the option and the one document, for commands that need nothing else to start."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

import click

from assetmill.redaction import redact_known

_NARROWEST = 20

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document and nothing else."
)


def fitted(text: str) -> str:
    """Return text for stderr: no word is broken at a terminal's edge; elsewhere lines stay as they are.

    A word that is longer than a line, as a path may be, stays whole for whoever copies it.
    """
    if not sys.stderr.isatty():
        return text
    import textwrap  # when something went wrong, at a terminal

    # Not of stdout, which may be a pipe at this moment.
    width = max(os.get_terminal_size(sys.stderr.fileno()).columns, _NARROWEST)
    lines = text.split("\n")
    fill = partial(textwrap.fill, width=width, break_long_words=False, break_on_hyphens=False)
    return "\n".join(fill(line, subsequent_indent=" " * (len(line) - len(line.lstrip()))) for line in lines)


def print_json(document: Mapping[str, Any]) -> None:
    """Print the one document of a `--json` command."""
    click.echo(redact_known(json.dumps(document, indent=2, ensure_ascii=False)))


def json_item(item: Mapping[str, Any]) -> str:
    """Return one entry of the list that `print_json_list` prints."""
    return redact_known(json.dumps(item, indent=2, ensure_ascii=False)).replace("\n", "\n    ")


def print_json_list(name: str, items: Iterable[str]) -> None:
    """Print the one document of a `--json` command whose only field is a list too long to be held."""
    end = f'{{\n  "{name}": ['
    for item in items:
        click.echo(f"{end}\n    {item}", nl=False)
        end = ","
    click.echo(f"{end}]\n}}" if end != "," else "\n  ]\n}")
