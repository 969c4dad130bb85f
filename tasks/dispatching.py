"""Shards of a batch on a work pool: as many as there are workers, each at work until no row is left.

Prefect says where a shard runs; what became of its rows is read from the store.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar, cast
from uuid import UUID

from prefect import get_client
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun, State
from prefect.logging import get_run_logger
from prefect.states import Cancelled, Cancelling, Completed, Crashed

from assetmill.batches.agreement import terms_of
from assetmill.batches.hearing import Hearing
from assetmill.batches.opening import store_start
from assetmill.batches.pieces import piece_rows
from assetmill.batches.work import RowWorker
from tasks import policies
from tasks.batches import BatchBar
from tasks.events import tell_untaken
from tasks.flow_runs import batch_tag, trace_labels
from tasks.hands import Hands
from tasks.pools import Pool, due_at_once, patiently, see_pool, shard_deployment
from tasks.shards import Shard, is_called_off, untaken, why_lost

T = TypeVar("T")


async def dispatch(work: RowWorker, pool: str, shard_rows: int, profile: str | None) -> None:
    """Have a batch's rows carried out by flow runs on a work pool; return when all are settled or given up.

    Raises:
        InvalidSettings: the pool or its deployment is not there.
    """
    batch = work.batch
    if not batch.to_do:
        return
    await asyncio.to_thread(store_start, batch)
    async with get_client() as client:
        dispatcher = _Dispatcher(client, work, pool, profile)
        await dispatcher.begin(shard_rows)
        await dispatcher.follow()


class _Dispatcher:
    """Follows the shards of one run of a batch."""

    def __init__(self, client: PrefectClient, work: RowWorker, pool: str, profile: str | None) -> None:
        self._client, self._work, self._pool, self._profile = client, work, pool, profile
        self._fault, self._awaited = "", ""
        self._numbers = frozenset(plan.row.number for plan in work.batch.to_do)
        self._hands, self._hearing, self._bar = Hands(), Hearing(work), BatchBar(work)
        self._count, self._was_away, self._has_told_untaken = 0, False, False
        self._log = get_run_logger()

    async def begin(self, shard_rows: int) -> None:
        """Make sure that the pool and the deployment are there, and say how rows are cut for all shards."""
        seen = await see_pool(self._client, self._pool)
        self._deployment_id = await shard_deployment(self._client, self._pool)
        self._piece = piece_rows(len(self._numbers), seen.width, shard_rows)
        self._terms = await asyncio.to_thread(terms_of, self._work.batch)

    async def follow(self) -> None:
        """Keep as many shards at work as there is room for, until no row is left or nobody can do any."""
        running: list[Shard] = []
        while not self._is_told():
            await self._bar.show()
            seen = await self._ask(lambda: see_pool(self._client, self._pool))
            self._tell(seen.fault or self._untaken(running) or self._awaited)
            if not await self._bar.meanwhile(self._is_over):
                await self._fill(running, seen)
            if not running:
                if not self._awaits_hands(seen):
                    return self._give_up()
                await asyncio.sleep(policies.SHARD_POLL_S)
                continue
            self._awaited = ""
            await asyncio.sleep(policies.SHARD_POLL_S)
            await self._bar.meanwhile(partial(self._hear, running))
            if self._work.batch.services.stop.is_set():
                return await self._cancel(running)
            running = await self._check(running, seen.online)
            if self._work.batch.services.stop.is_set():
                return await self._cancel(running)
        await self._settle(running)
        return await self._bar.show(is_last=True)

    async def _fill(self, running: list[Shard], seen: Pool) -> None:
        """Hand out shards to whoever has none and has not refused; workers that came since are used too."""
        if self._hands.is_held():
            return
        left = len(self._numbers - self._work.results.keys())
        most = min(self._hands.width(seen), -(-left // self._piece))
        while len(running) < most:
            self._count += 1
            shard = Shard(self._count)
            await self._hand_out(shard)
            running.append(shard)

    def _awaits_hands(self, seen: Pool) -> bool:
        """Wait for a worker that is being replaced: all that are there have refused, others had rows done."""
        if self._work.batch.services.gate.refusal(time.time()):
            return False
        if self._hands.is_held():
            return bool(self._hands.width(seen))
        until = self._hands.awaited_until(done=len(self._work.results))
        if until:
            at = time.strftime("%H:%M:%S", time.localtime(until))
            self._awaited = f"no worker takes the batch, one is waited for until {at}: {self._hands.fault}"
        return until > time.time()

    def _give_up(self) -> None:
        """Say of the rows that are left why nobody does them; those that were not begun need no word."""
        if self._hands.fault:
            spent_usd = None if self._hands.may_have_paid else 0.0
            self._work.give_up(self._numbers, self._hands.fault, spent_usd)

    def _tell(self, fault: str) -> None:
        """Say why nothing runs, once, on the screen and in Prefect's log."""
        if fault != self._fault:
            self._fault = fault
            self._say(f"warning: {fault}" if fault else f"work pool {self._pool!r} runs again")

    def _untaken(self, running: list[Shard]) -> str:
        """Return what to say of shards that nobody takes; the first time it is an event too."""
        found = untaken(running, self._pool)
        if found and not self._has_told_untaken:
            self._has_told_untaken = True
            tell_untaken(self._work.batch, self._work.flow_run_id, found)
        return found

    def _say(self, text: str) -> None:
        self._log.warning("%s", text)
        self._work.tally.notices.append(text)

    def _is_over(self) -> bool:
        self._work.look_for_halt()
        return bool(self._work.batch.services.gate.refusal(time.time()))

    def _hear(self, running: list[Shard]) -> None:
        """Read what the shards say in the store: that they are alive, and what became of rows."""
        began = time.monotonic()
        beats = self._hearing.listen()
        for shard in running:
            shard.hear_beat(beats.get(str(shard.flow_run_id)))
        if time.monotonic() - began > policies.SHARD_BEATLESS_S / 4:
            # The store was away: who could not write to it either is not silent.
            for shard in running:
                shard.heard_at = time.monotonic()

    async def _check(self, running: list[Shard], online: frozenset[str]) -> list[Shard]:
        """Return the shards that still run; what was left by the others is leased by whoever comes next."""
        states = await self._states(running)
        still: list[Shard] = []
        for shard in running:
            flow_run = states.get(shard.flow_run_id)
            if is_called_off(flow_run):
                self._call_off(shard)
                still.append(shard)
                continue
            reason = why_lost(shard, flow_run, online)
            if reason is None:
                still.append(shard)
                continue
            # Its last page may have been written after we looked.
            await asyncio.to_thread(self._hearing.read_pages)
            if not self._is_told():
                self._hands.lose(shard, flow_run, reason, done=len(self._work.results))
                told = f"{shard}: {reason}"
                self._say(f"{told}; {'others go on' if still else 'handed out again'}")
                await self._crash(flow_run, reason)
        return still

    def _call_off(self, shard: Shard) -> None:
        """Stop the whole batch: a person who cancels a part of it in Prefect wants no more of it."""
        reason = f"cancelled in Prefect: {shard}"
        self._work.call_off(reason)
        self._work.batch.services.cancel(reason)

    def _is_told(self) -> bool:
        return self._numbers <= self._work.results.keys()

    async def _hand_out(self, shard: Shard) -> None:
        """Create the shard's flow run, or find the one that an earlier dispatcher has created."""
        batch = self._work.batch
        parameters = {
            "batch_id": batch.batch_id,
            "content": batch.content,
            "first": 0,
            "last": len(batch.plans),
            "piece": self._piece,
            "number": shard.number,
            "halt_run": self._work.run_id,
            "by": batch.order.by,
            "budget_usd": batch.order.budget_usd,
            "retry_blocked": batch.order.retries_blocked,
            "pay_again": batch.order.pays_again,
            "order": batch.order.order,
            "terms": self._terms,
            "profile": self._profile,
        }
        while True:
            made_of = (batch.batch_id, batch.content, shard.number, shard.generation)
            key = hashlib.sha256(repr(made_of).encode()).hexdigest()
            flow_run = await self._ask(
                lambda key=key: self._client.create_flow_run_from_deployment(
                    self._deployment_id,
                    parameters=parameters,
                    state=due_at_once(),
                    idempotency_key=key,
                    name=f"{batch.batch_id} {shard}",
                    labels=trace_labels(),
                    tags=[batch_tag(batch.batch_id)],
                )
            )
            if flow_run.state is None or not flow_run.state.is_final():
                break
            shard.generation += 1
        shard.flow_run_id, shard.state, shard.heard_at = flow_run.id, None, time.monotonic()
        shard.beat = None

    async def _states(self, shards: list[Shard]) -> dict[UUID | None, FlowRun]:
        ids = [shard.flow_run_id for shard in shards if shard.flow_run_id]
        if not ids:
            return {}
        wanted = FlowRunFilter(id=FlowRunFilterId(any_=ids))
        found = await self._ask(lambda: self._client.read_flow_runs(flow_run_filter=wanted))
        return {flow_run.id: flow_run for flow_run in found}

    async def _crash(self, flow_run: FlowRun | None, reason: str) -> None:
        if flow_run is None or (flow_run.state and flow_run.state.is_final()):
            return
        state = Crashed(message=reason)
        await self._ask(lambda: self._client.set_flow_run_state(flow_run.id, state, force=True))

    async def _cancel(self, running: list[Shard]) -> None:
        """Stop all shards, wait a little for those at work to say how far they came, and read that."""
        # The mark first: a shard that begins now must find it.
        reason = self._work.batch.services.gate.reason or "the batch was stopped"
        await asyncio.to_thread(self._work.call_off, reason)
        states = await self._states(running)
        for shard in running:
            found = states.get(shard.flow_run_id)
            if found is None or found.state is None or found.state.is_final():
                continue
            state = Cancelled(message=reason) if found.state.is_scheduled() else Cancelling(message=reason)
            await self._set_state(shard, state)
        await self._let_end(running)
        await asyncio.to_thread(self._hearing.read_pages)

    async def _settle(self, running: list[Shard]) -> None:
        """Say in Prefect which shards have ended: nobody need begin those that no worker has taken.

        Those that were at work say so themselves, unless it was away then.
        """
        states = await self._states(running)
        untaken = [shard for shard in running if _is_scheduled(states.get(shard.flow_run_id))]
        needless = Completed(message="all rows of its batch are told of; no worker had taken it")
        for shard in untaken:
            await self._set_state(shard, needless)
        if not self._was_away:
            return
        left = await self._let_end([shard for shard in running if shard not in untaken])
        batch = self._work.batch
        beats = await asyncio.to_thread(batch.ledger.beats, batch.batch_id)
        state = Completed(message="all rows of its batch are told of; Prefect was away when it ended")
        for shard in left:
            # One that has said in the store that it is alive, and then that it is at its end.
            if shard.beat is not None and str(shard.flow_run_id) not in beats:
                await self._set_state(shard, state, force=True)

    async def _set_state(self, shard: Shard, state: State[Any], *, force: bool = False) -> None:
        flow_run_id = cast(UUID, shard.flow_run_id)
        await self._ask(lambda: self._client.set_flow_run_state(flow_run_id, state, force=force))

    async def _let_end(self, running: list[Shard]) -> list[Shard]:
        """Wait a little for shards to end, and return those that have not."""
        until = time.monotonic() + policies.SHARD_ENDS_S
        while running and time.monotonic() < until:
            states = await self._states(running)
            running = [s for s in running if (run := states.get(s.flow_run_id)) and not _is_final(run)]
            await asyncio.sleep(policies.SHARD_POLL_S if running else 0)
        return running

    async def _ask(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask Prefect, and note when it was away for a while."""
        began = time.monotonic()
        answer = await patiently(ask)
        self._was_away = self._was_away or time.monotonic() - began >= policies.SHARD_POLL_S
        return answer


def _is_scheduled(flow_run: FlowRun | None) -> bool:
    return bool(flow_run and flow_run.state and flow_run.state.is_scheduled())


def _is_final(flow_run: FlowRun) -> bool:
    return flow_run.state is not None and flow_run.state.is_final()
