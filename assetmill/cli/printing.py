"""`--json`: the option and the one document, for commands that need nothing else to start."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import click

from assetmill.redaction import redact_known

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document and nothing else."
)


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
