from __future__ import annotations

from itertools import pairwise

import pytest

from assetmill.errors import RunStopped
from assetmill.stage.slots import Slots


class Clock:
    """A clock that only waiting moves, CPU of so much for each stage, and somebody who stops the run."""

    def __init__(self, each_s: float = 0.02) -> None:
        self.now = 1000.0
        self.each_s, self.used_s = each_s, 0.0
        self.waited: list[float] = []
        self.is_stopped = False

    def used(self) -> float:
        self.used_s += self.each_s
        return self.used_s

    def wait(self, seconds: float) -> None:
        if self.is_stopped:
            raise RunStopped("stopped")
        self.waited.append(seconds)


def turns(slots: Slots, clock: Clock, count: int) -> list[float]:
    clock.waited.clear()
    for _ in range(count):
        with slots.take():
            assert slots.taken == 1
    assert slots.taken == 0
    return list(clock.waited)


def test_a_few_begin_at_once_and_the_others_one_after_another() -> None:
    clock = Clock()
    pauses = turns(Slots(100, lambda: clock.now, clock.wait, clock.used), clock, 50)
    at_once = pauses.count(0.0)
    assert 4 <= at_once <= 10
    late = pauses[at_once:]
    apart = late[1] - late[0]
    assert 0.01 < apart < 0.1
    assert late == pytest.approx([late[0] + n * apart for n in range(len(late))])


@pytest.mark.parametrize(("each_s", "apart_s"), [(0.002, 0.002), (0.05, 0.05), (3.0, 0.1)])
def test_stages_begin_as_far_apart_as_each_costs_this_process(each_s: float, apart_s: float) -> None:
    clock = Clock(each_s)
    slots = Slots(1000, lambda: clock.now, clock.wait, clock.used)
    turns(slots, clock, 40)
    pauses = turns(slots, clock, 20)
    assert [late - early for early, late in pairwise(pauses)] == pytest.approx([apart_s] * 19)


def test_who_begins_rarely_never_waits() -> None:
    clock = Clock()
    slots = Slots(2, lambda: clock.now, clock.wait, clock.used)
    for _ in range(40):
        clock.now += 1.0
        assert turns(slots, clock, 2) == [0.0, 0.0]


@pytest.mark.parametrize("step_s", [-86400.0, 86400.0])
def test_a_clock_that_is_set_keeps_nobody_waiting(step_s: float) -> None:
    clock = Clock()
    slots = Slots(10, lambda: clock.now, clock.wait, clock.used)
    turns(slots, clock, 30)
    clock.now += step_s
    assert max(turns(slots, clock, 5)) < 1.0


def test_who_is_stopped_while_waiting_leaves_its_slot_to_others() -> None:
    clock = Clock()
    slots = Slots(1, lambda: clock.now, clock.wait, clock.used)
    clock.is_stopped = True
    for _ in range(3):
        with pytest.raises(RunStopped), slots.take():
            pass
    clock.is_stopped = False
    assert turns(slots, clock, 1) == [0.0]
