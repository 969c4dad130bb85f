"""The order of a batch: groups of rows side by side here, or shards on a work pool."""

from __future__ import annotations

import asyncio
import time
from typing import Any, cast

from prefect import State, flow
from prefect.task_runners import ThreadPoolTaskRunner

from assetmill.batches.hour import parse_by
from assetmill.batches.opening import SHARD_ROWS, BatchOrder, RowOrder
from assetmill.batches.work import RowWorker
from tasks.batches import (
    BatchBar,
    begin_batch,
    check_batch,
    groups,
    has_room,
    publish_batch,
    sealed,
    submit_rows,
    traced,
    waits_for_rows,
)
from tasks.beating import telling
from tasks.cancelling import batch_watched, checked
from tasks.dispatching import dispatch
from tasks.events import tell_batch
from tasks.flow_runs import name_batch, waiting
from tasks.policies import MAX_STAGE_THREADS
from tasks.spread import TASK_RUNNER, spread


@flow(
    name="run-batch",
    flow_run_name="batch of {pipeline}",
    task_runner=cast(Any, ThreadPoolTaskRunner(max_workers=MAX_STAGE_THREADS)),
    persist_result=False,
)
async def run_batch(
    pipeline: str,
    rows: str,
    *,
    name: str = "",
    common: dict[str, Any] | None = None,
    by: str = "",
    budget_usd: float | None = None,
    shard: int = SHARD_ROWS,
    allow_bad_rows: bool = False,
    retry_blocked: bool = False,
    order: RowOrder = "rows",
    work_pool: str = "",
    pay_again: bool = False,
    profile: str | None = None,
) -> dict[str, Any] | State[Any]:
    """Run a pipeline for every row of a table and return the main facts of its manifest.

    A batch of which all that is left waits for people ends as `Waiting`, and holds nothing.

    Args:
        pipeline: A name under `configs/pipelines/`, or a path.
        rows: A table: a path or an object's URL, ending in .csv, .tsv, .xlsx, .jsonl or .parquet.
        name: What the batch is called; left out, what it is made of names it.
        common: Parameters that all rows share.
        by: The hour by which it must be done, as 06:00; nothing is begun after it.
        budget_usd: The most that the batch may cost, over all its runs.
        shard: The most rows that a worker leases at once; on a task runner, rows for each task.
        allow_bad_rows: Run the good rows of a table that has bad ones.
        retry_blocked: Send prompts again that moderation has refused.
        order: `rows` finishes rows before others begin, also where a ceiling does not cover all; `stages`
            begins all of them first.
        work_pool: Where shards run; left out, all rows run in this process. `task-runner:` gives them to the
            flow's own task runner, as in `run_batch.with_options(task_runner=DaskTaskRunner())`.
        pay_again: Also pay for stages that failed the same way twice; a schedule leaves them for a person.
        profile: The settings to use; without one `ASSETMILL_PROFILE` decides, else `local`.

    Raises:
        InvalidInput: something asked for is not valid; nothing was spent.
        RunFailed: rows are left that could not be done; what was made is stored.
        RunStopped: the batch was stopped, or called off.
    """
    asked = BatchOrder(
        pipeline, rows, tuple((common or {}).items()), name, parse_by(by) if by else None,
        budget_usd, allow_bad_rows, retry_blocked, order, pay_again,
    )  # fmt: skip
    started_at = time.time()
    work = begin_batch(asked, profile)
    try:
        await name_batch(work.batch.pipeline.spec.name, work.batch.batch_id)
        with traced(work) as tell, telling(work):
            with batch_watched(work):
                if work_pool == TASK_RUNNER:
                    await spread(work, shard, profile)
                elif work_pool:
                    await dispatch(work, work_pool, shard, profile)
                else:
                    await follow(work)
            manifest = sealed(work, started_at)
            tell(manifest.status)
    finally:
        work.close()
    await publish_batch(manifest)
    tell_batch(manifest, work.batch.services.settings)
    facts = {"batch_id": manifest.batch_id, "status": manifest.status, "spent_usd": manifest.spent_usd}
    if manifest.status == "waiting":
        return waiting(waits_for_rows(manifest), facts)
    stopped = checked(work.batch.services, lambda: check_batch(manifest), "batch", manifest.batch_id)
    return stopped or facts


async def follow(work: RowWorker) -> None:
    """Go through the groups in order, a few at a time."""
    bar = BatchBar(work)
    waiting = groups(work)[::-1]
    running: set[asyncio.Future[Any]] = set()
    while waiting or running:
        while waiting and has_room(len(running), work):
            running.add(asyncio.ensure_future(submit_rows(waiting.pop(), work)))
        await bar.show()
        ended, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for future in ended:
            if isinstance(outcome := future.result(), BaseException):
                raise outcome
    await bar.show(is_last=True)
