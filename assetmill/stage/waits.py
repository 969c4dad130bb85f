"""What the stages of a process wait for at this moment, in one line for whoever watches all of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager

from assetmill.names import counted
from assetmill.outages import clock_time
from assetmill.progress import WaitFor

_SAID: Mapping[WaitFor, tuple[str, str]] = {
    "outcome": ("finds out what became of", "request"),
    "retry": ("tries again what was refused:", "request"),
    "owner": ("waits for another process, which has", "stage"),
    "budget": ("waits for what stages at work may give back:", "stage"),
}


class CurrentWaits:
    """Which stages wait, what for, and until when at most. Safe for the threads of all stages."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._quota = ("", 0.0)
        self._ends: dict[object, tuple[WaitFor, float]] = {}
        # Not a lock under which anything is opened: that a store is away must be said while it is waited for.
        self._lock = threading.Lock()

    def note_quota(self, deployment: str, until: float) -> None:
        """Note that a stage waits for the quota of a model deployment, and until when."""
        self._quota = (deployment, until)

    @contextmanager
    def waiting(self, wait: WaitFor, until: float = 0.0) -> Generator[None]:
        """Note that a stage waits, and until when at most; 0 where nobody can say."""
        key = object()
        with self._lock:
            self._ends[key] = (wait, until)
        try:
            yield
        finally:
            with self._lock:
                del self._ends[key]

    def told(self) -> str:
        """Return what stages wait for, and until when at most; "" when for nothing."""
        deployment, until = self._quota
        told = [f"waits for the quota of {deployment}{_end(until)}"] if until > self._clock() else []
        with self._lock:
            waits = list(self._ends.values())
        for wait, (words, what) in _SAID.items():
            if ends := [until for found, until in waits if found == wait]:
                told.append(f"{words} {counted(len(ends), what)}{_end(max(ends))}")
        return ", ".join(told)


def _end(until: float) -> str:
    return f" until {clock_time(until)}" if until else ""
