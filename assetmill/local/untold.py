"""Tells the project's own Prefect of runs that had no use for it, once it is there for another."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

from assetmill.records import RunManifest
from assetmill.runs.unchanged import forget, untold_runs
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
            # One that was killed before its end, or is in another store, has nothing to show.
            if manifest := services.ledger.read_manifest(run_id):
                _record(client, manifest)
                told += 1
            forget(services.settings, [run_id])
    return told


def _record(client: SyncPrefectClient, manifest: RunManifest) -> None:
    from prefect.client.schemas.actions import ArtifactCreate, FlowRunCreate
    from prefect.states import Completed, to_state_create

    from flows.run_pipeline import run_pipeline
    from tasks.manifests import report

    ran_at = datetime.fromtimestamp(manifest.finished_at, UTC)
    said = f"{manifest.run_id}, {ran_at:%Y-%m-%d %H:%M:%S} UTC: nothing had changed, no stage was begun"
    flow_run = FlowRunCreate(
        flow_id=client.create_flow_from_name(run_pipeline.name),
        name=manifest.pipeline,
        parameters={
            "pipeline": manifest.pipeline,
            "parameters": manifest.parameters,
            "profile": manifest.profile,
        },
        state=to_state_create(Completed(message=said)),
        # Two commands that end together tell of the same runs.
        idempotency_key=manifest.run_id,
    )
    kept = client.request("POST", "/flow_runs/", json=flow_run.model_dump(mode="json", exclude_unset=True))
    client.create_artifact(
        ArtifactCreate(
            key="run-report",
            type="markdown",
            description=manifest.run_id,
            data=report(manifest),
            flow_run_id=UUID(kept.json()["id"]),
        )
    )
