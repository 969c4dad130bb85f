"""`assetmill reap`: delete what was left on the service and no record needs."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack

import click

from assetmill.care import reaping
from assetmill.cli.options import Span, json_option, print_json, profile_option
from assetmill.settings import load_settings
from assetmill.stage.services import open_services

_DAY_S = 24 * 3600.0


@click.command()
@click.option("--dry-run", is_flag=True, help="Only say what would be deleted.")
@click.option(
    "--older-than",
    "older_than_s",
    type=Span(least_s=_DAY_S),
    default="30d",
    show_default=True,
    metavar="30d",
    help="Uploads and agent versions younger than this stay.",
)
@profile_option
@json_option
def reap(older_than_s: float, profile: str | None, *, dry_run: bool, as_json: bool) -> None:
    """Delete what the service holds and no record needs.

    Conversations, files, vector stores and agent versions.

    Nothing that could still be used is lost: bytes are in the store, and handles are rebuilt from them.
    """
    settings = load_settings(profile)
    with ExitStack() as stack:
        if settings.uses_emulator:
            from assetmill.local.services import local_services

            stack.enter_context(local_services(settings, prefect=False)).wait_for_emulator()
        services = stack.enter_context(open_services(settings))
        found = list(reaping.leftovers(services, older_than_s))
        for leftover in found:
            if not dry_run:
                reaping.reap(services, leftover)
    if as_json:
        print_json({"deleted": not dry_run, "leftovers": [vars(leftover) for leftover in found]})
        return
    for leftover in found:
        click.echo(f"  {leftover.kind:<14} {leftover.name or leftover.id}  {leftover.why}")
    counts = ", ".join(f"{count} {kind}s" for kind, count in Counter(item.kind for item in found).items())
    click.echo(f"{'would delete' if dry_run else 'deleted'}: {counts or 'nothing'}")
