"""Shards of a batch: in whose hands they are, and whether those hands are good.

A worker that was killed leaves its flow run RUNNING for ever: when the worker has gone silent, or nothing was
heard of the shard for long, another flow run takes its place. Should the first one be alive after all,
the engine's protocol keeps the two from paying twice.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from uuid import UUID

from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.states import Failed

from assetmill.errors import InvalidInput
from tasks import policies

DRAINED = "drained: "
"""How the message of a flow run begins whose process was told to end: another one goes on with its shard."""

_DRAINED = re.compile(rf"^{DRAINED}|status code:? (143|-15)\b")
"""What a worker says of one that was told so, and had no time left to say it itself."""

REFUSED = "refused: "
"""How the message of a refusal begins. Its state is plainly Failed: automations go by the names of states."""


@dataclass
class Shard:
    """One of the flow runs that share the rows of a batch: each leases what it does, piece by piece."""

    number: int
    generation: int = 0
    flow_run_id: UUID | None = None
    state: StateType | None = None
    heard_at: float = 0.0
    beat: int | None = None

    def hear_beat(self, beat: int | None) -> None:
        """Note the newest heartbeat of its flow run, None where it has none."""
        if beat is not None and beat != self.beat:
            self.beat, self.heard_at = beat, time.monotonic()

    def __str__(self) -> str:
        return f"shard {self.number}"

    def see(self, state: StateType) -> None:
        """Note the state of its flow run: one that waited for an hour and begins now is not silent."""
        if state != self.state:
            self.state, self.heard_at = state, time.monotonic()


def refusal(error: InvalidInput) -> State[InvalidInput]:
    """Return how a shard's flow run ends on a machine that cannot begin it, however often it is tried."""
    return Failed(message=f"{REFUSED}{error}", data=error)


def is_refused(flow_run: FlowRun | None) -> bool:
    """Return whether a flow run has ended with a refusal."""
    state = flow_run.state if flow_run else None
    return bool(state and state.is_failed() and (state.message or "").startswith(REFUSED))


def never_began(shard: Shard, flow_run: FlowRun | None) -> bool:
    """Return whether a flow run has ended before its shard was alive: its rows have nothing to do with it.

    So it goes on a worker with another version of this program, which does not know what it is asked.
    """
    state = flow_run.state if flow_run else None
    is_over = bool(state and (state.is_failed() or state.is_crashed()))
    return is_over and shard.beat is None and not is_refused(flow_run) and not is_drained(flow_run)


def is_called_off(flow_run: FlowRun | None) -> bool:
    """Return whether somebody has cancelled a flow run; what stops its batch is asked for before."""
    state = flow_run.state if flow_run else None
    return state is not None and state.type in {StateType.CANCELLING, StateType.CANCELLED}


def is_drained(flow_run: FlowRun | None) -> bool:
    """Return whether a flow run has ended because its process was told to; its shard is sound."""
    state = flow_run.state if flow_run else None
    return bool(state and state.is_crashed() and _DRAINED.search(state.message or ""))


def worker_of(flow_run: FlowRun | None) -> str:
    """Return the worker that took a flow run, "" when none did or the pool has none."""
    labels = flow_run.labels if flow_run else {}
    return str(labels.get("prefect.worker.name", ""))


def why_lost(shard: Shard, flow_run: FlowRun | None, online: frozenset[str]) -> str | None:
    """Return why a shard needs another flow run, None while it is in good hands."""
    if flow_run is None or flow_run.state is None:
        return "its flow run is gone"
    state = flow_run.state
    if state.is_final():
        return _how_ended(shard, flow_run, state)
    shard.see(state.type)
    if not (state.is_running() or state.is_pending()):
        return None
    # A worker may also die between taking a flow run and starting it.
    worker = worker_of(flow_run)
    if worker and worker not in online:
        return f"its worker {worker!r} has gone silent"
    patience = policies.SHARD_SILENCE_S if state.is_running() else policies.SHARD_PENDING_S
    if shard.beat is not None:
        # Its worker may be there again under the same name; it is not the one that has the shard.
        patience = policies.SHARD_BEATLESS_S
    if time.monotonic() - shard.heard_at > patience:
        return f"nothing was heard of it for {patience:.0f} s"
    return None


def _how_ended(shard: Shard, flow_run: FlowRun, state: State) -> str:
    message = state.message or ""
    worker = worker_of(flow_run)
    who = f"worker {worker!r}" if worker else "its flow run"
    if is_refused(flow_run):
        return f"{who} refused it: {message.removeprefix(REFUSED)}"
    said = message.removeprefix("Flow run encountered an exception: ")
    if worker and never_began(shard, flow_run):
        needs = "has it the version of assetmill that this batch was begun with? Its log says why"
        return f"{who} could not begin it ({said or state.name}): {needs}"
    return f"its flow run ended {state.name}{': ' if said else ''}{said}"


def untaken(running: list[Shard], pool: str) -> str:
    """Return which shards no worker has taken for a while, and what to do; "" when all are taken.

    Prefect calls them late no more than whoever has the batch: their state has a name of its own.
    """
    since = time.monotonic() - policies.SHARD_UNTAKEN_S
    waiting = [shard for shard in running if shard.state in {None, StateType.SCHEDULED}]
    late = [shard for shard in waiting if shard.state and shard.heard_at < since]
    is_any_taken = len(waiting) < len(running)
    if not late or (late != waiting and not is_any_taken):
        return ""
    which = ", ".join(map(str, late)) if is_any_taken else "a shard"
    who = ", others do its rows" if is_any_taken else ""
    room = f"`prefect worker start --pool {pool} --limit N` with room besides the batch itself"
    for_s = f"for {policies.SHARD_UNTAKEN_S:.0f} s"
    return f"no worker of work pool {pool!r} has taken {which} {for_s}{who}: {room}"
