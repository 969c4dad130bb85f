"""One stage as a Prefect task. Everything that matters happens in the engine."""

from __future__ import annotations

from collections.abc import Awaitable

from prefect import task
from prefect.utilities.annotations import quote

from assetmill.plan.calls import StageCall
from assetmill.records import RunId, StageRecord
from assetmill.stage import engine
from tasks import policies
from tasks.connections import services_for
from tasks.flow_runs import outcome_of


@task(name="run-stage", task_run_name="{label}", **policies.SPEND)
def run_stage(label: str, call: StageCall, profile: str | None, run_id: str) -> StageRecord:
    """Return a stage's commit; see `engine.run_stage` for what is raised."""
    services = services_for(profile)
    return engine.run_stage(call, services, RunId(run_id))


def submit_stage(call: StageCall, profile: str | None, run_id: str) -> Awaitable[StageRecord | BaseException]:
    """Start a stage in the flow's thread pool; awaiting it gives its commit, or the error it ended with."""
    # Quoted, because Prefect would look through every field of the call for futures.
    future = run_stage.submit(call.label, quote(call), profile, run_id)  # pyright: ignore[reportArgumentType]
    return outcome_of(future)
