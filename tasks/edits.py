"""One call of an edit as a Prefect task: what the service draws, and what is put back after it."""

from __future__ import annotations

from collections.abc import Awaitable

from prefect import task
from prefect.utilities.annotations import quote

from assetmill.editing import run as editing
from assetmill.editing.orders import EditOrder
from assetmill.editing.run import EditRun
from assetmill.records import RunManifest, StageRecord
from tasks import policies
from tasks.connections import services_for
from tasks.flow_runs import current_flow_run, outcome_of


def begin_edit(
    order: EditOrder, profile: str | None, budget_usd: float | None = None, *, pay_again: bool = False
) -> EditRun:
    """Prepare an edit under the ID of the current flow run and store that it began."""
    flow_run_id, attempt = current_flow_run()
    return editing.begin_edit(
        order, services_for(profile), flow_run_id, attempt, budget_usd=budget_usd, pay_again=pay_again
    )


@task(name="edit-asset", task_run_name="{label}", **policies.SPEND)
def carry_out(label: str, run: EditRun) -> list[StageRecord]:
    """Return the records of one call; see `EditRun.carry_out` for what is raised."""
    return run.carry_out(label)


@task(name="seal-edit", **policies.SEAL)
def seal_edit(run: EditRun) -> RunManifest:
    """Write the manifest of an edit."""
    return run.seal()


def submit_call(label: str, run: EditRun) -> Awaitable[list[StageRecord] | BaseException]:
    """Start a call in the flow's thread pool; awaiting it gives its records, or the error it ended with."""
    # Quoted, because Prefect would look through every field of the run for futures.
    future = carry_out.submit(label, quote(run))  # pyright: ignore[reportArgumentType]
    return outcome_of(future)


def seal(run: EditRun) -> RunManifest:
    """Seal an edit, as a task of its flow."""
    return seal_edit(quote(run))  # pyright: ignore[reportArgumentType,reportReturnType]
