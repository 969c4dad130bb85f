"""Run a pipeline from a script, with whatever it needs started beside it: what `assetmill run` does.

from assetmill.api import run

manifest = run("product-launch", {"product": "Aurora desk lamp"})
for asset in manifest.assets():
    print(asset.name, asset.asset_id)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from assetmill.batches.hour import iso
from assetmill.local.services import Say, is_watched
from assetmill.plan.plan import Plan, ShownPlan
from assetmill.records import RunManifest
from assetmill.runs.planning import plan_pipeline
from assetmill.runs.run import check_outcome
from assetmill.runs.unchanged import run_unchanged
from assetmill.settings import load_settings
from assetmill.stage.interrupts import interruptible
from assetmill.stage.services import Services, open_services

OnPlan = Callable[[Plan], None]


def run(
    pipeline: str,
    parameters: Mapping[str, Any] | None = None,
    *,
    profile: str | None = None,
    budget_usd: float | None = None,
    by: float | None = None,
    say: Say = lambda _: None,
) -> RunManifest:
    """Run a pipeline and return its manifest; what is stored already is not made again.

    `by`: when it is to be done, in Unix seconds; see `assetmill run --by`.

    Raises:
        InvalidInput: something asked for is not valid; nothing was spent.
        RunFailed: a stage failed; the rest is stored and the next run goes on from there.
        RunStopped: the run was interrupted.
        RunWaiting: all that is left waits for people; the next run goes on from there.
    """
    with open_services(load_settings(profile)) as services:
        made = run_with(services, pipeline, parameters or {}, say=say, budget_usd=budget_usd, by=by)
        return check_outcome(made)


def run_with(
    services: Services,
    pipeline: str,
    parameters: Mapping[str, Any],
    *,
    say: Say,
    on_plan: OnPlan = lambda _: None,
    budget_usd: float | None = None,
    pay_again: bool = False,
    by: float | None = None,
) -> RunManifest:
    """Run a pipeline with services that the caller opened, and return its manifest, failed or not.

    Prefect is needed only where something is to do, or somebody watches it.

    Raises:
        InvalidInput: something asked for is not valid; nothing was spent.
        RunStopped: interrupted before anything was begun.
    """
    with interruptible(services) as interrupts:
        has_hour = by is not None
        plan = plan_pipeline(pipeline, parameters, services.settings, services.ledger, has_hour=has_hour)
        on_plan(plan)
        services.shown = ShownPlan(pipeline, parameters, plan)
        if plan.is_made and not is_watched(services.settings):
            return run_unchanged(pipeline, parameters, services, by=by)
        from assetmill.local.flow_runs import manifest_of, ready_for  # where nothing is to do, none of it is

        with ready_for("flows.run_pipeline", services, interrupts, say, has_work=plan.has_work):
            from flows.run_pipeline import run_pipeline

            profile, hour = services.settings.profile, iso(by) if by is not None else ""
            flow = run_pipeline(pipeline, dict(parameters), profile, budget_usd, pay_again, by=hour)
            return manifest_of(flow, services)
