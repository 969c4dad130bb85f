"""Tells the project's own Prefect of runs that had no use for it, once it is there for another."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from assetmill.batches.ledger import BatchLedger
from assetmill.batches.reports import markdown
from assetmill.batches.unchanged import UntoldBatch, as_unchanged
from assetmill.records import RunId, RunManifest
from assetmill.runs.unchanged import forget, read_untold, untold_runs
from assetmill.stage.services import Services

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient


def tell_untold(services: Services) -> int:
    """Record in Prefect the runs of which it has not heard, each with its report; return how many.

    Raises:
        httpx.HTTPError: Prefect did not take one. That one and those after it stay to be told.
        RuntimeError: it cannot be reached; its client has no error of its own for it.
    """
    told = 0
    if not (untold := untold_runs(services.settings)):
        return told
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        for run_id in untold:
            if said := _report_of(run_id, services):
                _record(client, run_id, said)
                told += 1
            forget(services.settings, [run_id])
    return told


class _UnseenRun(NamedTuple):
    """What Prefect shows of a run that it did not see."""

    flow: str
    name: str
    parameters: dict[str, Any]
    ran_at: float
    kind: str
    about: str
    report: str
    tags: list[str]


def _report_of(run_id: RunId, services: Services) -> _UnseenRun | None:
    """Return what is to be said of a run; None of one that was killed, or is in another store."""
    if note := read_untold(services.settings, run_id):
        return _of_batch(UntoldBatch.model_validate_json(note), run_id, services)
    if manifest := services.ledger.read_manifest(run_id):
        return _of_run(manifest)
    return None


def _of_run(manifest: RunManifest) -> _UnseenRun:
    from flows.run_pipeline import run_pipeline
    from tasks.manifests import report

    return _UnseenRun(
        flow=run_pipeline.name,
        name=manifest.pipeline,
        parameters={
            "pipeline": manifest.pipeline,
            "parameters": manifest.parameters,
            "profile": manifest.profile,
        },
        ran_at=manifest.finished_at,
        kind="run-report",
        about=manifest.run_id,
        report=report(manifest),
        tags=[],
    )


def _of_batch(told: UntoldBatch, run_id: RunId, services: Services) -> _UnseenRun | None:
    newest = BatchLedger(services.backend).newest_manifest(told.batch_id)
    if newest is None:
        return None
    from flows.run_batch import run_batch
    from tasks.flow_runs import batch_name, batch_tag

    return _UnseenRun(
        flow=run_batch.name,
        name=batch_name(newest.pipeline, told.batch_id),
        parameters={"pipeline": newest.pipeline, "rows": told.rows, "profile": newest.profile},
        ran_at=told.ran_at,
        kind="batch-report",
        about=told.batch_id,
        report=markdown(as_unchanged(newest, run_id, told)),
        tags=[batch_tag(told.batch_id)],
    )


def _record(client: SyncPrefectClient, run_id: RunId, told: _UnseenRun) -> None:
    from prefect.client.schemas.actions import ArtifactCreate, FlowRunCreate
    from prefect.states import Completed, to_state_create

    ran_at = datetime.fromtimestamp(told.ran_at, UTC)
    said = f"{run_id}, {ran_at:%Y-%m-%d %H:%M:%S} UTC: nothing had changed, no stage was begun"
    flow_run = FlowRunCreate(
        flow_id=client.create_flow_from_name(told.flow),
        name=told.name,
        parameters=told.parameters,
        tags=told.tags,
        state=to_state_create(Completed(message=said)),
        # Two commands that end together tell of the same runs.
        idempotency_key=run_id,
    )
    kept = client.request("POST", "/flow_runs/", json=flow_run.model_dump(mode="json", exclude_unset=True))
    client.create_artifact(
        ArtifactCreate(
            key=told.kind,
            type="markdown",
            description=told.about,
            data=told.report,
            flow_run_id=UUID(kept.json()["id"]),
        )
    )
