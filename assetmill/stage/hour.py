"""The hour by which a run or a batch is to be done, and until when a cheaper lane may still be tried."""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

STAGES = ""
"""Beside the names of model deployments: how many stages."""

NOW_S, FLEX_S = 60.0, 900.0
"""What a response is taken to need where no earlier run tells: in flex what its page advises to wait."""


@dataclass(frozen=True)
class Durations:
    """How long one response takes in the normal lane and in flex. `is_seen`: earlier runs say so."""

    now_s: float = NOW_S
    flex_s: float = FLEX_S
    seen: tuple[str, ...] = ()

    def of(self, lane: str) -> float:
        """Return how long one response takes in a lane."""
        return self.flex_s if lane == "flex" else self.now_s


@dataclass
class Hour:
    """An hour with all that is to be done until then. Safe for threads.

    `a_minute` are the requests that each model deployment grants this process, `left` those that are to be
    sent and have no share of that yet and, under `STAGES`, how many stages have yet to be accepted; `width`
    of them are at work at once. `after_s` says by a stage's label how long those after it take in the normal
    lane.
    """

    by: float
    durations: Durations = field(default_factory=Durations)
    a_minute: Mapping[str, float] = field(default_factory=dict[str, float])
    left: Counter[str] = field(default_factory=Counter[str])
    after_s: Mapping[str, float] = field(default_factory=dict[str, float])
    width: int = 1

    def __post_init__(self) -> None:
        # Stages end in the threads of their pool.
        self._lock = threading.Lock()

    def latest(self, label: str, free: Mapping[str, float]) -> float:
        """Return until when a stage may begin in flex so that all that is left still holds the hour.

        The lanes share a quota, of which `free` is what it grants this moment: what is left needs its minutes
        whichever it takes, and so does what a lane refuses.
        """
        with self._lock:
            queue_s = self.queue_s("now", free)
        return self.by - queue_s - self.durations.flex_s - self.after_s.get(label, 0.0)

    def queue_s(self, lane: str, free: Mapping[str, float] | None = None) -> float:
        """Return how long the last of all that is left waits for its quota and for its place.

        Without `free` a whole minute's quota is there, as when nothing has been sent.
        """
        granted = self.a_minute if free is None else free
        one_s = self.durations.of(lane)
        quotas = [
            quota_s(self.left[n], rate, granted.get(n, 0.0), width=self.width, one_s=one_s)
            for n, rate in self.a_minute.items()
        ]
        rounds = math.ceil(self.left[STAGES] / self.width) - 1
        return max(0.0, rounds * one_s, *quotas)

    def take(self, deployments: frozenset[str]) -> None:
        """Note that a stage has its share of every quota, which grants the less to all others.

        It may yet wait long for its place: to count it as left would ask the quotas for it twice.
        """
        self._count(deployments, -1)

    def give_back(self, deployments: frozenset[str]) -> None:
        """Note that a stage was refused with its share, and needs another one."""
        self._count(deployments, 1)

    def settle(self, deployments: frozenset[str]) -> None:
        """Note that a stage was accepted, or has come to its end without that: it wants nothing any more.

        `deployments` are those of which it has not taken a share.
        """
        self._count((*deployments, STAGES), -1)

    def _count(self, names: Iterable[str], by: int) -> None:
        with self._lock:
            for name in names:
                self.left[name] = max(0, self.left[name] + by)


def quota_s(requests: float, a_minute: float, free: float, *, width: int, one_s: float) -> float:
    """Return how long the last of some requests waits for its quota, of which `free` are granted at once.

    What a minute grants goes `width` at a time, each taking `one_s`: so does what the last minute grants.
    """
    late = requests - free
    if late <= 0:
        return 0.0
    minutes = math.ceil(late / a_minute)
    before = max(0.0, late - (minutes - 1) * a_minute - 1)
    return minutes * 60.0 + (before // width) * one_s


def followers_s(needs: Mapping[str, tuple[str, ...]], seconds: Mapping[str, float]) -> dict[str, float]:
    """Return by label how long the longest chain of stages after it takes; `needs` are in running order."""
    after = dict.fromkeys(needs, 0.0)
    for label in reversed(list(needs)):
        for before in needs[label]:
            if before in after:
                after[before] = max(after[before], after[label] + seconds.get(label, 0.0))
    return after
