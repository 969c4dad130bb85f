"""`assetmill spend`: what was paid, from the store's own records."""

from __future__ import annotations

from typing import cast

import click

from assetmill.cli.options import json_option, opened_ledger, print_json, profile_option, usd
from assetmill.money.spending import Grouping, Spent, spending
from assetmill.settings import load_settings


@click.command()
@click.option(
    "--by", type=click.Choice(["day", "pipeline", "stage", "model"]), default="day", show_default=True
)
@profile_option
@json_option
def spend(by: str, profile: str | None, *, as_json: bool) -> None:
    """Show what was spent, by day (UTC), pipeline, stage or model; what failed after it was paid counts."""
    settings = load_settings(profile)
    with opened_ledger(settings) as ledger:
        groups = spending(ledger, cast(Grouping, by))
    total = sum(group.usd for group in groups)
    unknown = sum(group.unknown for group in groups)
    if as_json:
        rows = [vars(group) for group in groups]
        print_json({"by": by, "groups": rows, "total_usd": round(total, 8), "unknown": unknown})
        return
    for group in groups:
        click.echo(_line(group))
    tail = f", and {unknown} attempts of unknown cost" if unknown else ""
    click.echo(f"{usd(total)} in all{tail}")


def _line(group: Spent) -> str:
    tail = f"  ({group.unknown} of unknown cost)" if group.unknown else ""
    return f"  {group.group:<40} {usd(group.usd):>12}  {group.attempts:>5} paid{tail}"
