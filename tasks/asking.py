"""What the workers of a pool have installed: each is given a flow run that only tells."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from prefect import get_client
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun, State
from prefect.states import Cancelled, Completed

from assetmill.batches.installed import Facts, facts_of
from assetmill.settings import Settings
from tasks import policies
from tasks.pools import due_at_once, see_pool, shard_deployment
from tasks.shards import worker_of

QUESTION = "doctor"
"""Instead of a batch's ID: no batch has a shard with that content."""

_NOTHING: dict[str, Any] = {"content": "", "first": 0, "last": 0, "halt_run": ""}


@dataclass(frozen=True)
class WorkerAnswers:
    """What workers have said, by their names; `silent` have said nothing, `faults` why others could not."""

    facts: dict[str, Facts] = field(default_factory=dict[str, Facts])
    faults: dict[str, str] = field(default_factory=dict[str, str])
    silent: frozenset[str] = frozenset()


async def answer(settings: Settings) -> State[Any]:
    """Tell what is installed here, and keep the place for a while, so that others are asked too."""
    told = json.dumps(facts_of(settings), sort_keys=True)
    await asyncio.sleep(policies.QUESTION_HELD_S)
    return Completed(message=told)


async def ask_workers(pool: str, within_s: float) -> WorkerAnswers:
    """Ask each worker of a pool what it has installed; a worker that is busy stays silent.

    Raises:
        InvalidSettings: the pool or its deployment is not there.
    """
    async with get_client() as client:
        seen = await see_pool(client, pool)
        deployment_id = await shard_deployment(client, pool)
        asked = [await _ask(client, deployment_id, number) for number, _ in enumerate(seen.online, 1)]
        runs = await _await(client, asked, within_s)
        await _take_back(client, runs)
    facts: dict[str, Facts] = {}
    faults: dict[str, str] = {}
    for run in runs:
        worker, state = worker_of(run), run.state
        if not worker or state is None or not state.is_final() or state.is_cancelled():
            continue
        if state.is_completed():
            facts[worker] = json.loads(state.message or "{}")
        else:
            faults[worker] = state.message or state.name or ""
    return WorkerAnswers(facts, faults, seen.online - facts.keys() - faults.keys())


async def _ask(client: PrefectClient, deployment_id: UUID, number: int) -> UUID:
    asked = {"batch_id": QUESTION, **_NOTHING, "number": number}
    name = f"{QUESTION} {uuid4().hex[:8]}"
    made = await client.create_flow_run_from_deployment(
        deployment_id, parameters=asked, name=name, state=due_at_once()
    )
    return made.id


async def _await(client: PrefectClient, asked: list[UUID], within_s: float) -> list[FlowRun]:
    until = time.monotonic() + within_s
    while asked:
        wanted = FlowRunFilter(id=FlowRunFilterId(any_=asked))
        runs = await client.read_flow_runs(flow_run_filter=wanted)
        if time.monotonic() > until or all(run.state and run.state.is_final() for run in runs):
            return runs
        await asyncio.sleep(policies.SHARD_POLL_S)
    return []


async def _take_back(client: PrefectClient, runs: list[FlowRun]) -> None:
    """Leave no question behind that a worker would answer when nobody listens."""
    for run in runs:
        if run.state and not run.state.is_final():
            await client.set_flow_run_state(run.id, Cancelled(message="nobody waits for it"), force=True)
