"""Whose hands a batch can still be given to: not to workers that refuse, nor to ever more that die."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from prefect.client.schemas.objects import FlowRun

from tasks import policies
from tasks.pools import Pool
from tasks.shards import Shard, is_drained, is_refused, never_began, worker_of


class Hands:
    """What one run of a batch has learnt of its workers. `fault` is why the last shard was lost.

    `may_have_paid`: one that was lost, or was drained, had begun.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.fault = ""
        self.may_have_paid = False
        self._clock = clock
        self._refused_at: dict[str, float] = {}
        self._beginnings: Counter[str] = Counter()
        self._nameless_refusals = 0
        self._losses = 0
        self._done = 0
        self._held_until = 0.0
        self._has_refusals = False
        self._awaited_at, self._awaited_until = 0, 0.0

    def lose(self, shard: Shard, flow_run: FlowRun | None, reason: str, *, done: int) -> None:
        """Note how a shard was lost, and how many rows were told of by then: who gets on is not hopeless."""
        self.fault = reason
        if done > self._done:
            self._done, self._losses = done, 0
        if is_refused(flow_run):
            self._refuse(worker_of(flow_run))
        elif never_began(shard, flow_run) and (worker := worker_of(flow_run)):
            # It may have been an outage; a worker that cannot begin for good is known by the third time.
            self._beginnings[worker] += 1
            if self._beginnings[worker] >= policies.SHARD_LOSSES:
                del self._beginnings[worker]
                self._refuse(worker)
        else:
            self.may_have_paid = True
            self._losses += not is_drained(flow_run)

    def _refuse(self, worker: str) -> None:
        now, self._has_refusals = self._clock(), True
        if not worker:
            self._nameless_refusals += 1
            return
        if worker in self._refused_at:
            # It is quicker than those that could do it: they get the time to ask.
            self._held_until = now + policies.REFUSAL_HELD_S
        self._refused_at[worker] = now

    def is_held(self) -> bool:
        """Whether nothing is handed out now: it would come to the worker that has just refused it again."""
        return self._clock() < self._held_until

    def width(self, seen: Pool) -> int:
        """Return how many shards can be at work: another worker may have what one that refused lacks."""
        if self._losses >= policies.SHARD_LOSSES:
            return 0
        # Where no worker has a name, whoever takes the next one is not known either.
        if self._nameless_refusals > policies.SHARD_REFUSALS:
            return 0
        if not self._refused_at and not self._nameless_refusals and not self._beginnings:
            return seen.width
        able = seen.online - self._refusers(seen)
        # Who could not begin comes last, and is not waited for while others are at work.
        return min(seen.width, len(able - self._beginnings.keys()) or len(able))

    def awaited_until(self, *, done: int) -> float:
        """Return until when, in Unix seconds, a worker that is being replaced is waited for, else 0.

        Only where rows were done: what all workers refuse from the start is not an upgrade under way.
        """
        if not self._has_refusals or self._losses >= policies.SHARD_LOSSES or not done:
            return 0.0
        if done != self._awaited_at:
            self._awaited_at, self._awaited_until = done, self._clock() + policies.HANDS_AWAITED_S
        return self._awaited_until

    def _refusers(self, seen: Pool) -> frozenset[str]:
        """Return who has refused, but for those that went since, or had the time to be brought up to date."""
        oldest = self._clock() - policies.REFUSAL_KEPT_S
        self._refused_at = {
            worker: at for worker, at in self._refused_at.items() if worker in seen.online and at > oldest
        }
        return frozenset(self._refused_at)
