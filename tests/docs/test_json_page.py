"""docs/json.md shows what the models say, and every command has one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from assetmill.cli.main import cli
from assetmill.documents.catalog import DOCUMENTS, page

PAGE = Path(__file__).parents[2] / "docs" / "json.md"


def commands(group: click.Group, before: str = "") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command
        if isinstance(command, click.Group):
            yield from commands(command, f"{name} ")
        elif not command.hidden:
            yield before + name, command


LISTED = dict(commands(cli))


@pytest.mark.parametrize("name", LISTED)
def test_every_command_can_print_json_and_says_what(name: str) -> None:
    assert any("--json" in parameter.opts for parameter in LISTED[name].params)
    assert DOCUMENTS[name]


def test_no_document_is_of_a_command_that_is_gone() -> None:
    assert set(DOCUMENTS) == set(LISTED)


def test_the_page_is_what_the_models_say() -> None:
    anew = "python -c 'from assetmill.documents.catalog import page; print(page(), end=str())' > docs/json.md"
    assert PAGE.read_text(encoding="utf-8") == page(), anew
