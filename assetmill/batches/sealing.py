"""The end of a run of a batch: one manifest with every row, and all that the next plan needs."""

from __future__ import annotations

import functools
import heapq
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from assetmill.batches.begun import BegunBatches
from assetmill.batches.opening import Batch
from assetmill.batches.records import BatchManifest, BatchRow, BatchStage, BatchStatus, PackedRows
from assetmill.batches.row_plans import RowPlan
from assetmill.fingerprint import Fingerprint
from assetmill.records import RunId


def seal(
    batch: Batch,
    results: Mapping[int, BatchRow],
    traces: Mapping[str, Fingerprint],
    *,
    run_id: RunId,
    flow_run_id: str,
    started_at: float,
    payers: Collection[RunId] = (),
) -> BatchManifest:
    """Store and return the manifest; a run of which nothing is new stores nothing.

    `flow_run_id`: Prefect's, or empty. `payers`: the runs of its shards, for what those that died had paid.
    """
    rows = _kept(_rows(batch, results), is_new=bool(results))
    if payers:
        rows = _kept(_with_untold(batch, rows, payers), is_new=bool(results))
    costs = [row.spent_usd for row in rows]
    status, reason = _status(batch, rows)
    manifest = BatchManifest(
        batch_id=batch.batch_id,
        run_id=run_id,
        pipeline=batch.pipeline.name,
        spec_digest=batch.pipeline.digest,
        profile=batch.services.settings.profile,
        status=status,
        reason=reason,
        rows=rows,
        traces={**batch.planner.traces, **traces},
        spent_usd=None if None in costs else round(sum(cost or 0.0 for cost in costs), 8),
        budget_usd=batch.order.budget_usd,
        started_at=started_at,
        finished_at=time.time(),
        flow_run_id=flow_run_id or None,
    )
    if results or not _is_told(batch, rows):
        batch.ledger.write_manifest(manifest)
    # After its head: whoever looks for the batch finds it by one or the other.
    BegunBatches(batch.services.backend).end(batch.pipeline.name, batch.batch_id)
    return manifest


def _kept(rows: Iterable[BatchRow], *, is_new: bool) -> Sequence[BatchRow]:
    # What was known before is there as models already: a run with nothing new need not pack it.
    return PackedRows(rows) if is_new else tuple(rows)


def _is_told(batch: Batch, rows: Sequence[BatchRow]) -> bool:
    newest = batch.known.newest
    return newest is not None and list(map(_told, newest.rows)) == list(map(_told, rows))


def _told(row: BatchRow) -> tuple[object, ...]:
    return row.key, row.number, row.name, row.is_done, row.reason


def _rows(batch: Batch, results: Mapping[int, BatchRow]) -> Iterator[BatchRow]:
    """Yield every row by its number, one at a time."""
    bad = (BatchRow(number=bad.number, name=f"row {bad.number}", key="", state="invalid", reason=bad.reason)
           for bad in batch.bad)  # fmt: skip
    plans = sorted(batch.plans, key=lambda plan: plan.row.number)
    sound = (_row(batch, results, plan) for plan in plans)
    return _as_stored(batch, heapq.merge(bad, sound, key=lambda row: row.number))


def _row(batch: Batch, results: Mapping[int, BatchRow], plan: RowPlan) -> BatchRow:
    row = results.get(plan.row.number)
    if row is None and (known := batch.reused(plan)):
        row = reused(known).model_copy(update={"number": plan.row.number, "name": plan.row.name})
    return row or _not_begun(plan.row.number, plan.row.name, plan.row.key)


def _as_stored(batch: Batch, rows: Iterable[BatchRow]) -> Iterator[BatchRow]:
    """Yield rows of which none is done that has a stage without a commit, whoever has told of it."""
    ledger, pipeline = batch.services.ledger, batch.pipeline.name

    @functools.cache
    def listed() -> set[Fingerprint]:
        return ledger.finished(pipeline)

    @functools.cache
    def is_there(fp: Fingerprint) -> bool:
        # A listing may lag behind what was just written.
        found = batch.known.is_done(fp) or fp in listed()
        return found or ledger.read_stage(pipeline, fp) is not None

    def seen(stage: BatchStage) -> BatchStage:
        if not stage.is_done or (stage.fingerprint and is_there(stage.fingerprint)):
            return stage
        lost = tuple(asset.name for asset in stage.assets)
        return stage.model_copy(
            update={"status": "failed", "error": "the store does not have its record", "missing": lost}
        )

    return (_unless_lost(row, tuple(map(seen, row.stages))) for row in rows)


def _with_untold(batch: Batch, rows: Sequence[BatchRow], payers: Collection[RunId]) -> Iterator[BatchRow]:
    """Yield rows with the cost of stages that a shard has paid for and did not live to tell of.

    Whoever took over its rows has found what it made, and says that it cost nothing.
    """
    planned = {one.fingerprint for plan in batch.plans for one in plan.stages if one.decision == "reuse"}
    told = planned | {one.fingerprint for row in rows for one in row.stages if one.status == "done"}

    def paid(stage: BatchStage) -> BatchStage:
        fp = stage.fingerprint
        if stage.status != "reused" or fp is None or fp in told:
            return stage
        told.add(fp)
        record = batch.services.ledger.read_stage(batch.pipeline.name, fp)
        is_ours = record is not None and record.run_id in payers
        return stage.model_copy(update={"spent_usd": record.cost_usd}) if record and is_ours else stage

    return (_unless_same(row, tuple(map(paid, row.stages))) for row in rows)


def _unless_same(row: BatchRow, stages: tuple[BatchStage, ...]) -> BatchRow:
    if stages == row.stages:
        return row
    costs = [stage.spent_usd for stage in stages]
    spent_usd = None if None in costs else round(sum(cost or 0.0 for cost in costs), 8)
    return row.model_copy(update={"stages": stages, "spent_usd": spent_usd})


def _unless_lost(row: BatchRow, stages: tuple[BatchStage, ...]) -> BatchRow:
    first = next((stage for stage in stages if not stage.is_done), None)
    if not row.is_done or first is None:
        return row
    reason = f"{first.label}: {first.error}"
    return row.model_copy(update={"state": "failed", "stages": stages, "reason": reason})


def reused(row: BatchRow) -> BatchRow:
    """Return a row that an earlier run has done as a later one sees it: it cost nothing now."""
    stages = tuple(
        stage.model_copy(update={"status": "reused", "spent_usd": 0.0, "seconds": 0.0})
        for stage in row.stages
    )
    return row.model_copy(update={"state": "reused", "reason": None, "stages": stages, "spent_usd": 0.0})


def _not_begun(number: int, name: str, key: str) -> BatchRow:
    return BatchRow(
        number=number, name=name, key=key, state="cancelled", reason="the batch was stopped before it"
    )


def _status(batch: Batch, rows: Sequence[BatchRow]) -> tuple[BatchStatus, str | None]:
    if reason := batch.services.gate.reason:
        return "stopped", reason
    if all(row.is_done for row in rows if row.state != "invalid"):
        return "completed", None
    if any(row.state == "cancelled" for row in rows):
        return "stopped", "the batch was stopped; run it again to go on"
    if all(row.is_done or row.state in {"waiting", "invalid"} for row in rows):
        return "waiting", None
    return "incomplete", None
