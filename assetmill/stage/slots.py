"""How many stages of a process work at once, and how far apart they begin."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

Wait = Callable[[float], None]

_TOGETHER = 8
_APART_S = 0.04
"""About the CPU that a stage costs this process: beginning them faster would only make them wait later."""


class Slots:
    """As many at work as there are slots; `taken` says how many are.

    A hundred that begin at once come back at once, and then each waits for the work of all others in this
    process, again and again: so only a few begin together, and the next ones one after another.
    """

    def __init__(self, count: int, clock: Callable[[], float], wait: Wait) -> None:
        self._count, self._clock, self._wait = count, clock, wait
        self._free = threading.Semaphore(count)
        self._lock = threading.Lock()
        self._next = 0.0
        self.taken = 0

    @contextmanager
    def take(self) -> Generator[None]:
        """Hold a slot, once there is one and it is this one's turn."""
        # The slot first and the turn second: who waits for a slot must not hold up the row of turns.
        with self._free:
            self._wait(self._pause_s())
            with self._lock:
                self.taken += 1
            try:
                yield
            finally:
                with self._lock:
                    self.taken -= 1

    def _pause_s(self) -> float:
        with self._lock:
            now = self._clock()
            # Not before the few that may begin together, and not after all others, should the clock be set.
            turn = min(max(self._next, now - _TOGETHER * _APART_S), now + self._count * _APART_S)
            self._next = turn + _APART_S
            return max(turn - now, 0.0)
