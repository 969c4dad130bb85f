"""`assetmill plan`: what a run would do. Imports neither Prefect nor an SDK, and starts nothing."""

from __future__ import annotations

from typing import Any

import click

from assetmill.cli.options import (
    json_option,
    opened_ledger,
    parameter_options,
    print_json,
    profile_option,
    read_parameters,
    usd,
)
from assetmill.local.timetables import check_schedules
from assetmill.plan.plan import Plan
from assetmill.runs.planning import plan_pipeline
from assetmill.settings import load_settings

_WORDS = {"reuse": "reuse", "run": "run", "after_upstream": "run after"}


@click.command()
@click.argument("pipeline")
@parameter_options
@profile_option
@json_option
def plan(
    pipeline: str, pairs: tuple[str, ...], file: str | None, profile: str | None, *, as_json: bool
) -> None:
    """Show what a run of PIPELINE would do and what it would cost. Nothing is spent or written."""
    settings = load_settings(profile)
    parameters = read_parameters(pairs, file)
    with opened_ledger(settings) as ledger:
        made = plan_pipeline(pipeline, parameters, settings, ledger)
    check_schedules(made.pipeline)
    if as_json:
        print_json(document(made))
    else:
        click.echo(table(made))


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
                "cost_usd": vars(stage.cost) if stage.cost else None,
                "reason": stage.reason,
            }
            for stage in made.stages
        ],
        "cost_usd": vars(made.cost),
        "unpriced": made.unpriced,
        "warnings": list(made.warnings),
    }


def table(made: Plan) -> str:
    """Return a plan as text, one line per stage."""
    width = max(len(stage.label) for stage in made.stages)
    lines = [f"{made.name} ({made.pipeline.path})"]
    for stage in made.stages:
        cost = "" if stage.status == "reuse" else usd(stage.cost.expected if stage.cost else None)
        lines.append(
            f"  {stage.label:<{width}}  {_WORDS[stage.status]:<9}  {cost:>9}  {stage.reason}".rstrip()
        )
    reused = sum(stage.status == "reuse" for stage in made.stages)
    total = f"{len(made.stages) - reused} to run, {reused} to reuse; about {usd(made.cost.expected)}"
    total += f", at most {usd(made.cost.ceiling)}"
    if made.unpriced:
        total += f", and {made.unpriced} stages of unknown cost"
    return "\n".join([*lines, *(f"warning: {warning}" for warning in made.warnings), total])
