"""`assetmill lineage` and `assetmill why`: where things come from, and why they were made."""

from __future__ import annotations

from typing import Any

import click

from assetmill.cli.options import json_option, print_json, profile_option
from assetmill.cli.telling import told_progress
from assetmill.history import lineage as families
from assetmill.history.assets import AssetFinder
from assetmill.history.lineage import Direction
from assetmill.history.why import Difference, explain
from assetmill.settings import load_settings
from assetmill.stage.services import open_services
from assetmill.store.index import Index


@click.command()
@click.argument("asset")
@click.option("--up", is_flag=True, help="Only what it was made from.")
@click.option("--down", is_flag=True, help="Only what was made from it.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["tree", "json", "mermaid"]),
    default="tree",
    show_default=True,
    help="For people, for programs, for a diagram.",
)
@profile_option
@json_option
def lineage(asset: str, form: str, profile: str | None, *, up: bool, down: bool, as_json: bool) -> None:
    """Show what ASSET was made from, and what was made from it.

    Each with its prompt, model, agent version, response and cost. ASSET is given as for `assetmill edit`.
    """
    wanted: tuple[tuple[Direction, bool], ...] = (("up", up), ("down", down))
    directions: list[Direction] = [
        direction for direction, is_wanted in wanted if is_wanted or not (up or down)
    ]
    with open_services(load_settings(profile)) as services, told_progress(services.backend):
        index = Index(services.backend, services.ledger)
        found = AssetFinder(services.ledger, index).find(asset)
        family = families.trace(found, services.ledger, index, directions)
    if as_json or form == "json":
        print_json(families.as_json(family))
    else:
        click.echo(families.as_tree(family) if form == "tree" else families.as_mermaid(family))


@click.command()
@click.argument("run")
@click.argument("stage")
@profile_option
@json_option
def why(run: str, stage: str, profile: str | None, *, as_json: bool) -> None:
    """Say why STAGE of RUN ran, or why it was reused.

    RUN is a run's ID, the beginning of one, or `latest`; STAGE a name, with its variant when it has several.
    """
    with open_services(load_settings(profile)) as services:
        reason = explain(services.ledger, run, stage)
    if as_json:
        return print_json(
            {
                "verdict": reason.verdict,
                "status": reason.status,
                "reason": reason.sentence,
                "compared_with": reason.compared_with,
                "differences": [vars(difference) for difference in reason.differences],
            }
        )
    click.echo(reason.sentence)
    for difference in reason.differences:
        click.echo(f"  {_line(difference)}")
    return None


def _line(difference: Difference) -> str:
    return f"{difference.field}: {_shown(difference.before)} -> {_shown(difference.after)}"


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    text = " ".join(str(value).split())
    return repr(text if len(text) <= 100 else f"{text[:97]}...")
