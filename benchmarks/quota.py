"""How close paid requests come to what a quota allows, on a simulated clock: minutes pass in a moment.

The product's own pacer and leases, the emulator's own meter as the service; posts arrive unevenly late, and a
process has as many stages at work as the quota grants a minute, and a few more. `benchmarks.pacing` measures
in real minutes.
"""

from __future__ import annotations

import heapq
import random
import tempfile
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from foundry_emulator.boundary.errors import WireError
from foundry_emulator.boundary.quota import QuotaMeter
from foundry_emulator.clock import Clock

from assetmill.agents.pacing import PROBE_S, Pacer, Rates, sane_wait_s
from benchmarks.bench import headline
from tests.assetmill.batches.test_quota_parts import Shop
from tests.batchworks import ONE, products
from tests.millworks import settings_in

MINUTES = 5
QUOTAS = (6, 60, 600)
LATENCY_S = 20.0
WANTED = {"requests": 1.0}
TARGETS = {"one process": 1.03, "four processes": 1.08, "unknown": 1.15, "unknown, no wait named": 1.15}


@dataclass(frozen=True)
class Paced:
    """How long some minutes' quota took, to the ideal, and what was refused."""

    ratio: float
    refused: int


class Simulated(Clock):
    """The emulator's clock, set by hand."""

    def __init__(self) -> None:
        self.at = 1_000_000.0  # nothing of it is kept in a state

    def now(self) -> float:
        return self.at


class Process:
    """One process: stages that ask the pacer, wait for a slot, post, and are at work for a while."""

    def __init__(self, a_minute: int, *, is_known: bool, names_wait: bool) -> None:
        self._clock, self._a_minute, self._names_wait = Simulated(), a_minute, names_wait
        self._service, self._chance = QuotaMeter(self._clock), random.Random(7)  # noqa: S311 - delays
        rates = {"m": Rates(requests=float(a_minute))} if is_known else {}
        self._pacer = Pacer(rates, clock=self._clock.now)
        self._count = MINUTES * a_minute
        self._slots = a_minute + 10
        self._events: list[tuple[float, int, str]] = []
        self._waiting, self._tries = deque[int](), [0] * self._count
        self.refused, self._last = 0, 0.0

    def run(self) -> Paced:
        """Go through all stages; the ideal is a minute for each quota but the last, which opens at once."""
        began = self._clock.now()
        at_first = min(self._slots + 10, self._count)
        for stage in range(at_first):
            self._at(0.0, stage, "ask")
        following = iter(range(at_first, self._count))
        steps = {"ask": self._ask, "post": self._post}
        while self._events:
            self._clock.at, stage, what = heapq.heappop(self._events)
            if what != "end":
                steps[what](stage)
                continue
            self._free()
            if (stage := next(following, -1)) >= 0:
                self._at(0.0, stage, "ask")
        return Paced((self._last - began) / ((MINUTES - 1) * 60.0), self.refused)

    def _at(self, after_s: float, stage: int, what: str) -> None:
        heapq.heappush(self._events, (self._clock.at + after_s, stage, what))

    def _ask(self, stage: int) -> None:
        if wait_s := self._pacer.take("m", WANTED):
            return self._at(min(wait_s, self._pacer.pause_s), stage, "ask")
        self._waiting.append(stage)
        if self._slots:
            self._slots -= 1
            self._begin()

    def _begin(self) -> None:
        self._at(self._chance.uniform(0.05, 0.4), self._waiting.popleft(), "post")

    def _free(self) -> None:
        if self._waiting:
            self._begin()
        else:
            self._slots += 1

    def _post(self, stage: int) -> None:
        try:
            self._service.admit({"m": {"requests_per_minute": self._a_minute}}, {"m": WANTED})
        except WireError as error:
            self._refuse(stage, float(error.headers["retry-after"]) if self._names_wait else None)
        else:
            self._pacer.arrived("m", WANTED)
            self._last = self._clock.at
            self._at(LATENCY_S, stage, "end")

    def _refuse(self, stage: int, wait_s: float | None) -> None:
        self.refused += 1
        self._pacer.refused("m", WANTED, wait_s)
        # As `stage/patience.py` waits before it asks the pacer again.
        self._tries[stage] += 1
        unsaid_s = min(2.0 ** self._tries[stage], 30.0)
        self._at(min(sane_wait_s(wait_s) or unsaid_s, PROBE_S), stage, "ask")
        self._free()


def four(a_minute: int) -> Paced:
    """Let four workers of a batch share a quota by leases; none is refused, as the service's minute shows."""
    with tempfile.TemporaryDirectory() as folder:
        shop = Shop(settings_in(Path(folder), one=ONE), products(Path(folder), "a mug"))
        wanted = MINUTES * a_minute
        for number in range(4):
            shop.hire(wanted // 4 + (wanted % 4 if number == 0 else 0), a_minute, slots=2 * a_minute)
        began = shop.clock[0]
        shop.go_on(3 * MINUTES * 60.0)
        shop.close()
    assert len(shop.posts) == wanted
    above = max(shop.most_in_a_minute() - a_minute, 0)
    return Paced((shop.posts[-1] - began) / ((MINUTES - 1) * 60.0), above)


def measure(kind: str, a_minute: int) -> Paced:
    """Measure one kind of `TARGETS`."""
    if kind == "four processes":
        return four(a_minute)
    is_known = kind == "one process"
    return Process(a_minute, is_known=is_known, names_wait=not kind.endswith("named")).run()


def main() -> None:
    print(f"{MINUTES} minutes' quota, time to the ideal, on a simulated clock (requests refused)")
    for kind, target in TARGETS.items():
        found = [(a_minute, measure(kind, a_minute)) for a_minute in QUOTAS]
        told = ", ".join(f"{a_minute}: {one.ratio:.3f} ({one.refused})" for a_minute, one in found)
        print(f"  {kind:24} {told}   target: at most {target}")


if __name__ == "__main__":
    print(headline())
    main()
