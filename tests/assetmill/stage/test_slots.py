from __future__ import annotations

import pytest

from assetmill.errors import RunStopped
from assetmill.stage.slots import Slots


class Clock:
    """A clock that only waiting moves, and somebody who stops the run."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.waited: list[float] = []
        self.is_stopped = False

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
    pauses = turns(Slots(100, lambda: clock.now, clock.wait), clock, 50)
    at_once = pauses.count(0.0)
    assert 4 <= at_once <= 10
    late = pauses[at_once:]
    apart = late[1] - late[0]
    assert 0.01 < apart < 0.1
    assert late == pytest.approx([late[0] + n * apart for n in range(len(late))])


def test_who_begins_rarely_never_waits() -> None:
    clock = Clock()
    slots = Slots(2, lambda: clock.now, clock.wait)
    for _ in range(40):
        clock.now += 1.0
        assert turns(slots, clock, 2) == [0.0, 0.0]


@pytest.mark.parametrize("step_s", [-86400.0, 86400.0])
def test_a_clock_that_is_set_keeps_nobody_waiting(step_s: float) -> None:
    clock = Clock()
    slots = Slots(10, lambda: clock.now, clock.wait)
    turns(slots, clock, 30)
    clock.now += step_s
    assert max(turns(slots, clock, 5)) < 1.0


def test_who_is_stopped_while_waiting_leaves_its_slot_to_others() -> None:
    clock = Clock()
    slots = Slots(1, lambda: clock.now, clock.wait)
    clock.is_stopped = True
    for _ in range(3):
        with pytest.raises(RunStopped), slots.take():
            pass
    clock.is_stopped = False
    assert turns(slots, clock, 1) == [0.0]
