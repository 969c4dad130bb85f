"""Rows carried out in this process: their stages side by side, each paid once, each row noted."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field

from assetmill.batches.opening import Batch
from assetmill.batches.records import BatchPage, BatchRow, Blocked, ShardProgress
from assetmill.batches.room import Room
from assetmill.batches.row_run import Pending, RowRun
from assetmill.batches.rows import Row
from assetmill.batches.told_rows import ToldRows
from assetmill.batches.urgent import UrgentPool
from assetmill.errors import StageBlocked
from assetmill.fingerprint import Fingerprint
from assetmill.plan.calls import StageCall
from assetmill.records import RunId, StageRecord
from assetmill.stage import engine
from assetmill.store.run_ids import began_at
from assetmill.traces.runs import carried, tell_shared

GROUP_ROWS, _MOST_GROUP_ROWS = 16, 64
"""Rows of one Prefect task: its server takes about 50 ms of CPU for each, which must stay small."""

_SHARED_KEPT = 512
"""Stages that have ended and that rows to come may share; another is read from the store."""

_SHARED_STEP = 32
"""So many stages begin before it is looked through which have ended."""


def group_rows(at_once: int) -> int:
    """Return how many rows make a group where so many stages are at work at once: they end about together."""
    return max(GROUP_ROWS, min(at_once, _MOST_GROUP_ROWS))


def groups_at_once(at_once: int) -> int:
    """Return how many groups go at once: three times what fills the threads.

    A group ends with its slowest row, and until then no other takes its place: with twice as many, of which
    a third need half as long again, threads were idle for a tenth of a batch of 3,000 rows.
    """
    return 3 * at_once // group_rows(at_once) + 2


def words(now: ShardProgress, total_stages: int, total_rows: int) -> list[str]:
    """Return how far a batch is, what is being paid for, and what the rest waits for."""
    parts = [f"{now.rows} of {total_rows} rows", f"{now.stages} of {total_stages} stages"]
    parts += [f"{now.at_work} at work"] if now.at_work else []
    return parts + ([now.waits] if now.waits else [])


def spent(now: ShardProgress) -> str:
    """Return what was spent, in words: an end of unknown cost is not one that cost nothing."""
    return f"spent {'at least ' if now.unknown else ''}${now.spent_usd:.4f}"


@dataclass
class Tally:
    """How far the work is. Written by stages and groups, read by whoever shows it."""

    stages: int = 0
    rows: int = 0
    done: int = 0
    spent_usd: float = 0.0
    unknown: int = 0
    notices: list[str] = field(default_factory=list[str])
    """What a person should know while it runs, such as a work pool that has no worker."""
    at_work: Callable[[], int] = lambda: 0
    """How many stages are being paid for at this moment."""
    waits: Callable[[], str] = lambda: ""
    """For what stages wait, and until when; "" when for nothing."""
    away: Callable[[], str] = lambda: ""
    """What is away, and until when it is waited for; "" while nothing is."""
    elsewhere: Callable[[], ShardProgress] = ShardProgress
    """What shards on other machines say of rows of which no page tells yet."""

    def now(self) -> ShardProgress:
        """Return how far all of it is, here and on other machines."""
        beyond = self.elsewhere()
        return ShardProgress(
            stages=self.stages + beyond.stages,
            rows=self.rows + beyond.rows,
            done=self.done + beyond.done,
            spent_usd=self.spent_usd + beyond.spent_usd,
            unknown=self.unknown + beyond.unknown,
            at_work=self.at_work() + beyond.at_work,
            waits=self.away() or self.waits() or beyond.waits,
        )


class RowWorker:
    """One process's part in a batch. Safe for the threads of its groups; close it at the end.

    One that shares rows with others has no more under way than `rows_at_once`: their ends would lie further
    apart than a stage takes, and at the end of the batch the others would wait for that.
    """

    def __init__(
        self,
        batch: Batch,
        run_id: RunId,
        flow_run_id: str,
        halt_run: str,
        *,
        rows_at_once: float = math.inf,
    ) -> None:
        self.batch, self.run_id, self.flow_run_id = batch, run_id, flow_run_id
        services = batch.services
        self.tally = Tally(
            notices=services.notices,
            at_work=lambda: services.slots.taken,
            waits=services.waits.told,
            away=services.outages.wait,
        )
        self.results = ToldRows[int]()
        self.traces: dict[str, Fingerprint] = {}
        self.halt_run = halt_run
        self._services = batch.services
        self._services.works_for(run_id, batch.batch_id)
        if batch.order.pays_again:
            batch.services.allow_repeats(run_id)
        # A few more than may work at once: those that wait for a quota must not keep others from working.
        width = self._services.settings.run.concurrency
        self._pool = UrgentPool[StageRecord](width + max(4, width // 4), "stage")
        self._finishes_rows = batch.order.order == "rows"
        self._plans = {plan.row.number: plan for plan in batch.plans}
        is_limited = rows_at_once < math.inf or bool(batch.services.ceilings_of(run_id))
        self.room: Room | None = None
        if is_limited and self._finishes_rows:
            self.room = Room(batch.services, run_id, batch.plans, rows_at_once)
        self._shared: OrderedDict[Fingerprint, Future[StageRecord]] = OrderedDict()
        # A record is kilobytes, and in most batches no two rows have a stage in common.
        self._shared_kept = _SHARED_KEPT if batch.totals.stages.get("shared") else 0
        self._shared_most = self._shared_kept
        self._counted: set[Fingerprint] = set()
        self._groups: list[list[RowRun]] = []
        self.payers: set[RunId] = set()
        """The runs of the shards that were heard of: they pay for rows of this run."""
        self._refusals = 0
        # Rows end and stages begin in many threads: both ask here who pays for a stage that they share.
        self._lock = threading.Lock()

    def close(self) -> None:
        """End the threads; what runs is waited for."""
        self._pool.close()

    def carry_out(self, rows: Sequence[Row]) -> tuple[BatchRow, ...]:
        """Take rows to their end, store what became of them, and return it.

        A row that fails keeps no other from going on.
        """
        self.look_for_halt()
        group = [RowRun(self, row, self._plans[row.number].stages) for row in rows]
        with self._lock:
            self._groups.append(group)
        try:
            self._follow(group)
        finally:
            if self.room:
                self.room.leave(row.number for row in rows)
        told = tuple(run.note() for run in group)
        traces = {trace: fp for run in group for trace, fp in run.traces()}
        page = BatchPage(batch_id=self.batch.batch_id, run_id=self.run_id, rows=told, traces=traces)
        self._tell(page)
        self._keep(page)
        with self._lock:
            self._groups.remove(group)
        return told

    def as_it_stands(self) -> dict[int, BatchRow]:
        """Return what is known of rows by their number, also of those at work: their process may go now."""
        with self._lock:
            at_work = [run for group in self._groups for run in group]
        now = {row.number: row for row in (run.so_far() for run in at_work)}
        return {**now, **self.results}

    def _tell(self, page: BatchPage) -> None:
        """Store what became of rows; those that only this process was told to leave are others' work."""
        is_drained = self.is_drained
        left = tuple(row for row in page.rows if not (is_drained and row.state == "cancelled"))
        if left:
            self.batch.ledger.write_page(page.model_copy(update={"rows": left}))

    def _follow(self, group: Sequence[RowRun]) -> None:
        pending: Pending = {}
        for run in group:
            run.enter(pending)
        while pending:
            ended, _ = wait(pending, return_when=FIRST_COMPLETED)
            for future in ended:
                for run, label in pending.pop(future):
                    run.end(label, future)
                    run.advance(pending)

    def progress(self) -> ShardProgress:
        """Return how far this process is, as a shard says beside its heartbeat."""
        # Who can say so has the store back: what it says would be read when the outage is over.
        waits = self._services.outages.wait(but="store") or self.tally.waits()
        said = {"run_id": self.run_id, "halt_run": self.halt_run, "waits": waits}
        return self.tally.now().model_copy(update=said)

    @property
    def is_drained(self) -> bool:
        """Whether this process alone was told to end: what it leaves is others' work."""
        return self._services.stop.is_set() and not self._services.gate.reason

    @property
    def began_at(self) -> float:
        """When the run began for which this process works, by the clock of whoever began it."""
        return began_at(self.halt_run)

    def call_off(self, reason: str) -> None:
        """Stop whoever works for this run of the batch, on any machine."""
        self.batch.ledger.halt(self.batch.batch_id, self.halt_run, reason, is_cancel=True)

    def look_for_halt(self) -> None:
        """Begin nothing more when another machine has met the block of the account."""
        if not self._services.gate.reason and (
            halt := self.batch.ledger.halted(self.batch.batch_id, self.halt_run)
        ):
            self._services.gate.reason = halt.reason

    def read_new_pages(self) -> list[BatchPage]:
        """Take over what became of rows on other machines since the last look, and return it."""
        ledger, seen = self.batch.ledger, self.batch.known.seen_pages
        pages: list[BatchPage] = []
        for key in ledger.page_keys(self.batch.batch_id):
            if key not in seen:
                seen.add(key)
                if page := ledger.read_page(key):
                    self.learn(page)
                    pages.append(page)
        return pages

    def learn(self, page: BatchPage) -> None:
        """Take over what became of rows on another machine."""
        self.payers.add(page.run_id)
        for row in page.rows:
            if row.number not in self.results and self._is_ours(row):
                self.count(len(row.stages), rows=1, done=int(row.is_done), spent_usd=row.spent_usd)
        self._keep(page)

    def give_up(self, numbers: frozenset[int], reason: str, spent_usd: float | None = None) -> None:
        """Note why rows that nobody has told of are not done; the next run takes them up.

        Who had them in hand may have paid for stages of them: what that was is not known by them.
        """
        for plan in self.batch.plans:
            row = plan.row
            if row.number in numbers and row.number not in self.results:
                self.results[row.number] = BatchRow(
                    number=row.number,
                    name=row.name,
                    key=row.key,
                    state="failed",
                    reason=reason,
                    spent_usd=spent_usd,
                )

    def count(self, stages: int, *, rows: int = 0, done: int = 0, spent_usd: float | None = 0.0) -> None:
        """Note that stages or rows have come to their end, whichever it is, and what that cost."""
        with self._lock:
            self.tally.stages += stages
            self.tally.rows += rows
            self.tally.done += done
            self.tally.spent_usd += spent_usd or 0.0
            self.tally.unknown += spent_usd is None

    def _keep(self, page: BatchPage) -> None:
        with self._lock:
            for row in page.rows:
                # Another run of this batch may tell of other rows, or be stopped in one that is done here.
                known = self.results.get(row.number)
                if self._is_ours(row) and not (known and known.is_done):
                    self.results[row.number] = row
            self.traces.update(page.traces)

    def _is_ours(self, row: BatchRow) -> bool:
        plan = self._plans.get(row.number)
        return plan is not None and plan.row.key == row.key

    def submit(self, call: StageCall, number: int) -> Future[StageRecord]:
        """Start a stage of the row with this number, or join the row that has started the same one."""
        fp = call.fingerprint
        with self._lock:
            if (known := self._shared.get(fp)) is not None:
                tell_shared(fp)
                return known
            future = self._shared[fp] = self._pool.submit(
                number if self._finishes_rows else 0, carried(self._stage), call, fp
            )
            if len(self._shared) > self._shared_most:
                self._forget()
            return future

    def pays(self, fp: Fingerprint) -> bool:
        """Return whether a stage's cost is counted now; it counts for one row only."""
        with self._lock:
            is_first = fp not in self._counted
            self._counted.add(fp)
            return is_first

    def _forget(self) -> None:
        """Let go of the oldest stages that have ended; those at work are all kept."""
        for fp, future in list(self._shared.items()):
            if len(self._shared) <= self._shared_kept:
                break
            if future.done():
                del self._shared[fp]
        # Not at each stage: it looks through all of them.
        self._shared_most = len(self._shared) + _SHARED_STEP

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
            self.batch.ledger.halt(self.batch.batch_id, self.halt_run, reason)
            return
        self.batch.ledger.write_blocked(
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
        self._count_refusal()

    def _count_refusal(self) -> None:
        """Stop the batch when moderation has refused too much: whoever goes on has the account blocked."""
        most = self._services.settings.run.refusals
        with self._lock:
            self._refusals += 1
            is_enough = self._refusals == most
        if is_enough:
            reason = (
                f"moderation has refused {most} prompts of this run, and an account that goes on may be "
                "blocked for days: look at their rows, then run it again; `refusals` under [run] of the "
                "profile says how many"
            )
            self._services.gate.reason = self._services.gate.reason or reason
            self.batch.ledger.halt(self.batch.batch_id, self.halt_run, reason)
