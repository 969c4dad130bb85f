"""A batch as Prefect sees it: one task for a group of rows, shards as flow runs, one report at the end."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

import httpx
from prefect import task
from prefect.artifacts import (
    acreate_markdown_artifact,
    acreate_progress_artifact,
    aupdate_progress_artifact,
)
from prefect.exceptions import PrefectHTTPStatusError
from prefect.logging import get_run_logger
from prefect.utilities.annotations import quote

from assetmill.batches import opening as preparing
from assetmill.batches.agreement import check_terms
from assetmill.batches.opening import Batch, BatchOrder
from assetmill.batches.records import BatchManifest
from assetmill.batches.reports import markdown
from assetmill.batches.rows import Row
from assetmill.batches.sealing import seal
from assetmill.batches.work import RowWorker, group_rows, groups_at_once, spent, words
from assetmill.errors import InvalidSettings, RunFailed, RunStopped
from assetmill.fingerprint import Digest
from assetmill.store.run_ids import make_run_id
from assetmill.traces.runs import Tell, traced_batch
from tasks import policies
from tasks.connections import services_for
from tasks.flow_runs import current_flow_run, names_of, outcome_of, traceparent

T = TypeVar("T")

PROGRESS_INTERVAL_S = 5.0
"""A batch takes minutes; an update costs Prefect up to 160 ms."""


@dataclass
class Handover:
    """What the command line and the flow of its process know of each other: the plan, the work, the end."""

    batch: Batch
    work: RowWorker | None = None
    manifest: BatchManifest | None = None


_handovers: list[Handover] = []


@contextmanager
def handed_over(batch: Batch) -> Generator[Handover]:
    """Let the flow of this process take over a batch that was planned already."""
    handover = Handover(batch)
    _handovers.append(handover)
    try:
        yield handover
    finally:
        _handovers.remove(handover)


def _handover_of(order: BatchOrder) -> Handover | None:
    return next((handover for handover in _handovers if handover.batch.order == order), None)


def begin_batch(order: BatchOrder, profile: str | None) -> RowWorker:
    """Plan a batch under the ID of the current flow run."""
    handover = _handover_of(order)
    batch = handover.batch if handover else preparing.prepare(order, services_for(profile))
    check_service(batch)
    flow_run_id, attempt = current_flow_run()
    run_id = make_run_id(flow_run_id, time.time(), attempt)
    preparing.begin(batch, run_id)
    work = RowWorker(batch, run_id, flow_run_id, halt_run=run_id)
    batch.services.begin(run_id, functools.partial(_seal, work, time.time(), is_left=True))
    if handover:
        handover.work = work
    return work


def traced(work: RowWorker) -> AbstractContextManager[Tell]:
    """Make a run of a batch one trace, in which its shards join on whatever machine they are."""
    batch = work.batch
    rows = len(batch.to_do)
    return traced_batch(
        batch.pipeline.spec.name,
        batch.batch_id,
        work.run_id,
        rows=rows,
        left=lambda: max(0, rows - work.tally.rows),
        parent=traceparent(),
    )


def plan_shard(
    order: BatchOrder,
    content: str,
    rows: tuple[int, int],
    terms: Mapping[str, Digest],
    *,
    profile: str | None,
    share: float,
) -> Batch:
    """Plan a shard of a batch that the dispatcher has stored, as the dispatcher has planned it.

    Raises:
        InvalidInput: it cannot be done on this machine as it is.
    """
    first, last = rows
    batch = preparing.prepare_shard(
        order, content, services_for(profile), first=first, last=last, share=share
    )
    if terms:
        check_terms(batch, terms)
    return batch


def begin_shard(batch: Batch, halt_run: str) -> RowWorker:
    """Make a planned shard the work of the current flow run.

    Raises:
        InvalidSettings: the service is not there, which may pass.
    """
    check_service(batch)
    flow_run_id, attempt = current_flow_run()
    run_id = make_run_id(flow_run_id, time.time(), attempt)
    slots = batch.services.settings.run.concurrency
    return RowWorker(batch, run_id, flow_run_id, halt_run, rows_at_once=slots)


def check_service(batch: Batch) -> None:
    """Make sure, before any spend, that the service is there and has the models that the plan calls.

    Raises:
        InvalidSettings: it is not so. A batch without work asks nothing.
    """
    if not batch.totals.wanted:
        return
    found = batch.services.gateway.examine(list(batch.totals.wanted))
    problems = [f"{finding.check}: {finding.message}" for finding in found if finding.state == "problem"]
    if problems:
        raise InvalidSettings("; ".join(problems))


def groups(work: RowWorker) -> list[tuple[Row, ...]]:
    """Return the rows with work in the groups in which they are carried out."""
    rows, size = [plan.row for plan in work.batch.to_do], group_rows(_at_once(work))
    return [tuple(rows[start : start + size]) for start in range(0, len(rows), size)]


def has_room(running: int, work: RowWorker) -> bool:
    """Whether another group may begin beside those that run."""
    return running < groups_at_once(_at_once(work))


def _at_once(work: RowWorker) -> int:
    return work.batch.services.settings.run.concurrency


@task(name="run-rows", task_run_name="{label}", **policies.SPEND)
def run_rows(label: str, rows: tuple[Row, ...], work: RowWorker) -> dict[str, int]:
    """Take rows to their end and return how many ended how."""
    told = work.carry_out(rows)
    states = [row.state for row in told]
    return {state: states.count(state) for state in states}


def submit_rows(rows: Sequence[Row], work: RowWorker) -> Awaitable[dict[str, int] | BaseException]:
    """Start a group in the flow's thread pool; awaiting it gives its counts, or the error it ended with."""
    label = names_of([row.name for row in rows], rows[0].number, rows[-1].number)
    # Quoted, because Prefect would look through every field for futures.
    future = run_rows.submit(label, quote(tuple(rows)), quote(work))  # pyright: ignore[reportArgumentType]
    return outcome_of(future)


@task(name="seal-batch", **policies.SEAL)
def seal_batch(work: RowWorker, started_at: float) -> BatchManifest:
    """Write the manifest of a batch."""
    return _seal(work, started_at)


def _seal(work: RowWorker, started_at: float, *, is_left: bool = False) -> BatchManifest:
    """Write the manifest; `is_left`: rows are at work, and nobody waits for them."""
    manifest = seal(
        work.batch,
        work.as_it_stands() if is_left else work.results,
        work.traces,
        run_id=work.run_id,
        flow_run_id=work.flow_run_id,
        started_at=started_at,
        payers=work.payers,
    )
    work.batch.services.sealed(work.run_id)
    return manifest


def sealed(work: RowWorker, started_at: float) -> BatchManifest:
    """Seal a batch, as a task of its flow."""
    manifest = seal_batch(quote(work), started_at)  # pyright: ignore[reportArgumentType]
    if handover := _handover_of(work.batch.order):
        handover.manifest = manifest
    return manifest


class BatchBar:
    """The batch's progress artifact, updated no more often than it is looked at."""

    def __init__(self, work: RowWorker) -> None:
        self._work, self._artifact_id, self._last, self._away = work, None, 0.0, ""
        self._rows = len(work.batch.to_do)
        self._stages = sum(len(plan.stages) for plan in work.batch.to_do)

    async def show(self, *, is_last: bool = False) -> None:
        """Create or update the artifact, unless that was done a moment ago."""
        if not is_last and time.monotonic() - self._last < PROGRESS_INTERVAL_S:
            return
        self._last = time.monotonic()
        self._log_outage()
        now = self._work.tally.now()
        percent = min(100.0, 100.0 * now.stages / self._stages) if self._stages else 100.0
        text = ", ".join([*words(now, self._stages, self._rows), spent(now)])
        # A server that is away costs a batch its picture, not its work.
        with suppress(httpx.TransportError, PrefectHTTPStatusError):
            if self._artifact_id is None:
                created = await acreate_progress_artifact(progress=percent, key="rows", description=text)
                self._artifact_id = UUID(str(created))
            else:
                await aupdate_progress_artifact(self._artifact_id, progress=percent, description=text)

    async def meanwhile(self, ask: Callable[[], T]) -> T:
        """Ask in a thread, and go on showing how far it is: a store that is away is waited for in there."""
        asked = asyncio.ensure_future(asyncio.to_thread(ask))
        while not (await asyncio.wait([asked], timeout=policies.SHARD_POLL_S))[0]:
            await self.show()
        return await asked

    def _log_outage(self) -> None:
        """Say in Prefect's log what the terminal says; where nobody sits at one it is logged already."""
        outages = self._work.batch.services.outages
        away = outages.wait()
        if away != self._away and not outages.is_unattended:
            get_run_logger().warning("%s", away or "it is back; the work goes on")
        self._away = away


def check_batch(manifest: BatchManifest) -> None:
    """Raise what a batch has come to, unless it is complete.

    Raises:
        RunFailed: rows are left that could not be done, or the account is blocked.
        RunStopped: a person stopped it.
    """
    if manifest.status == "completed":
        return
    left = sum(not row.is_done for row in manifest.rows)
    text = f"{left} of {len(manifest.rows)} rows of batch {manifest.batch_id} are not done"
    if manifest.reason:
        text = f"{manifest.reason}; {text}"
    if manifest.count("cancelled") == left:
        raise RunStopped(text, manifest.run_id)
    raise RunFailed(manifest.run_id, text)


def waits_for_rows(manifest: BatchManifest) -> str:
    """Return what a batch waits for, in words."""
    waiting = [row for row in manifest.rows if row.state == "waiting"]
    first = f"; first {waiting[0].reason}" if waiting else ""
    return f"{len(waiting)} of {len(manifest.rows)} rows wait for people{first}"


async def publish_batch(manifest: BatchManifest) -> None:
    """Attach the report to the flow run: words and numbers, never bytes or signed URLs."""
    await acreate_markdown_artifact(markdown(manifest), key="batch-report", description=manifest.batch_id)
