"""Pacing on a clock that jumps, against a service that counts its own minute."""

from __future__ import annotations

import heapq
import random
from collections import deque

import pytest

from assetmill.agents.pacing import PROBE_S, Pacer, Rates


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Minute:
    """The service's own account: at most `limit` admissions in any sixty seconds."""

    def __init__(self, limit: int) -> None:
        self.limit, self.admitted, self.refused = limit, deque[float](), 0

    def admit(self, now: float) -> bool:
        while self.admitted and self.admitted[0] <= now - 60.0:
            self.admitted.popleft()
        if len(self.admitted) >= self.limit:
            self.refused += 1
            return False
        self.admitted.append(now)
        return True


def run_batch(requests: int, limit: int, processes: int, *, learned: bool = False) -> tuple[float, int]:
    """Send a batch from several processes with uneven network delays; return seconds and refusals."""
    clock, service, random_delay = Clock(), Minute(limit), random.Random(7)
    rates = {} if learned else {"m": Rates(requests=float(limit))}
    pacers = [Pacer(rates, share=1 / processes, clock=clock) for _ in range(processes)]
    if learned:
        for pacer in pacers:
            pacer.correct("m", {"x-ratelimit-limit-requests": str(limit)})
    events = [(clock.now, number, "ask") for number in range(requests)]
    heapq.heapify(events)
    end = clock.now
    while events:
        clock.now, number, what = heapq.heappop(events)
        pacer = pacers[number % processes]
        if what == "ask":
            wait_s = pacer.take("m", {"requests": 1})
            arrival = clock.now + random_delay.uniform(0.01, 0.4)
            heapq.heappush(
                events, (clock.now + wait_s, number, "ask") if wait_s else (arrival, number, "send")
            )
        elif service.admit(clock.now):
            pacer.arrived("m", {"requests": 1})
            end = clock.now
        else:
            pacer.refused("m", {"requests": 1}, 1.0)
            heapq.heappush(events, (clock.now + 1.0, number, "ask"))
    return end - 1000.0, service.refused


@pytest.mark.parametrize("learned", [False, True])
@pytest.mark.parametrize(("processes", "ratio"), [(1, 1.05), (3, 1.15)])
def test_a_batch_takes_little_longer_than_the_quota_demands(
    processes: int, ratio: float, learned: bool
) -> None:
    """Three hundred requests at sixty a minute can be admitted in four minutes at best."""
    seconds, refused = run_batch(300, 60, processes, learned=learned)
    assert seconds <= 240.0 * ratio
    assert refused < 0.02 * 300


def test_a_refusal_closes_the_deployment_for_as_long_as_it_says() -> None:
    clock = Clock()
    pacer = Pacer({}, clock=clock)
    assert pacer.take("m", {"requests": 1}) == 0.0
    pacer.refused("m", {"requests": 1}, 30.0)
    assert pacer.take("m", {"requests": 1}) == 30.0
    assert pacer.take("other", {"requests": 1}) == 0.0
    clock.now += 30.0
    assert pacer.take("m", {"requests": 1}) == 0.0


def test_of_a_long_refusal_one_request_at_a_time_finds_out_whether_it_still_holds() -> None:
    clock = Clock()
    pacer = Pacer({}, clock=clock)
    pacer.refused("m", {"requests": 1}, 3_600.0)
    assert pacer.take("m", {"requests": 1}) == PROBE_S
    clock.now += PROBE_S
    assert pacer.take("m", {"requests": 1}) == 0.0
    assert pacer.take("m", {"requests": 1}) == PROBE_S
    pacer.arrived("m", {"requests": 1})
    assert pacer.take("m", {"requests": 1}) == 0.0


def test_what_was_sent_before_a_refusal_does_not_end_it() -> None:
    clock = Clock()
    pacer = Pacer({}, clock=clock)
    pacer.take("m", {"requests": 1})
    pacer.take("m", {"requests": 1})
    pacer.refused("m", {"requests": 1}, 60.0)
    pacer.arrived("m", {"requests": 1})
    assert pacer.take("m", {"requests": 1}) == 60.0


def test_every_named_quantity_is_kept() -> None:
    clock = Clock()
    pacer = Pacer({"m": Rates(requests=100, tokens=1000)}, clock=clock)
    assert pacer.take("m", {"requests": 1, "tokens": 800}) == 0.0
    assert pacer.take("m", {"requests": 1, "tokens": 300}) == pytest.approx(60.25)
    assert pacer.take("m", {"requests": 1, "tokens": 200}) == 0.0


def test_one_request_above_a_whole_quota_goes_alone() -> None:
    pacer = Pacer({"m": Rates(tokens=100)}, clock=Clock())
    assert pacer.take("m", {"tokens": 500}) == 0.0
    assert pacer.take("m", {"tokens": 1}) > 0.0


def test_an_unknown_limit_never_waits() -> None:
    pacer = Pacer({}, clock=Clock())
    assert all(pacer.take("m", {"requests": 1}) == 0.0 for _ in range(1000))


def test_a_minute_begins_when_the_service_has_answered_not_when_the_share_was_taken() -> None:
    clock = Clock()
    pacer = Pacer({"m": Rates(requests=2.0)}, clock=clock)
    assert pacer.take("m", {"requests": 1}) == pacer.take("m", {"requests": 1}) == 0.0
    clock.now += 50.0  # both waited for a slot
    pacer.arrived("m", {"requests": 1})
    pacer.arrived("m", {"requests": 1})
    clock.now += 11.0
    assert pacer.take("m", {"requests": 1}) == pytest.approx(49.25)


def test_an_answer_counts_even_when_its_share_had_been_forgotten() -> None:
    clock = Clock()
    pacer = Pacer({"m": Rates(requests=1.0)}, clock=clock)
    assert pacer.take("m", {"requests": 1}) == 0.0
    clock.now += 90.0
    assert pacer.take("m", {"requests": 1}) == 0.0
    pacer.arrived("m", {"requests": 1})
    pacer.arrived("m", {"requests": 1})
    assert pacer.take("m", {"requests": 1}) == pytest.approx(60.25)


def test_a_limit_that_is_renewed_every_ten_seconds_is_kept_in_each_ten() -> None:
    clock = Clock()
    pacer = Pacer({}, clock=clock)
    told = {"x-ratelimit-limit-requests": "2", "x-ratelimit-renewalperiod-requests": "10"}
    pacer.correct("m", told)
    assert pacer.take("m", {"requests": 1}) == pacer.take("m", {"requests": 1}) == 0.0
    assert pacer.take("m", {"requests": 1}) == pytest.approx(10.25)
    clock.now += 10.3
    assert pacer.take("m", {"requests": 1}) == 0.0


@pytest.mark.parametrize("period", ["0", "", "soon", "-1", "86400"])
def test_a_period_that_means_nothing_is_a_minute(period: str) -> None:
    clock = Clock()
    pacer = Pacer({}, clock=clock)
    pacer.correct("m", {"x-ratelimit-limit-requests": "1", "x-ratelimit-renewalperiod-requests": period})
    assert pacer.take("m", {"requests": 1}) == 0.0
    assert pacer.take("m", {"requests": 1}) == pytest.approx(60.25)


def test_a_refused_request_counts_as_the_service_counts_it() -> None:
    clock = Clock()
    pacer = Pacer({"m": Rates(requests=1.0)}, clock=clock)
    assert pacer.take("m", {"requests": 1}) == 0.0
    pacer.refused("m", {"requests": 1}, 1.0)
    clock.now += 2.0
    assert pacer.take("m", {"requests": 1}) == pytest.approx(58.25)


def sent(pacer: Pacer, count: int) -> None:
    """Send and have admitted as many requests as asked for."""
    for _ in range(count):
        assert pacer.take("m", {"requests": 1}) == 0.0
        pacer.arrived("m", {"requests": 1})


def test_a_limit_that_nobody_names_is_what_was_admitted_before_a_refusal() -> None:
    clock = Clock()
    pacer = Pacer({}, clock=clock)
    sent(pacer, 20)
    assert pacer.take("m", {"requests": 1}) == 0.0
    pacer.refused("m", {"requests": 1}, None)
    clock.now += 2.0
    assert pacer.take("m", {"requests": 1}) > 0.0
    clock.now += 58.5
    sent(pacer, 20)
    assert pacer.take("m", {"requests": 1}) == 0.0  # one asks for more
    assert pacer.take("m", {"requests": 1}) > 0.0  # and one alone


def test_a_refusal_for_another_reason_soon_counts_for_nothing() -> None:
    clock, admitted = Clock(), 0
    pacer = Pacer({}, clock=clock)
    sent(pacer, 3)
    pacer.take("m", {"requests": 1})
    pacer.refused("m", {"requests": 1}, None)
    for _ in range(60):
        clock.now += 1.0
        while pacer.take("m", {"requests": 1}) == 0.0:
            pacer.arrived("m", {"requests": 1})
            admitted += 1
    assert admitted > 500


def test_a_limit_that_an_answer_names_counts_instead_of_a_learnt_one() -> None:
    clock = Clock()
    pacer = Pacer({}, clock=clock)
    sent(pacer, 3)
    pacer.take("m", {"requests": 1})
    pacer.refused("m", {"requests": 1}, None)
    pacer.correct("m", {"x-ratelimit-limit-requests": "50"})
    clock.now += 2.0
    sent(pacer, 46)  # what was refused counts, too
    assert pacer.take("m", {"requests": 1}) > 0.0


def test_only_the_deployment_that_grants_least_learns_from_a_refusal() -> None:
    clock = Clock()
    pacer = Pacer({}, clock=clock)
    sent(pacer, 3)
    pacer.take("m", {"requests": 1})
    pacer.refused("m", {"requests": 1}, None, is_shortest=False)
    clock.now += 5.0
    sent(pacer, 100)
