"""A virtual machine for workers: one runs at a time, on a virtual clock, in an order that a seed decides.

Every effect passes through `World.step`. There a worker may be killed, put to sleep for minutes, or simply
overtaken, so that each interleaving of effects and each crash between two of them is some seed's future.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import greenlet

MAX_STEPS = 8_000


class Killed(BaseException):
    """The process is no more; only locks of its own memory are released on the way out."""


class Violation(Exception):
    """The simulation saw what must never happen."""


@dataclass
class Chaos:
    """How bad a seed's world is. `kills` and `naps` are what is left of either.

    A nap that is to outlive a lease must be longer where leases are.
    """

    kills: int = 0
    kill_rate: float = 0.0
    naps: int = 0
    nap_rate: float = 0.0
    longest_nap_s: float = 600.0
    post_faults: float = 0.0
    call_faults: float = 0.0
    store_faults: float = 0.0


@dataclass
class Worker:
    """One process that runs the stage once. `outcome` is what became of it."""

    name: str
    body: Callable[[Worker], str]
    wake_at: float
    outcome: str | None = None
    is_dead: bool = False
    thread: greenlet.greenlet = field(init=False)

    def __post_init__(self) -> None:
        self.thread = greenlet.greenlet(self._run)

    def _run(self) -> None:
        self.outcome = self.body(self)

    @property
    def is_over(self) -> bool:
        return self.is_dead or self.outcome is not None


class World:
    """The clock, the chance and the scheduler. `trace` is the story of a seed, when it is wanted."""

    def __init__(self, seed: int, chaos: Chaos, *, is_traced: bool = False) -> None:
        self.rng = random.Random(seed)
        self.chaos = chaos
        self.now = 1_000_000.0
        self.steps = 0
        self.kills = 0
        self.faults = 0
        self.workers: list[Worker] = []
        self.trace: list[str] | None = [] if is_traced else None
        self._hub = greenlet.getcurrent()
        self._events: list[tuple[float, int, Callable[[], object]]] = []
        self._numbers = itertools.count(1)

    def number(self) -> int:
        """Return a number that no one else has."""
        return next(self._numbers)

    def clock(self) -> float:
        """Return the virtual time."""
        return self.now

    def chance(self, probability: float) -> bool:
        """Say whether something of this probability happens now."""
        return probability > 0 and self.rng.random() < probability

    def fault(self, probability: float) -> bool:
        """Say whether a fault strikes, and count it."""
        strikes = self.chance(probability)
        self.faults += strikes
        return strikes

    def note(self, text: str) -> None:
        """Add a line to the story."""
        if self.trace is not None:
            self.trace.append(f"{self.now - 1_000_000:9.2f}  {text}")

    def spawn(self, body: Callable[[Worker], str], delay_s: float = 0.0) -> Worker:
        """Start a process after a delay."""
        worker = Worker(f"w{len(self.workers) + 1}", body, self.now + delay_s)
        self.workers.append(worker)
        return worker

    def after(self, delay_s: float, event: Callable[[], object]) -> None:
        """Let something happen later, whoever lives then."""
        heapq.heappush(self._events, (self.now + delay_s, self.number(), event))

    def step(self, worker: Worker, effect: str) -> None:
        """Let others run before an effect; the worker may not come back from here."""
        if worker.is_dead:
            raise Killed
        worker.wake_at = self.now
        self._hub.switch()
        if self.trace is not None:
            self.note(f"{worker.name}  {effect}")

    def sleep(self, worker: Worker, seconds: float) -> None:
        """Let virtual time pass for one worker."""
        if worker.is_dead:
            raise Killed
        worker.wake_at = self.now + seconds
        self._hub.switch()

    def run(self) -> None:
        """Run until every worker is over and nothing more will happen."""
        limit = self.steps + MAX_STEPS
        while True:
            living = [worker for worker in self.workers if not worker.is_over]
            ready = [worker for worker in living if worker.wake_at <= self.now]
            due = bool(self._events) and self._events[0][0] <= self.now
            if due:
                heapq.heappop(self._events)[2]()
            elif ready:
                self.steps += 1
                if self.steps > limit:
                    raise Violation(f"no end after {MAX_STEPS} steps")
                self._resume(ready[int(self.rng.random() * len(ready))])
            else:
                times = [worker.wake_at for worker in living]
                times += [self._events[0][0]] if self._events else []
                if not times:
                    return
                self.now = min(times)

    def _resume(self, worker: Worker) -> None:
        if self.chaos.kills and self.chance(self.chaos.kill_rate):
            self.chaos.kills -= 1
            self.kill(worker)
        elif self.chaos.naps and self.chance(self.chaos.nap_rate):
            self.chaos.naps -= 1
            worker.wake_at = self.now + self.rng.uniform(5.0, self.chaos.longest_nap_s)
            self.note(f"{worker.name}  sleeps")
        else:
            self.now += self.rng.random() * 0.2
            worker.thread.switch()

    def kill(self, worker: Worker) -> None:
        """End a process between two effects."""
        self.kills += 1
        self.note(f"{worker.name}  KILLED")
        worker.is_dead = True
        if worker.thread:
            try:
                worker.thread.throw(Killed)
            except Killed:
                return
