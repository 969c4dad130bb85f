"""`assetmill gc`: delete what no record needs, in two phases that are safe beside running writers."""

from __future__ import annotations

from typing import Any

import click

from assetmill.care.collecting import GRACE_S, Collection, Collector
from assetmill.cli.options import Span, json_option, print_json, profile_option, when
from assetmill.cli.telling import reads_records, told_progress
from assetmill.settings import load_settings
from assetmill.stage.services import open_services

_SHOWN = 20


@click.command()
@click.option(
    "--older-than", "older_than_s", required=True, metavar="90d", type=Span(),
    help="Only what was last written longer ago than this.",
)  # fmt: skip
@click.option(
    "--grace", "grace_s", default=f"{GRACE_S / 3600:.0f}h", show_default=True, metavar="24h", type=Span(),
    help="How long a plan waits before it is carried out.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Say what the next step would be; write and delete nothing.")
@profile_option
@json_option
def gc(older_than_s: float, grace_s: float, profile: str | None, *, dry_run: bool, as_json: bool) -> None:
    """Delete bytes that no record needs.

    Leases of batches at which nobody is at work go too. Records and what they name are never deleted.

    The first call publishes a plan; a call after the grace period looks again and deletes what is still not
    needed. Run it every day, or twice by hand. Runs may go on meanwhile.
    """
    with (
        open_services(load_settings(profile)) as services,
        told_progress(services.backend, reads=reads_records),
    ):
        collector = Collector(services.backend, older_than_s, grace_s, services.clock)
        done = collector.run(is_dry=dry_run)
    if as_json:
        return print_json(_document(done, dry_run=dry_run))
    return click.echo("\n".join(_lines(done, dry_run=dry_run)))


def _document(done: Collection, *, dry_run: bool) -> dict[str, Any]:
    return {
        "phase": done.phase,
        "dry_run": dry_run,
        "plan": done.number,
        "objects": len(done.objects),
        "size_bytes": done.size_bytes,
        "spared": done.spared,
        "ready_at": done.ready_at,
        "held_by": done.held_by,
        "keys": [one.key for one in done.objects],
    }


def _lines(done: Collection, *, dry_run: bool) -> list[str]:
    what = f"{len(done.objects)} objects, {done.size_bytes / 1e6:.1f} MB"
    verb = "would be deleted" if dry_run else "deleted"
    lines = {
        "nothing": ["nothing to collect"],
        "would_plan": [f"a plan would condemn {what}"],
        "planned": [f"plan {done.number} condemns {what}; nothing is deleted yet"],
        "waiting": [f"plan {done.number} waits with {what}"],
        "collected": [f"plan {done.number}: {what} {verb}, {done.spared} spared: needed again or gone"],
    }[done.phase]
    if done.ready_at is not None:
        lines.append(f"next: assetmill gc again after {when(done.ready_at)}")
    if done.held_by:
        lines.append(f"younger bytes are kept: an attempt is open since then ({done.held_by})")
    if done.phase in {"would_plan", "planned"} or dry_run:
        lines += [f"  {one.key}  {one.size_bytes} B" for one in done.objects[:_SHOWN]]
        if len(done.objects) > _SHOWN:
            lines.append(f"  and {len(done.objects) - _SHOWN} more")
    return lines
