"""When to ask again for a response: as often as it takes at first, then near the time that others took.

A picture takes tens of seconds and a sentence two. Asking at a fixed interval is either late or thousands of
requests in a batch; what the last responses of the same kind took says when it is worth asking.
"""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Hashable, Iterator

_REMEMBERED = 16
_EARLY = 0.9
_GROWTH = 1.3
_FINE = 0.05
"""How much of the usual time it may be late."""


class Rhythm:
    """Pauses between questions, learnt for each kind of response. Safe for threads."""

    def __init__(self, poll_s: float, slowest_s: float) -> None:
        self._poll_s, self._slowest_s = poll_s, slowest_s
        self._took: defaultdict[Hashable, deque[float]] = defaultdict(lambda: deque(maxlen=_REMEMBERED))
        # Stages learn in many threads while others ask: a deque must not change while it is searched.
        self._lock = threading.Lock()

    def learn(self, kind: Hashable, seconds: float) -> None:
        """Note how long a response of this kind took."""
        with self._lock:
            self._took[kind].append(seconds)

    def pauses(self, kind: Hashable) -> Iterator[float]:
        """Yield how long to wait before each question, without end."""
        with self._lock:
            shortest = min(self._took[kind], default=0.0)
        pause = self._poll_s
        if shortest * _EARLY > self._poll_s:
            yield shortest * _EARLY
            pause = min(self._poll_s, max(shortest * _FINE, 0.1))
        while True:
            yield pause
            pause = min(pause * _GROWTH, self._slowest_s)
