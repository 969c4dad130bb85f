"""To whom a batch is still given after workers have refused it, died with it or drained."""

from __future__ import annotations

from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun, State, StateType

from assetmill.errors import InvalidSettings
from tasks import policies
from tasks.hands import Hands
from tasks.pools import Pool
from tasks.shards import DRAINED, Shard, refusal


def pool(*online: str, width: int = 0) -> Pool:
    return Pool(width or max(1, len(online)), frozenset(online), "")


def refused(worker: str = "") -> FlowRun:
    state = State(type=StateType.FAILED, message=refusal(InvalidSettings("another file")).message)
    return FlowRun(flow_id=uuid4(), state=state, labels={"prefect.worker.name": worker} if worker else {})


def crashed(message: str, worker: str = "") -> FlowRun:
    found = FlowRun(flow_id=uuid4(), state=State(type=StateType.CRASHED, message=message))
    if worker:
        found.labels["prefect.worker.name"] = worker
    return found


def after(*lost: FlowRun | None, done: int = 0) -> Hands:
    hands = Hands()
    for flow_run in lost:
        hands.lose(Shard(1), flow_run, "why", done=done)
    return hands


def test_as_many_as_the_pool_has_room_for_until_one_is_lost() -> None:
    assert Hands().width(pool("a", "b", width=5)) == 5
    assert after(None).width(pool("a", "b")) == 2


def test_a_worker_that_refused_is_not_counted_on() -> None:
    stale = after(*[refused("a")] * 9)
    assert (stale.width(pool("a", "b")), stale.fault) == (1, "why")
    assert stale.width(pool("a", "b", "c")) == 2, "one that came since may have what it lacks"
    assert stale.width(pool("a")) == 0


def test_machines_without_names_are_alike() -> None:
    assert after(refused()).width(pool()) == 0
    assert after(refused()).width(pool("a", "b")) == 2
    assert after(refused(), refused()).width(pool("a", "b")) == 0


@pytest.mark.parametrize(
    ("lost", "may_have_paid"),
    [
        (refused("a"), False),
        (crashed("an older version", "a"), False),
        (crashed("status code: 137"), True),
        (crashed(DRAINED, "a"), True),
    ],
    ids=("refused", "never began", "died", "drained"),
)
def test_who_has_begun_may_have_paid(lost: FlowRun, may_have_paid: bool) -> None:
    assert after(lost).may_have_paid == may_have_paid


def test_who_loses_one_after_another_without_a_row_done_is_given_nothing_more() -> None:
    died = [crashed("status code: 137")] * policies.SHARD_LOSSES
    assert after(*died[1:]).width(pool("a")) == 1
    assert after(*died).width(pool("a")) == 0


def test_rows_done_meanwhile_show_that_losses_are_not_the_batch_itself() -> None:
    hands = after(*[crashed("status code: 137")] * (policies.SHARD_LOSSES - 1))
    hands.lose(Shard(1), None, "why", done=4)
    assert hands.width(pool("a")) == 1


def test_drains_are_no_losses() -> None:
    drained = [crashed(f"{DRAINED}3 rows were ended")] * (9 * policies.SHARD_LOSSES)
    assert after(*drained).width(pool("a")) == 1


def test_a_worker_that_cannot_begin_costs_the_batch_nothing_and_comes_last() -> None:
    older = [crashed("Process exited with status code: 1", "old")] * policies.SHARD_LOSSES
    assert after(*older[1:]).width(pool("old", "b")) == 1
    assert after(*older[1:]).width(pool("old")) == 1, "it may have been an outage"
    assert after(*older).width(pool("old", "b")) == 1
    assert after(*older).width(pool("old")) == 0


def test_a_shard_that_was_alive_is_a_loss_on_whatever_worker() -> None:
    hands, alive = Hands(), Shard(1, beat=1)
    for _ in range(policies.SHARD_LOSSES):
        hands.lose(alive, crashed("status code: 137", "a"), "why", done=0)
    assert hands.width(pool("a", "b")) == 0


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def test_a_worker_that_was_replaced_is_asked_again() -> None:
    clock = Clock()
    hands = Hands(clock)
    hands.lose(Shard(1), refused("a"), "why", done=1)
    assert hands.width(pool("a")) == 0
    clock.now_s += policies.REFUSAL_KEPT_S + 1
    assert hands.width(pool("a")) == 1
    hands.lose(Shard(2), refused("a"), "why", done=1)
    assert (hands.width(pool("a", "b")), hands.width(pool("b")), hands.width(pool("a"))) == (1, 1, 1)


def test_nothing_is_handed_out_for_a_while_to_one_that_refuses_time_and_again() -> None:
    clock = Clock()
    hands = Hands(clock)
    hands.lose(Shard(1), refused("a"), "why", done=0)
    assert not hands.is_held()
    hands.lose(Shard(2), refused("a"), "why", done=0)
    assert hands.is_held()
    clock.now_s += policies.REFUSAL_HELD_S
    assert not hands.is_held()


def test_a_worker_that_is_being_replaced_is_waited_for_where_rows_were_done() -> None:
    clock = Clock()
    hands = Hands(clock)
    assert hands.awaited_until(done=3) == 0.0, "nobody has refused"
    hands.lose(Shard(1), refused("a"), "why", done=0)
    assert hands.awaited_until(done=0) == 0.0, "all refuse from the start"
    until = hands.awaited_until(done=3)
    assert until == clock.now_s + policies.HANDS_AWAITED_S
    clock.now_s += 100.0
    assert hands.awaited_until(done=3) == until
    assert hands.awaited_until(done=4) == until + 100.0, "one has come, and gone again"
