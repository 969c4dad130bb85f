"""A run of a batch of which every row is done: sealed like any other; Prefect hears of it later."""

from __future__ import annotations

import time
import uuid

from assetmill.batches.opening import Batch, store_start
from assetmill.batches.records import BatchManifest
from assetmill.batches.sealing import reused, seal
from assetmill.records import RunId, Stored
from assetmill.runs.unchanged import note_untold
from assetmill.stage.services import Services
from assetmill.store.run_ids import make_run_id
from assetmill.traces.runs import traced_batch


class UntoldBatch(Stored):
    """What Prefect is told of a run of a batch that changed nothing: the batch's manifest has the rest."""

    batch_id: str
    rows: str
    """The table, as it was typed; empty where a batch was asked for again."""
    ran_at: float


def run_unchanged_batch(batch: Batch, services: Services) -> BatchManifest:
    """Seal a run of a batch that has nothing to do; return its manifest."""
    started_at = time.time()
    store_start(batch)
    run_id = make_run_id(str(uuid.uuid4()), started_at)
    name = batch.pipeline.spec.name
    with traced_batch(name, batch.batch_id, run_id, rows=0, left=lambda: 0) as tell:
        manifest = seal(batch, {}, {}, run_id=run_id, flow_run_id="", started_at=started_at)
        tell(manifest.status)
    if manifest.status == "completed":
        told = UntoldBatch(batch_id=batch.batch_id, rows=batch.order.rows, ran_at=manifest.finished_at)
        note_untold(services.settings, run_id, told.model_dump_json().encode())
    return manifest


def as_unchanged(manifest: BatchManifest, run_id: RunId, told: UntoldBatch) -> BatchManifest:
    """Return what a run has found that stored no manifest, because the newest one says it: for nothing."""
    rows = tuple(reused(row) if row.is_done else row for row in manifest.rows)
    return manifest.model_copy(
        update={
            "run_id": run_id,
            "rows": rows,
            "spent_usd": 0.0,
            "started_at": told.ran_at,
            "finished_at": told.ran_at,
            "flow_run_id": None,
        }
    )
