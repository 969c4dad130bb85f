"""`assetmill plan`: what a run would do. Imports neither Prefect nor an SDK, and starts nothing."""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterable
from typing import Any

import click

from assetmill.cli.options import (
    by_option,
    cost_json,
    cost_text,
    json_option,
    opened_ledger,
    parameter_options,
    print_json,
    profile_option,
    read_parameters,
    total_text,
)
from assetmill.local.timetables import check_schedules
from assetmill.money.prices import missing_prices
from assetmill.plan.plan import Plan
from assetmill.runs.planning import plan_pipeline
from assetmill.runs.quotas import assumed_quotas
from assetmill.runs.saving import savings_of
from assetmill.settings import Settings, load_settings
from assetmill.store.ledger import Ledger

_WORDS = {
    "reuse": "reuse",
    "run": "run",
    "after_upstream": "run after",
    "review": "review",
    "rejected": "rejected",
    "held": "held",
}


@click.command()
@click.argument("pipeline")
@parameter_options
@by_option("When it must be done, as 06:00: shows what each lane costs and when it is done there.")
@profile_option
@json_option
def plan(
    pipeline: str,
    pairs: tuple[str, ...],
    file: str | None,
    by: str | None,
    profile: str | None,
    *,
    as_json: bool,
) -> None:
    """Show what a run of PIPELINE would do and cost.

    Nothing is spent or written.
    """
    settings = load_settings(profile)
    parameters = read_parameters(pairs, file)
    hour = _moment(by)
    with opened_ledger(settings) as ledger:
        made = plan_pipeline(pipeline, parameters, settings, ledger, has_hour=hour is not None)
        lanes, lines = _lanes(made, settings, ledger, hour) if hour else ({}, ())
    check_schedules(made.pipeline)
    today = datetime.datetime.now(datetime.UTC).date()
    quotas = tuple(assumed_quotas(made, settings, today))
    if as_json:
        print_json({**document(made), "quotas": [vars(quota) for quota in quotas], **lanes})
    else:
        click.echo("\n".join((table(made), *(quota.text for quota in quotas), *lines)))


def _moment(by: str | None) -> float | None:
    if by is None:
        return None
    from assetmill.batches.hour import parse_by  # a plan without an hour must not wait for it

    return parse_by(by)


def _lanes(
    made: Plan, settings: Settings, ledger: Ledger, hour: float
) -> tuple[dict[str, Any], Iterable[str]]:
    """Return what each lane costs and when it is done there, as a document has it and in lines."""
    from assetmill.runs.outlook import outlook_of

    told = outlook_of(made, settings, hour, ledger.latest_manifest(made.name), time.time())
    return {"lanes": told.document()}, told.lines()


def document(made: Plan) -> dict[str, Any]:
    """Return a plan as `--json` shows it; money is low, expected and at most."""
    return {
        "pipeline": made.name,
        "path": str(made.pipeline.path),
        "parameters": dict(made.parameters),
        "stages": [
            {
                "label": stage.label,
                "stage": stage.stage,
                "variant": stage.variant,
                "status": stage.status,
                "needs": list(stage.needs),
                "fingerprint": stage.call.fingerprint if stage.call else None,
                **cost_json(stage.cost),
                "reason": stage.reason,
                "lane": call.lane if (call := stage.asked) else None,
            }
            for stage in made.stages
        ],
        "cost_usd": made.cost.amounts(),
        "unknown": list(made.cost.unknown),
        "unpriced": made.unpriced,
        "held_cost_usd": made.held_cost.amounts(),
        "warnings": [*made.warnings, *_savings(made)],
    }


def table(made: Plan) -> str:
    """Return a plan as text, one line per stage."""
    width = max(len(stage.label) for stage in made.stages)
    lines = [f"{made.name} ({made.pipeline.path})"]
    for stage in made.stages:
        cost = "" if stage.record else cost_text(stage.cost)
        lane = f", in {call.lane}" if (call := stage.asked) and call.lane != "now" else ""
        lines.append(
            f"  {stage.label:<{width}}  {_WORDS[stage.status]:<9}  {cost:>9}  {stage.reason}{lane}".rstrip()
        )
    reused = sum(stage.status == "reuse" for stage in made.stages)
    to_do = sum(stage.is_to_do for stage in made.stages)
    total = f"{to_do} to run, {reused} to reuse; {total_text(made.cost)}"
    if held := sum(stage.status == "held" for stage in made.stages):
        total += f"\nafter approval: {held} more to run; {total_text(made.held_cost)}"
    if made.cost.unknown:
        total += f"\n{missing_prices(made.cost.unknown)}"
    return "\n".join([*lines, *(f"warning: {warning}" for warning in made.warnings), *_savings(made), total])


def _savings(made: Plan) -> list[str]:
    return [saving.message(made.name) for saving in savings_of(made)]
