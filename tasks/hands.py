"""Whose hands a batch can still be given to: not to workers that refuse, nor to ever more that die."""

from __future__ import annotations

from prefect.client.schemas.objects import FlowRun

from tasks import policies
from tasks.pools import Pool
from tasks.shards import Shard, is_drained, is_refused, worker_of


class Hands:
    """What one run of a batch has learnt of its workers. `fault` is why the last shard was lost."""

    def __init__(self) -> None:
        self.fault = ""
        self._refusers: set[str] = set()
        self._nameless_refusals = 0
        self._losses = 0
        self._done = 0

    def lose(self, shard: Shard, flow_run: FlowRun | None, reason: str, *, done: int) -> None:
        """Note how a shard was lost, and how many rows were told of by then: who gets on is not hopeless."""
        self.fault = reason
        if done > self._done:
            self._done, self._losses = done, 0
        if is_refused(flow_run):
            self._refusers.add(worker_of(flow_run))
            self._nameless_refusals += not worker_of(flow_run)
        elif not is_drained(flow_run):
            self._losses += 1

    def width(self, seen: Pool) -> int:
        """Return how many shards can be at work: another worker may have what one that refused lacks."""
        if self._losses >= policies.SHARD_LOSSES:
            return 0
        if not self._refusers:
            return seen.width
        # Where no worker has a name, whoever takes the next one is not known either.
        if self._nameless_refusals > policies.SHARD_REFUSALS:
            return 0
        return min(seen.width, len(seen.online - self._refusers))
