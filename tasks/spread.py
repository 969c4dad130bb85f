"""Shards of a batch as tasks of its flow, on whatever task runner the flow has: threads, Dask, or Ray."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from uuid import uuid4

from prefect import task

from assetmill.batches.agreement import check_terms, terms_of
from assetmill.batches.hearing import Hearing
from assetmill.batches.opening import BatchOrder, prepare_shard, store_start
from assetmill.batches.pieces import Pieces, is_over, piece_rows
from assetmill.batches.quota_parts import borrowing
from assetmill.batches.work import RowWorker
from assetmill.fingerprint import Digest
from assetmill.store.run_ids import make_run_id
from assetmill.traces.context import traceparent
from assetmill.traces.runs import traced_shard
from tasks import policies
from tasks.batches import BatchBar
from tasks.beating import alive
from tasks.connections import services_for
from tasks.pulling import pull_here

TASK_RUNNER = "task-runner:"
"""Instead of a work pool's name: shards are tasks of the flow. No pool can be called so."""


@task(name="run-shard-rows", task_run_name="shard {number}", **policies.ONCE)
def run_shard_rows(  # noqa: PLR0917 - a task's arguments are its wire format
    order: BatchOrder,
    content: str,
    number: int,
    row_count: int,
    piece: int,
    halt_run: str,
    profile: str | None,
    terms: dict[str, Digest],
    parent: str = "",
) -> int:
    """Carry out pieces wherever the flow's task runner puts it; nothing but names and numbers goes there."""
    services = services_for(profile)
    if is_over(services.backend, order.name, halt_run):
        return 0
    batch = prepare_shard(order, content, services, first=0, last=row_count)
    check_terms(batch, terms)
    flow_run_id = str(uuid4())
    run_id, slots = make_run_id(flow_run_id, time.time()), services.settings.run.concurrency
    work = RowWorker(batch, run_id, flow_run_id, halt_run, rows_at_once=slots)
    try:
        pieces = Pieces(work, piece)
        with (
            traced_shard(number, order.name, work.run_id, parent),
            alive(work),
            borrowing(work, pieces.has_rows),
        ):
            return pull_here(work, pieces)
    finally:
        work.close()


async def spread(work: RowWorker, shard_rows: int, profile: str | None) -> None:
    """Give the flow's own task runner one task for so many rows: whichever begin share all rows.

    How many it runs at once it does not say. Those that begin when nothing is left end at once.
    """
    batch = work.batch
    to_do = frozenset(plan.row.number for plan in batch.to_do)
    count = -(-len(to_do) // shard_rows)
    await asyncio.to_thread(store_start, batch)
    order = replace(batch.order, pipeline="", rows="", common=(), name=batch.batch_id, allows_bad_rows=True)
    piece = piece_rows(len(to_do), count, shard_rows) if count else 1
    terms = await asyncio.to_thread(terms_of, batch)
    futures = [
        run_shard_rows.submit(
            *(order, batch.content, number, len(batch.plans), piece, work.run_id, profile, terms),
            parent=traceparent(),
        )
        for number in range(1, count + 1)
    ]
    hearing, bar = Hearing(work), BatchBar(work)
    for future in futures:
        waiting = asyncio.ensure_future(asyncio.to_thread(future.wait))
        while not (await asyncio.wait([waiting], timeout=policies.SHARD_POLL_S))[0]:
            await bar.meanwhile(hearing.listen)
            await bar.show()
        await waiting
    await asyncio.to_thread(hearing.listen)
    await bar.show(is_last=True)
    for future in futures:
        if future.state.is_failed() or future.state.is_crashed():
            work.give_up(to_do, f"its shard ended {future.state.name}: {future.state.message}")
