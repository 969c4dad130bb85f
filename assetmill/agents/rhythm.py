"""When to ask again for a response: as often as it takes at first, then near the time that others took.

A picture takes tens of seconds and a sentence two. Asking at a fixed interval is either late or thousands of
requests in a batch; between which questions the last ones of the same kind came says when it is worth asking.
"""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Hashable, Iterator, Sequence
from typing import NamedTuple

_REMEMBERED = 16
_EARLIER = 0.93
"""How much earlier to ask next time, of what was there at the first question."""
_LATE = 0.125
"""How much of the time it may be late by, of what nothing is known."""
_FINE = 0.05
"""The same near the time at which others were ready."""
_GROWTH = 1.3
_ALIKE = 1.1
"""Times within so much of the earliest are one time: the latest of them is asked at, and once is enough."""
_IN_A_ROW = 4
"""After so many that were there at the first question, all may have become quicker: the earliest is tried."""


class _Arrival(NamedTuple):
    """After how long a response was there, as far as questions tell, and whether the first one met it."""

    took_s: float
    by_first: bool


class Rhythm:
    """Pauses between questions, learnt for each kind of response. Safe for threads."""

    def __init__(self, poll_s: float, slowest_s: float) -> None:
        self._poll_s, self._slowest_s = poll_s, slowest_s
        self._seen: defaultdict[Hashable, deque[_Arrival]] = defaultdict(lambda: deque(maxlen=_REMEMBERED))
        # Stages learn in many threads while others ask: a deque must not change while it is searched.
        self._lock = threading.Lock()

    def learn(self, kind: Hashable, early_s: float, ready_s: float) -> None:
        """Note when a response of this kind was last seen unfinished, 0 for never, and first seen finished.

        When it was found is late by up to a pause, and whoever asked by that would be late by as much again.
        """
        with self._lock:
            took_s = (early_s + ready_s) / 2 if early_s else ready_s * _EARLIER
            self._seen[kind].append(_Arrival(took_s, not early_s))

    def pauses(self, kind: Hashable) -> Iterator[float]:
        """Yield how long to wait before each question, without end."""
        with self._lock:
            asked_s = _first_s(self._seen[kind])
        pause = self._poll_s
        if asked_s > self._poll_s:
            yield asked_s
            pause = min(self._poll_s, max(asked_s * _FINE, 0.1))
        else:
            asked_s = 0.0
        while True:
            yield pause
            asked_s += pause
            pause = min(pause * _GROWTH, max(asked_s * _LATE, self._poll_s), self._slowest_s)


def _first_s(seen: Sequence[_Arrival]) -> float:
    """Return after how long the first question is worth it, 0 where nothing is known."""
    earliest = min((one.took_s for one in seen), default=0.0)
    if all(one.by_first for one in list(seen)[-_IN_A_ROW:]):
        return earliest
    return max((one.took_s for one in seen if one.took_s <= earliest * _ALIKE), default=0.0)
