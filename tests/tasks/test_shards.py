"""When a shard is handed out again, and when it is left in the hands that have it."""

from __future__ import annotations

import time
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun, State, StateType

from assetmill.errors import InvalidSettings
from tasks import policies
from tasks.shards import Shard, is_drained, refusal, untaken, why_lost

ONLINE = frozenset({"here"})


def shard(silent_s: float = 0.0, state: StateType | None = None) -> Shard:
    return Shard(1, state=state, heard_at=time.monotonic() - silent_s)


def flow_run(kind: StateType, worker: str = "", message: str | None = None) -> FlowRun:
    labels: dict[str, Any] = {"prefect.worker.name": worker} if worker else {}
    return FlowRun(flow_id=uuid4(), state=State(type=kind, message=message), labels=labels)


@pytest.mark.parametrize("kind", [StateType.PENDING, StateType.RUNNING])
def test_a_shard_whose_worker_is_gone_is_lost_before_and_after_it_has_begun(kind: StateType) -> None:
    assert why_lost(shard(), flow_run(kind, "gone"), ONLINE) == "its worker 'gone' has gone silent"
    assert why_lost(shard(), flow_run(kind, "here"), ONLINE) is None


def test_a_shard_that_waits_for_a_worker_is_never_lost() -> None:
    waiting = shard(silent_s=10 * policies.SHARD_SILENCE_S)
    assert why_lost(waiting, flow_run(StateType.SCHEDULED), frozenset()) is None
    # It begins now, and is not silent because it had to wait.
    assert why_lost(waiting, flow_run(StateType.RUNNING, "here"), ONLINE) is None


def test_shards_that_nobody_takes_are_told_of() -> None:
    late = shard(policies.SHARD_UNTAKEN_S + 1, StateType.SCHEDULED)
    assert "--limit N" in untaken([late, late], "p")
    assert untaken([late, shard(0.0, StateType.SCHEDULED)], "p") == ""
    assert untaken([], "p") == ""


def test_a_shard_that_nobody_takes_is_told_of_while_others_are_at_work() -> None:
    """Prefect does not call it late, because its state has a name of its own."""
    late = Shard(3, state=StateType.SCHEDULED, heard_at=time.monotonic() - policies.SHARD_UNTAKEN_S - 1)
    at_work = shard(policies.SHARD_UNTAKEN_S + 1, StateType.RUNNING)
    told = untaken([at_work, late], "p")
    assert told.startswith("no worker of work pool 'p' has taken shard 3 for 60 s, others do its rows: ")
    assert untaken([at_work, shard(0.0, StateType.SCHEDULED)], "p") == ""


@pytest.mark.parametrize(
    ("kind", "patience"),
    [(StateType.PENDING, policies.SHARD_PENDING_S), (StateType.RUNNING, policies.SHARD_SILENCE_S)],
)
def test_a_shard_of_which_nothing_is_heard_is_lost(kind: StateType, patience: float) -> None:
    assert why_lost(shard(patience - 60, kind), flow_run(kind, "here"), ONLINE) is None
    told = why_lost(shard(patience + 60, kind), flow_run(kind, "here"), ONLINE)
    assert told == f"nothing was heard of it for {patience:.0f} s"


def test_a_shard_whose_heartbeat_has_stopped_is_lost_though_its_worker_is_there_again() -> None:
    beaten = shard(state=StateType.RUNNING)
    beaten.hear_beat(7)
    assert why_lost(beaten, flow_run(StateType.RUNNING, "here"), ONLINE) is None
    beaten.heard_at -= policies.SHARD_BEATLESS_S + 1
    beaten.hear_beat(7)
    told = why_lost(beaten, flow_run(StateType.RUNNING, "here"), ONLINE)
    assert told == f"nothing was heard of it for {policies.SHARD_BEATLESS_S:.0f} s"
    beaten.hear_beat(8)
    assert why_lost(beaten, flow_run(StateType.RUNNING, "here"), ONLINE) is None


@pytest.mark.parametrize(
    "message", ["drained: 3 rows were ended", "Flow run process exited with non-zero status code: 143"]
)
def test_a_flow_run_whose_process_was_told_to_end_is_no_loss(message: str) -> None:
    assert is_drained(flow_run(StateType.CRASHED, "here", message))
    assert not is_drained(flow_run(StateType.CRASHED, "here", "status code: 137"))


def test_a_flow_run_that_failed_or_is_gone_is_said_with_its_reason() -> None:
    message = "Flow run encountered an exception: InvalidSettings: another file"
    ended = flow_run(StateType.FAILED, message=message)
    assert why_lost(shard(), ended, ONLINE) == "its flow run ended Failed: InvalidSettings: another file"
    assert why_lost(shard(), None, ONLINE) == "its flow run is gone"


def refused(worker: str = "") -> FlowRun:
    message = refusal(InvalidSettings("another file: bring this machine up to date")).message
    return flow_run(StateType.FAILED, worker, message)


def test_a_refusal_names_the_worker_and_what_is_wrong_with_it() -> None:
    told = "refused it: another file: bring this machine up to date"
    assert why_lost(shard(), refused("here"), ONLINE) == f"worker 'here' {told}"
    assert why_lost(shard(), refused(), frozenset()) == f"its flow run {told}"


def test_a_worker_that_cannot_begin_is_named_with_what_it_may_lack() -> None:
    message = "Process exited with status code: 1. Process exited with a general error."
    stranger = flow_run(StateType.CRASHED, "old", message)
    told = why_lost(shard(), stranger, ONLINE)
    assert told == (
        f"worker 'old' could not begin it ({message}): has it the version of assetmill that this batch was "
        "begun with? Its log says why"
    )
    beaten = shard()
    beaten.hear_beat(1)
    assert why_lost(beaten, stranger, ONLINE) == f"its flow run ended Crashed: {message}"
