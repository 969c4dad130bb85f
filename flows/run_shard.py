"""The order of a shard: on any machine, piece after piece of a batch, until no row of it is left."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from prefect import State, flow
from prefect.task_runners import ThreadPoolTaskRunner

from assetmill.batches.opening import BatchOrder, RowOrder
from assetmill.batches.pieces import Pieces
from assetmill.batches.quota_parts import borrowing
from assetmill.batches.work import GROUP_ROWS
from assetmill.errors import InvalidInput, RunStopped
from assetmill.fingerprint import Digest
from assetmill.settings import load_settings
from assetmill.traces.runs import traced_shard
from tasks import policies
from tasks.asking import QUESTION, answer
from tasks.batches import begin_shard, plan_shard
from tasks.beating import alive
from tasks.cancelling import batch_watched, ended_early
from tasks.flow_runs import traceparent
from tasks.policies import MAX_STAGE_THREADS
from tasks.pulling import pull
from tasks.shards import refusal


@flow(
    name="run-shard",
    flow_run_name="{batch_id} shard {number}",
    task_runner=cast(Any, ThreadPoolTaskRunner(max_workers=MAX_STAGE_THREADS)),
    persist_result=False,
)
async def run_shard(
    batch_id: str,
    content: str,
    *,
    first: int,
    last: int,
    halt_run: str,
    by: float | None = None,
    budget_usd: float | None = None,
    retry_blocked: bool = False,
    order: RowOrder = "rows",
    share: float = 1.0,
    piece: int = GROUP_ROWS,
    number: int = 1,
    pay_again: bool = False,
    terms: dict[str, str] | None = None,
    profile: str | None = None,
) -> dict[str, Any] | State[Any]:
    """Carry out rows of a batch that another process has planned and stored.

    Shards of one batch share its rows: each leases a few, carries them out and leases the next, and stays
    until all are told of, so that it takes over what a worker that died had in hand. A machine that cannot
    do so, because its pipeline file or what that uses is another one, ends with a refusal.

    Args:
        batch_id: The batch.
        content: The digest of what it is made of.
        first: Index of the first row.
        last: Index after the last row.
        halt_run: The run of the batch that this shard belongs to.
        by: When to stop beginning stages, in Unix seconds.
        budget_usd: The most that the whole batch may cost.
        retry_blocked: Send prompts again that moderation has refused.
        order: Whether rows are finished before others begin, or all begun first.
        share: This shard's part of the profile's quota.
        piece: How many rows are leased at once; the same for all shards of a run.
        number: Which one of the shards of the run it is.
        pay_again: Also pay for stages that failed the same way twice.
        terms: What decides each stage where the batch was planned; who would make something else refuses.
        profile: The settings to use; without one `ASSETMILL_PROFILE` decides, else `local`.
    """
    if batch_id == QUESTION and not content:
        return await answer(load_settings(profile))
    asked = BatchOrder(
        *("", "", (), batch_id, by, budget_usd),
        allows_bad_rows=True,
        retries_blocked=retry_blocked,
        order=order,
        pays_again=pay_again,
    )
    try:
        known = {stage: Digest(told) for stage, told in (terms or {}).items()}
        batch = plan_shard(asked, content, (first, last), known, profile=profile, share=share)
    except InvalidInput as error:
        await asyncio.sleep(policies.REFUSAL_HELD_S)
        return refusal(error)
    work = begin_shard(batch, halt_run)
    try:
        pieces = Pieces(work, piece)
        with (
            traced_shard(number, batch_id, work.run_id, traceparent()),
            alive(work),
            borrowing(work, pieces.has_rows),
            batch_watched(work),
        ):
            await pull(work, pieces)
    finally:
        work.close()
    if batch.services.stop.is_set():
        stopped = RunStopped(f"{work.tally.rows} rows were ended", work.run_id)
        return ended_early(batch.services, stopped, "batch", batch_id)
    spent_usd = None if work.tally.unknown else work.tally.spent_usd
    return {"run_id": work.run_id, "rows": work.tally.rows, "spent_usd": spent_usd}
