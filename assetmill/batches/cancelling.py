"""Whether somebody has called off a batch: the mark of one run of it, or of all that had begun."""

from __future__ import annotations

from assetmill.batches.work import RowWorker
from assetmill.stage.cancelling import Look
from assetmill.store import batch_layout


def halting(work: RowWorker) -> Look:
    """Return the look at what stops the run of a batch for which a process works: one request each time.

    A mark for all runs counts when it is new to this process, or later than the run's own beginning: a shard
    may begin after the mark was written. No clock of two machines needs to agree for the first.
    """
    ledger, batch_id = work.batch.ledger, work.batch.batch_id
    ours, for_all = (
        batch_layout.halt(batch_id, work.halt_run),
        batch_layout.cancel(batch_id, 0)[:-16],
    )
    known = set(ledger.halts(batch_id))
    began_ns = work.began_at * 1e9

    def counts(key: str) -> bool:
        if key == ours:
            return True
        if not key.startswith(for_all):
            return False
        return key not in known or int(key.removeprefix(for_all), 16) > began_ns

    def look() -> str:
        found = [ledger.read_halt(key) for key in ledger.halts(batch_id) if counts(key)]
        # An account that is blocked lets what runs come to its end: whoever begins a group looks for that.
        return next((halt.reason for halt in found if halt.is_cancel), "")

    return look
