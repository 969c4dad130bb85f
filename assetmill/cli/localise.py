"""`assetmill localise`: stages that need no agent are rewritten so that they are made here, for nothing."""

from __future__ import annotations

import click

from assetmill.cli.options import json_option, print_json, profile_option
from assetmill.errors import InvalidInput
from assetmill.migrating.localising import localised
from assetmill.migrating.proposal import FileChange
from assetmill.migrating.writing import write_files
from assetmill.runs.saving import savings_in
from assetmill.settings import load_settings
from assetmill.spec.loading import load_pipeline


@click.command()
@click.argument("pipeline")
@click.option("--yes", "is_agreed", is_flag=True, help="Write it without asking.")
@click.option("--dry-run", is_flag=True, help="Show what would change, and write nothing.")
@profile_option
@json_option
def localise(pipeline: str, profile: str | None, *, is_agreed: bool, dry_run: bool, as_json: bool) -> None:
    """Rewrite stages that need no agent, so that none is paid.

    Those of PIPELINE that only crop, resize or convert.

    What they made stays in the store; the next run makes them anew, here, for nothing.
    """
    settings = load_settings(profile)
    loaded = load_pipeline(pipeline, settings.configs)
    savings = savings_in(loaded, settings)
    before, after = loaded.document.source, localised(loaded)
    change = FileChange(loaded.path, before, after)
    if as_json:
        is_written = bool(savings) and is_agreed and not dry_run
        if is_written:
            write_files([change])
        stages = [{"stage": one.stage, "saves_usd": one.cost.amounts()} for one in savings]
        return print_json(
            {"pipeline": loaded.name, "path": str(loaded.path), "stages": stages, "is_written": is_written}
        )
    if not savings:
        return click.echo(f"{loaded.name}: no stage asks an agent for what is made here")
    for saving in savings:
        click.echo(saving.message(pipeline))
    click.echo("\n".join(change.diff(str(loaded.path))))
    if dry_run:
        return None
    if not (is_agreed or click.confirm(f"Write {loaded.path}?", default=False, err=True)):
        raise InvalidInput("nothing was written")
    write_files([change])
    return click.echo(f"written: {loaded.path}")
