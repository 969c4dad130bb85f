"""One row of a batch: its stages in their order, and what is noted of it at the end."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future
from graphlib import TopologicalSorter
from typing import Any, Protocol

from assetmill.batches.opening import Batch
from assetmill.batches.records import BatchAsset, BatchRow, BatchStage, RowState
from assetmill.batches.room import MAY_BEGIN, Room
from assetmill.batches.row_plans import StagePlan
from assetmill.batches.rows import Row
from assetmill.errors import BudgetExceeded, RunStopped, SpendingClosed, StageBlocked, StageInDoubt
from assetmill.fingerprint import Fingerprint
from assetmill.plan.calls import StageCall
from assetmill.plan.rounds import rejections_of
from assetmill.records import RunId, StageEntry, StageRecord, StageStatus
from assetmill.runs.run import Run
from assetmill.traces.runs import RowSpan

_STATES: tuple[tuple[type[BaseException], RowState], ...] = (
    (StageInDoubt, "in_doubt"),
    (BudgetExceeded, "over_budget"),
    (SpendingClosed, "late"),
    (RunStopped, "cancelled"),
)

ASKED = ""
"""Instead of a stage's label: the answer whether there is room for the row."""

Pending = dict[Future[Any], "list[tuple[RowRun, str]]"]
"""What is waited for, and which stages of which rows it is."""


class SharedWork(Protocol):
    """What the rows of a process share: the batch, and who starts and pays for a stage of several rows."""

    @property
    def batch(self) -> Batch:
        """The batch that they are rows of."""
        ...

    @property
    def run_id(self) -> RunId:
        """The run that pays."""
        ...

    @property
    def flow_run_id(self) -> str:
        """Its flow run."""
        ...

    @property
    def room(self) -> Room | None:
        """Who is asked before a row is begun, None where nobody counts."""
        ...

    def count(self, stages: int, *, rows: int = 0, done: int = 0, spent_usd: float | None = 0.0) -> None:
        """Note that stages or rows have come to their end, and what that cost."""
        ...

    def submit(self, call: StageCall, number: int) -> Future[StageRecord]:
        """Start a stage of a row, or join the row that has started the same one."""
        ...

    def pays(self, fp: Fingerprint) -> bool:
        """Return whether a stage's cost is counted now."""
        ...


class RowRun:
    """One row's stages in their order. Used by the thread of its group."""

    def __init__(self, work: SharedWork, row: Row, planned: tuple[StagePlan, ...]) -> None:
        self._work, self._row, self._room = work, row, work.room
        batch = work.batch
        plan = batch.planner.plan_of(row)
        self._run = Run(work.run_id, work.flow_run_id, plan, batch.services, time.time())
        self._order = TopologicalSorter(self._run.needs)
        self._order.prepare()
        self._planned = dict(zip(self._run.stages, planned, strict=True))
        self._span = RowSpan(row.number, batch.batch_id)
        self._refusal = MAY_BEGIN
        self._errors: list[BaseException] = []
        self._shared: set[str] = set()
        self._futures: dict[str, Future[StageRecord]] = {}
        self._is_over = False

    def enter(self, pending: Pending) -> None:
        """Ask whether there is room for the row; where nobody counts, begin it."""
        if self._room is None:
            return self.advance(pending)
        pending[self._room.ask(self._row.number)] = [(self, ASKED)]
        return None

    def admit(self, refusal: str) -> None:
        """Note the answer. A row without room goes on all the same with what costs nothing."""
        self._refusal = refusal

    def advance(self, pending: Pending) -> None:
        """Start what can start."""
        while ready := self._order.get_ready():
            for label in ready:
                gate = self._run.services.gate
                if gate.refusal(self._run.services.clock()) and gate.reason:
                    self._run.is_stopping = True
                call = self._run.begin(label)
                if call is None:
                    self._work.count(1)
                    self._order.done(label)
                elif self._may_begin(label, call):
                    with self._span.inside():
                        future = self._futures[label] = self._work.submit(call, self._row.number)
                    pending.setdefault(future, []).append((self, label))
                else:
                    self._note_end(label, BudgetExceeded(label, self._refusal))
        self._look_whether_over()

    def _may_begin(self, label: str, call: StageCall) -> bool:
        plan = self._planned[label]
        if self._room is None or plan.decision == "reuse":
            return True
        self._room.begin(plan.identity, call.fingerprint)
        return not self._refusal or self._room.is_paid(plan.identity) or self._is_open(call)

    def _is_open(self, call: StageCall) -> bool:
        """Whether an attempt is on its way that an earlier run has paid for, or perhaps has."""
        attempt = self._run.services.ledger.newest_attempt(call.pipeline, call.fingerprint)
        return attempt is not None and attempt.verdict is None

    def _look_whether_over(self) -> None:
        if not self._is_over and not self._order.is_active():
            self._is_over = True
            self._span.over()
            is_done = all(entry.is_done for entry in self._run.entries.values())
            self._work.count(0, rows=1, done=int(is_done))
            if self._room:
                self._room.leave([self._row.number])

    def end(self, label: str, future: Future[Any]) -> None:
        """Note what became of a stage, or whether there is room for the row."""
        if label == ASKED:
            return self.admit(future.result())
        error = future.exception()
        if self._room:
            self._room.end(self._row.number, self._planned[label].identity, is_paid=error is None)
        return self._note_end(label, error or future.result())

    def _note_end(self, label: str, outcome: StageRecord | BaseException) -> None:
        if isinstance(outcome, BaseException):
            self._errors.append(outcome)
        self._run.end(label, outcome)
        entry = self._run.entries[label]
        if entry.fingerprint and entry.spent_usd != 0.0 and not self._work.pays(entry.fingerprint):
            self._shared.add(label)
        self._work.count(1, spent_usd=0.0 if label in self._shared else entry.spent_usd)
        self._order.done(label)

    def note(self) -> BatchRow:
        """Return what became of the row."""
        row = self.so_far()
        self._span.end(row.state)
        return row

    def so_far(self) -> BatchRow:
        """Return what has become of the row by now, in any thread; a stage at work is of unknown cost."""
        # In the order of the plan: by it the next run recognises the row.
        stages = tuple(
            self._noted(label, self._run.entries[label])
            if label in self._run.entries
            else self._unsettled(label)
            for label in self._run.stages
        )
        costs = [stage.spent_usd for stage in stages]
        state = self._state(stages)
        first = next((s for s in stages if not s.is_done and s.status != "skipped"), None)
        return BatchRow(
            number=self._row.number,
            name=self._row.name,
            key=self._row.key,
            state=state,
            stages=stages,
            reason=f"{first.label}: {first.error}" if first else None,
            spent_usd=None if None in costs else round(sum(cost or 0.0 for cost in costs), 8),
        )

    def traces(self) -> list[tuple[str, Fingerprint]]:
        """Return what stands for the stages that had others before them."""
        records, found = self._run.records, list[tuple[str, Fingerprint]]()
        for label in records:
            sees = self._work.batch.planner.sees(self._row, label)
            if self._run.plan.spec_of(label).needs_approval or rejections_of(records[label]):
                continue  # in which round it is, no trace says
            if sees and all(other in records for other in sees):
                upstream = {other: records[other].fingerprint for other in sees}
                trace = self._work.batch.planner.trace(self._row, label, upstream)
                found.append((trace, records[label].fingerprint))
        return found

    def _unsettled(self, label: str) -> BatchStage:
        future = self._futures.get(label)
        may_be_paid = future is not None and (future.running() or future.done())
        return BatchStage(
            label=label,
            status="cancelled",
            spent_usd=None if may_be_paid else 0.0,
            error="the batch was stopped",
            missing=self._work.batch.planner.outputs(self._row, label),
        )

    def _noted(self, label: str, entry: StageEntry) -> BatchStage:
        status, spent = entry.status, entry.spent_usd
        if label in self._shared:
            status, spent = "reused" if status == "done" else status, 0.0
        outputs = entry.record.outputs if entry.record else ()
        assets = tuple(
            BatchAsset(
                asset_id=asset.asset_id,
                name=asset.name,
                digest=asset.blob.digest,
                media_type=asset.blob.media_type,
                size_bytes=asset.blob.size_bytes,
                width=asset.width,
                height=asset.height,
            )
            for asset in outputs
            if asset.role == "output"
        )
        return BatchStage(
            label=label,
            status=status,
            fingerprint=entry.fingerprint,
            spent_usd=spent,
            seconds=entry.seconds,
            error=entry.error,
            assets=assets,
            missing=() if assets else self._work.batch.planner.outputs(self._row, label),
        )

    def _state(self, stages: tuple[BatchStage, ...]) -> RowState:
        statuses: set[StageStatus] = {stage.status for stage in stages}
        if all(stage.is_done for stage in stages):
            return "done" if "done" in statuses else "reused"
        if standing := _standing(statuses, self._errors):
            return standing
        if any(isinstance(e, StageBlocked) and e.scope != "account" for e in self._errors):
            return "quarantined"
        if "failed" in statuses and not all(_is_plain(error) for error in self._errors):
            return "failed"
        for kind, state in _STATES:
            if any(isinstance(error, kind) for error in self._errors):
                return "cancelled" if state == "late" and self._run.services.gate.reason else state
        # What is left met the block of the account, or failed before it was begun.
        return "failed" if "failed" in statuses and not self._errors else "cancelled"


def _standing(statuses: set[StageStatus], errors: Sequence[BaseException]) -> RowState | None:
    """Return what a row is of which nothing went wrong, and people have not said yes; else None."""
    if not statuses - {"done", "reused", "waiting", "skipped"}:
        return "waiting"
    return "rejected" if "rejected" in statuses and not errors else None


def _is_plain(error: BaseException) -> bool:
    """Whether an error has a state of its own."""
    is_account = isinstance(error, StageBlocked) and error.scope == "account"
    return is_account or isinstance(error, tuple(kind for kind, _ in _STATES))
