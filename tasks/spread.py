"""Shards of a batch as tasks of its flow, on whatever task runner the flow was given: threads, or Dask."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import uuid4

from prefect import task

from assetmill.batches.opening import BatchOrder, prepare_shard, store_start
from assetmill.batches.work import RowWorker
from assetmill.store.run_ids import make_run_id
from tasks import policies
from tasks.batches import groups, groups_at_once
from tasks.connections import services_for
from tasks.shards import cut

TASK_RUNNER = "task-runner:"
"""Instead of a work pool's name: shards are tasks of the flow. No pool can be called so."""


@task(name="run-shard-rows", task_run_name="rows {first}-{last}", **policies.ONCE)
def run_shard_rows(  # noqa: PLR0917 - a task's arguments are its wire format
    order: BatchOrder, content: str, first: int, last: int, halt_run: str, share: float, profile: str | None
) -> int:
    """Carry out a shard wherever the flow's task runner puts it; nothing but names and numbers goes there."""
    services = services_for(profile)
    batch = prepare_shard(order, content, services, first=first, last=last, share=share)
    flow_run_id = str(uuid4())
    work = RowWorker(batch, make_run_id(flow_run_id, time.time()), flow_run_id, halt_run)
    try:
        with ThreadPoolExecutor(groups_at_once(work)) as pool:
            return sum(len(told) for told in pool.map(work.carry_out, groups(work)))
    finally:
        work.close()


async def spread(work: RowWorker, shard_rows: int, profile: str | None) -> None:
    """Give each shard to the flow's own task runner as one task: threads, or a Dask cluster."""
    batch = work.batch
    shards = cut(work, shard_rows)
    await asyncio.to_thread(store_start, batch)
    order = replace(batch.order, pipeline="", rows="", common=(), name=batch.batch_id, allows_bad_rows=True)
    futures = [
        run_shard_rows.submit(
            order, batch.content, shard.first, shard.last, work.run_id, 1.0 / len(shards), profile
        )
        for shard in shards
    ]
    for future in futures:
        await asyncio.to_thread(future.wait)
    work.read_new_pages()
    for shard, future in zip(shards, futures, strict=True):
        if future.state.is_failed() or future.state.is_crashed():
            work.give_up(shard.numbers, f"its shard ended {future.state.name}: {future.state.message}")
