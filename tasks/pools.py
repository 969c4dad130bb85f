"""What a batch asks Prefect about its work pool: whether it runs anything, and what to do if it does not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import httpx
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import State, WorkerStatus
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.states import Scheduled

from assetmill.errors import InvalidSettings
from tasks import policies

T = TypeVar("T")
SHARD_FLOW = "run-shard"


async def shard_deployment(client: PrefectClient, pool: str) -> UUID:
    """Return the deployment that runs shards on a pool.

    Raises:
        InvalidSettings: nobody has deployed it.
    """
    try:
        return (await client.read_deployment_by_name(f"{SHARD_FLOW}/{pool}")).id
    except ObjectNotFound as error:
        hint = f"`assetmill deploy --work-pool {pool} --shards-only` prepares it"
        raise InvalidSettings(f"no shards can run on work pool {pool!r}: {hint}") from error


def due_at_once() -> State[Any]:
    """Return the state of a new flow run that a worker may take now, whatever either clock says.

    A worker asks for what is due by its own clock, and "now" would be by ours: where they differ, nobody
    would take it for so long. It has its own name, because Prefect calls late what is merely `Scheduled`.
    """
    due = datetime.now(UTC) - timedelta(seconds=policies.CLOCKS_DIFFER_S)
    return Scheduled(scheduled_time=due, name="HandedOut")


@dataclass(frozen=True)
class Pool:
    """A work pool as it is now. `fault` says why it runs nothing, and what to do about that."""

    width: int
    online: frozenset[str]
    fault: str


async def see_pool(client: PrefectClient, pool: str) -> Pool:
    """Look at a pool: as many shards run at once as it allows, else one for each worker that is there.

    Raises:
        InvalidSettings: there is no such pool.
    """
    try:
        found = await client.read_work_pool(pool)
        workers = await client.read_workers_for_work_pool(pool)
    except ObjectNotFound as error:
        hint = f"`prefect work-pool create {pool} --type process`, then `assetmill deploy --work-pool {pool}`"
        raise InvalidSettings(f"Prefect has no work pool {pool!r}: {hint}") from error
    online = frozenset(worker.name for worker in workers if worker.status == WorkerStatus.ONLINE)
    fault = ""
    if found.is_paused:
        fault = f"work pool {pool!r} is paused: `prefect work-pool resume {pool}` lets it go on"
    elif not online and not found.is_push_pool and not found.is_managed_pool:
        fault = f"work pool {pool!r} has no worker, nothing runs: `prefect worker start --pool {pool}`"
    return Pool(max(1, found.concurrency_limit or len(online)), online, fault)


async def patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask Prefect, and again for as long as its server is away: the shards work on without it."""
    until = time.monotonic() + policies.SERVER_AWAY_S
    while True:
        try:
            return await ask()
        except (httpx.TransportError, PrefectHTTPStatusError) as error:
            is_passing = isinstance(error, httpx.TransportError) or error.response.status_code >= 500
            if not is_passing or time.monotonic() > until:
                raise
            await asyncio.sleep(policies.SHARD_POLL_S)
