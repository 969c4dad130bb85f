"""How many stages of a process work at once, and how far apart they begin."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager

Wait = Callable[[float], None]

_TOGETHER = 8
_APART_S = 0.02
"""About the CPU that a stage costs a process, until this one has seen what its own cost."""
_MOST_S = 0.1
_REMEMBERED = 32


class Slots:
    """As many at work as there are slots; `taken` says how many are.

    A hundred that begin at once come back at once, and then each waits for the work of all others in this
    process, again and again: so only a few begin together, and the next ones one after another, as far apart
    as each costs this process CPU. To begin them faster would only make them wait later.
    """

    def __init__(
        self,
        count: int,
        clock: Callable[[], float],
        wait: Wait,
        used_s: Callable[[], float] = time.process_time,
    ) -> None:
        self._count, self._clock, self._wait, self._used_s = count, clock, wait, used_s
        # The CPU that this process had used when each of the last ones began.
        self._used = deque[float](maxlen=_REMEMBERED)
        self._free = threading.Semaphore(count)
        self._lock = threading.Lock()
        self._next = 0.0
        self._held = 0
        # Since when one of them is free again, None while all are held and before they ever were.
        self._free_since: float | None = None
        self.taken = 0

    @contextmanager
    def take(self) -> Generator[None]:
        """Hold a slot, once there is one and it is this one's turn."""
        # The slot first and the turn second: who waits for a slot must not hold up the row of turns.
        with self._free, self._holding():
            self._wait(self._pause_s())
            with self._lock:
                self.taken += 1
            try:
                yield
            finally:
                with self._lock:
                    self.taken -= 1

    def idle_s(self) -> float:
        """Return for how long a slot has been free again that nobody has taken; 0.0 while all are held."""
        with self._lock:
            return 0.0 if self._free_since is None else max(0.0, self._clock() - self._free_since)

    @contextmanager
    def _holding(self) -> Generator[None]:
        with self._lock:
            self._held += 1
            if self._held == self._count:
                self._free_since = None
        try:
            yield
        finally:
            with self._lock:
                if self._held == self._count:
                    self._free_since = self._clock()
                self._held -= 1

    def _pause_s(self) -> float:
        with self._lock:
            now, apart_s = self._clock(), self._apart_s()
            # Not before the few that may begin together, and not after all others, should the clock be set.
            turn = min(max(self._next, now - _TOGETHER * apart_s), now + self._count * apart_s)
            self._next = turn + apart_s
            return max(turn - now, 0.0)

    def _apart_s(self) -> float:
        """Return what a stage costs this process, by what it has used since one of the last began."""
        self._used.append(self._used_s())
        if len(self._used) < _REMEMBERED:
            return _APART_S
        return min((self._used[-1] - self._used[0]) / (_REMEMBERED - 1), _MOST_S)
