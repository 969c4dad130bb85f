"""What a model deployment grants a minute, learnt from its refusals where nobody says it.

In the background an answer names no limits, and a refusal perhaps not even a wait. But the service refuses
when a minute is used up: what it admitted in the last one is the limit. It may have refused for another
reason, so one request asks now and then for more; each that is admitted allows twice as many more.
"""

from __future__ import annotations

from collections import deque

_SERVICE_S = 60.0
FIRST_ASKED_S = 5.0
"""So long after a refusal one request asks whether more is granted; twice as long after each that is not."""


class LearntLimit:
    """One deployment's account. Not safe for threads: the pacer's lock is held."""

    def __init__(self, window_s: float, longest_s: float) -> None:
        self._window_s, self._longest_s = window_s, longest_s
        self._admitted, self._open = deque[float](), deque[float]()
        self._limit: int | None = None
        self._more, self._pause_s = 1, FIRST_ASKED_S
        self._asks_at, self._is_asking = 0.0, False

    def wait_s(self, now: float) -> float:
        """Return the seconds until another request may be sent, 0 for at once."""
        self._forget(now)
        if self._limit is None or self._used < self._limit or now >= self._asks_at:
            return 0.0
        leaves_at = self._admitted[0] + self._window_s if self._admitted else self._asks_at
        return max(min(leaves_at, self._asks_at) - now, 0.001)

    def sent(self, now: float) -> None:
        """Count a request; one above the limit is the one that asks for more."""
        if self._limit is not None and self._used >= self._limit:
            self._asks_at, self._is_asking = now + self._pause_s, True
        self._open.append(now)

    def admitted(self, now: float) -> None:
        """Count what the service has admitted, which proves that it grants as much."""
        self._answered(now)
        self._admitted.append(now)
        if self._limit is None or (count := self._in_service_minute(now)) <= self._limit:
            return
        self._limit = count
        if self._is_asking:
            self._limit += self._more
            self._more, self._pause_s, self._is_asking = 2 * self._more, FIRST_ASKED_S, False
            self._asks_at = now + self._pause_s

    def refused(self, now: float) -> bool:
        """Learn from a refusal; return whether anything is known now: of one that came first nothing is."""
        self._answered(now)
        if not (count := self._in_service_minute(now)):
            return False
        if self._is_asking:
            self._pause_s = min(2 * self._pause_s, self._longest_s)
        self._limit, self._more, self._is_asking = count, 1, False
        self._asks_at = now + self._pause_s
        return True

    def forget(self) -> None:
        """Go without a limit again: the service has told one."""
        self._limit = None

    @property
    def _used(self) -> int:
        return len(self._admitted) + len(self._open)

    def _in_service_minute(self, now: float) -> int:
        return sum(at > now - _SERVICE_S for at in self._admitted)

    def _answered(self, now: float) -> None:
        self._forget(now)
        if self._open:
            self._open.popleft()

    def _forget(self, now: float) -> None:
        for entries in (self._admitted, self._open):
            while entries and entries[0] <= now - self._window_s:
                entries.popleft()
