"""`assetmill spend`: what was paid, from the store's own records."""

from __future__ import annotations

from typing import cast

import click

from assetmill.cli.options import json_option, opened_ledger, print_json, profile_option, usd
from assetmill.cli.telling import told_progress
from assetmill.money.spending import Grouping, OpenSpend, Spending, Spent, spending
from assetmill.settings import load_settings


@click.command()
@click.option(
    "--by", type=click.Choice(["day", "pipeline", "stage", "model"]), default="day", show_default=True
)
@profile_option
@json_option
def spend(by: str, profile: str | None, *, as_json: bool) -> None:
    """Show what was spent, by day, pipeline, stage or model.

    Days are those of UTC; what failed after it was paid counts.

    An attempt that is not over has a line of its own. "About" is what only the service knows exactly.
    """
    settings = load_settings(profile)
    with opened_ledger(settings) as ledger, told_progress(ledger.backend):
        found = spending(ledger, cast(Grouping, by))
    if as_json:
        return _print(by, found)
    for group in found.groups:
        click.echo(_line(group))
    for one in found.open:
        click.echo(_open_line(one))
    if found.open:
        click.echo("  what began them goes on with them; `assetmill resolve RUN` decides where nothing does")
    tail = f", and {found.unknown} attempts of unknown cost" if found.unknown else ""
    is_about = any(group.is_about for group in found.groups)
    return click.echo(f"{'about ' if is_about else ''}{usd(found.usd)} in all{_may_come(found)}{tail}")


def _print(by: str, found: Spending) -> None:
    print_json(
        {
            "by": by,
            "groups": [vars(group) for group in found.groups],
            "open": [vars(one) for one in found.open],
            "total_usd": found.usd,
            "unknown": found.unknown,
        }
    )


def _line(group: Spent) -> str:
    tail = f"  ({group.unknown} of unknown cost)" if group.unknown else ""
    if group.is_about:
        tail = f"  about, {usd(group.low_usd)} to {usd(group.high_usd)}{tail}"
    return f"  {group.group:<40} {usd(group.usd):>12}  {group.attempts:>5} paid{tail}"


def _open_line(one: OpenSpend) -> str:
    name = f"{one.state}: {one.stage}"
    upto = "" if one.high_usd == one.usd else f"  about, up to {usd(one.high_usd)}"
    response = f", {one.response_id}" if one.response_id else ""
    return f"  {name:<40} {usd(one.usd):>12}  attempt {one.attempt} of {one.run_id}{response}{upto}"


def _may_come(found: Spending) -> str:
    more = [one.high_usd - one.usd for one in found.open if one.high_usd is not None]
    return f", up to {usd(sum(more))} more is not over" if sum(more) > 0 else ""
