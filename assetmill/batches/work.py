"""Rows carried out in this process: their stages side by side, each paid once, each row noted."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from graphlib import TopologicalSorter

from assetmill.batches.opening import Batch
from assetmill.batches.records import BatchAsset, BatchPage, BatchRow, BatchStage, Blocked, RowState
from assetmill.batches.rows import Row
from assetmill.errors import (
    BudgetExceeded,
    RunStopped,
    SpendingClosed,
    StageBlocked,
    StageInDoubt,
)
from assetmill.fingerprint import Fingerprint
from assetmill.plan.calls import StageCall
from assetmill.records import RunId, StageEntry, StageRecord
from assetmill.runs.run import Run
from assetmill.stage import engine

GROUP_ROWS = 16
"""Rows of one Prefect task: its server takes about 65 ms of CPU for each, which must stay small."""

_SHARED_KEPT = 512
_STATES: tuple[tuple[type[BaseException], RowState], ...] = (
    (StageInDoubt, "in_doubt"),
    (BudgetExceeded, "over_budget"),
    (SpendingClosed, "late"),
    (RunStopped, "cancelled"),
)


@dataclass
class Tally:
    """How far the work is. Written by stages and groups, read by whoever shows it."""

    stages: int = 0
    rows: int = 0
    spent_usd: float = 0.0
    notices: list[str] = field(default_factory=list[str])
    """What a person should know while it runs, such as a work pool that has no worker."""


class RowWorker:
    """One process's part in a batch. Safe for the threads of its groups; close it at the end."""

    def __init__(self, batch: Batch, run_id: RunId, flow_run_id: str, halt_run: str) -> None:
        self.batch, self.run_id, self.flow_run_id = batch, run_id, flow_run_id
        self.tally = Tally(notices=batch.services.notices)
        self.results: dict[int, BatchRow] = {}
        self.traces: dict[str, Fingerprint] = {}
        self._halt_run = halt_run
        self._services = batch.services
        # A few more than may work at once: those that wait for a quota must not keep others from working.
        width = self._services.settings.run.concurrency
        self._pool = ThreadPoolExecutor(width + max(4, width // 4), "stage")
        self._shared: OrderedDict[Fingerprint, Future[StageRecord]] = OrderedDict()
        self._counted: set[Fingerprint] = set()
        # Rows end and stages begin in many threads: both ask here who pays for a stage that they share.
        self._lock = threading.Lock()

    def close(self) -> None:
        """End the threads; what runs is waited for."""
        self._pool.shutdown(cancel_futures=True)

    def carry_out(self, rows: Sequence[Row]) -> tuple[BatchRow, ...]:
        """Take rows to their end, store what became of them, and return it.

        A row that fails keeps no other from going on.
        """
        self.look_for_halt()
        group = [_RowRun(self, row) for row in rows]
        pending: dict[Future[StageRecord], list[tuple[_RowRun, str]]] = {}
        for run in group:
            run.advance(pending)
        while pending:
            ended, _ = wait(pending, return_when=FIRST_COMPLETED)
            for future in ended:
                for run, label in pending.pop(future):
                    run.end(label, future)
                    run.advance(pending)
        told = tuple(run.note() for run in group)
        traces = {trace: fp for run in group for trace, fp in run.traces()}
        page = BatchPage(batch_id=self.batch.batch_id, run_id=self.run_id, rows=told, traces=traces)
        self.batch.ledger.write_page(page)
        self._keep(page)
        return told

    def look_for_halt(self) -> None:
        """Begin nothing more when another machine has met the block of the account."""
        if not self._services.gate.reason and (
            halt := self.batch.ledger.halted(self.batch.batch_id, self._halt_run)
        ):
            self._services.gate.reason = halt.reason

    def read_new_pages(self) -> list[BatchPage]:
        """Take over what became of rows on other machines since the last look, and return it."""
        ledger, seen = self.batch.ledger, self.batch.known.seen_pages
        pages: list[BatchPage] = []
        for key in ledger.page_keys(self.batch.batch_id):
            if key not in seen:
                seen.add(key)
                page = ledger.read_page(key)
                self.learn(page)
                pages.append(page)
        return pages

    def learn(self, page: BatchPage) -> None:
        """Take over what became of rows on another machine."""
        for row in page.rows:
            if row.number not in self.results:
                self.count(len(row.stages), rows=1, spent_usd=row.spent_usd)
        self._keep(page)

    def give_up(self, numbers: frozenset[int], reason: str) -> None:
        """Note why rows that nobody has told of are not done; the next run takes them up."""
        for plan in self.batch.plans:
            row = plan.row
            if row.number in numbers and row.number not in self.results:
                self.results[row.number] = BatchRow(
                    number=row.number, name=row.name, key=row.key, state="failed", reason=reason
                )

    def count(self, stages: int, *, rows: int = 0, spent_usd: float | None = 0.0) -> None:
        """Note that stages or rows have come to their end, whichever it is, and what that cost."""
        with self._lock:
            self.tally.stages += stages
            self.tally.rows += rows
            self.tally.spent_usd += spent_usd or 0.0

    def _keep(self, page: BatchPage) -> None:
        with self._lock:
            self.results.update({row.number: row for row in page.rows})
            self.traces.update(page.traces)

    def submit(self, call: StageCall) -> Future[StageRecord]:
        """Start a stage, or join the row that has started the same one."""
        fp = call.fingerprint
        with self._lock:
            if (known := self._shared.get(fp)) is not None:
                return known
            future = self._shared[fp] = self._pool.submit(self._stage, call, fp)
            if len(self._shared) > _SHARED_KEPT:
                self._forget()
            return future

    def pays(self, fp: Fingerprint) -> bool:
        """Return whether a stage's cost is counted now; it counts for one row only."""
        with self._lock:
            is_first = fp not in self._counted
            self._counted.add(fp)
            return is_first

    def _forget(self) -> None:
        for fp, future in list(self._shared.items()):
            if len(self._shared) <= _SHARED_KEPT:
                return
            if future.done():
                del self._shared[fp]

    def _stage(self, call: StageCall, fp: Fingerprint) -> StageRecord:
        known = self.batch.known
        if (blocked := known.blocked.get(fp)) and not known.is_done(fp):
            raise StageBlocked(call.label, f"in quarantine: {blocked.reason}", blocked.response_id)
        try:
            return engine.run_stage(call, self._services, self.run_id)
        except StageBlocked as error:
            self._blocked(call, fp, error)
            raise

    def _blocked(self, call: StageCall, fp: Fingerprint, error: StageBlocked) -> None:
        if error.scope == "account":
            reason = self._services.gate.reason or f"the account is blocked: {error.reason}"
            self._services.gate.reason = reason
            return self.batch.ledger.halt(self.batch.batch_id, self._halt_run, reason)
        return self.batch.ledger.write_blocked(
            call.pipeline,
            Blocked(
                fingerprint=fp,
                label=call.label,
                reason=error.reason,
                response_id=error.response_id,
                batch_id=self.batch.batch_id,
                created_at=time.time(),
            ),
        )


class _RowRun:
    """One row's stages in their order. Used by the thread of its group."""

    def __init__(self, work: RowWorker, row: Row) -> None:
        self._work, self._row = work, row
        batch = work.batch
        plan = batch.planner.plan_of(row)
        self._run = Run(work.run_id, work.flow_run_id, plan, batch.services, time.time())
        self._order = TopologicalSorter(self._run.needs)
        self._order.prepare()
        self._errors: list[BaseException] = []
        self._shared: set[str] = set()
        self._is_over = False

    def advance(self, pending: dict[Future[StageRecord], list[tuple[_RowRun, str]]]) -> None:
        """Start what can start."""
        while ready := self._order.get_ready():
            for label in ready:
                gate = self._run.services.gate
                if gate.refusal(self._run.services.clock()) and gate.reason:
                    self._run.is_stopping = True
                if call := self._run.begin(label):
                    pending.setdefault(self._work.submit(call), []).append((self, label))
                else:
                    self._work.count(1)
                    self._order.done(label)
        self._look_whether_over()

    def _look_whether_over(self) -> None:
        if not self._is_over and not self._order.is_active():
            self._is_over = True
            self._work.count(0, rows=1)

    def end(self, label: str, future: Future[StageRecord]) -> None:
        """Note what became of a stage."""
        error = future.exception()
        if error is not None:
            self._errors.append(error)
        self._run.end(label, error or future.result())
        entry = self._run.entries[label]
        if entry.fingerprint and entry.spent_usd != 0.0 and not self._work.pays(entry.fingerprint):
            self._shared.add(label)
        self._work.count(1, spent_usd=0.0 if label in self._shared else entry.spent_usd)
        self._order.done(label)

    def note(self) -> BatchRow:
        """Return what became of the row."""
        # In the order of the plan: by it the next run recognises the row.
        stages = tuple(self._noted(label, self._run.entries[label]) for label in self._run.stages)
        costs = [stage.spent_usd for stage in stages]
        state = self._state(stages)
        first = next((s for s in stages if s.status not in {"done", "reused", "skipped"}), None)
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
            if sees and all(other in records for other in sees):
                upstream = {other: records[other].fingerprint for other in sees}
                trace = self._work.batch.planner.trace(self._row, label, upstream)
                found.append((trace, records[label].fingerprint))
        return found

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
        )

    def _state(self, stages: tuple[BatchStage, ...]) -> RowState:
        statuses = {stage.status for stage in stages}
        if statuses <= {"done", "reused"}:
            return "done" if "done" in statuses else "reused"
        if any(isinstance(e, StageBlocked) and e.scope != "account" for e in self._errors):
            return "quarantined"
        if "failed" in statuses and not all(_is_plain(error) for error in self._errors):
            return "failed"
        for kind, state in _STATES:
            if any(isinstance(error, kind) for error in self._errors):
                return "cancelled" if state == "late" and self._run.services.gate.reason else state
        # What is left met the block of the account, or failed before it was begun.
        return "failed" if "failed" in statuses and not self._errors else "cancelled"


def _is_plain(error: BaseException) -> bool:
    """Whether an error has a state of its own."""
    is_account = isinstance(error, StageBlocked) and error.scope == "account"
    return is_account or isinstance(error, tuple(kind for kind, _ in _STATES))
