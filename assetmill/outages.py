"""What a process does while something that it depends on is away: one policy for store, service and Prefect.

Whatever is away is waited for, up to the profile's `run.outage_s`, and told with since and until; the work
resumes by itself when it is back. An order to stop ends every wait at once.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import SystemRandom
from typing import Literal, TypeVar

from assetmill.errors import AssetmillError, RunStopped

T = TypeVar("T")

Subject = Literal["store", "service", "prefect"]

LIMIT_S = 600.0
"""A server that is updated, moved or started anew is back by then."""

SEALS_WITHIN_S = 2.5
"""How long an order to stop leaves for what is away: a process that got a signal goes after three seconds."""

_SEALING_PAUSE_S = 0.25
_CHANCE = SystemRandom()
"""Of each process its own, also of those that were forked from one: they must not all come back at once."""
_log = logging.getLogger("assetmill.outages")


def clock_time(at: float) -> str:
    """Return a moment as people here read it, with the day when it is not near."""
    is_near = abs(at - time.time()) < 12 * 3600
    return time.strftime("%H:%M:%S" if is_near else "%Y-%m-%d %H:%M", time.localtime(at))


@dataclass(frozen=True)
class OutageNotice:
    """What is told of an outage: that it began, or that it is over."""

    kind: Literal["away", "back"]
    subject: Subject
    what: str
    since: float
    until: float
    reason: str = ""

    def __str__(self) -> str:
        if self.kind == "back":
            return f"{self.what} is back after {self.until - self.since:.0f} s; the work goes on"
        return (
            f"{self.what} is away since {clock_time(self.since)} and is waited for until "
            f"{clock_time(self.until)} ({self.reason}); nothing is lost"
        )


class Outage:
    """Whether one dependency is away, as all threads of a process find out together."""

    def __init__(self, subject: Subject, what: str, all_of_them: Outages) -> None:
        self.subject: Subject = subject
        self.what, self._all = what, all_of_them
        self._since: float | None = None
        self._was_reached = False
        # Threads meet an outage, and its end, at the same moment: it is told once.
        self._lock = threading.Lock()

    @property
    def is_waited_for(self) -> bool:
        """Whether it is worth waiting: it was there before, or nobody is there to set an address right."""
        return self._was_reached or self._all.is_unattended

    @property
    def since(self) -> float | None:
        """Since when it is away, None while it is there."""
        return self._since

    def patiently(
        self,
        ask: Callable[[], T],
        is_away: Callable[[AssetmillError], bool],
        answers: tuple[type[AssetmillError], ...] = (),
    ) -> T:
        """Return what `ask` returns, asking again while its error says "away", at most until the limit.

        `answers` are errors that tell that it is there.

        Raises:
            RunStopped: an order to stop came while it was waited for.
        """
        wait = self.waits()
        while True:
            try:
                found = ask()
            except answers:
                self.over()
                raise
            except AssetmillError as error:
                if not is_away(error) or not self.is_waited_for or not wait.goes_on(error):
                    raise
                self.pause(wait.pause_s())
            else:
                self.over()
                return found

    def pause(self, seconds: float) -> None:
        """Wait, unless the work is being stopped; raises as `Outages.pause` does."""
        self._all.pause(seconds)

    def waits(self) -> Waits:
        """Return a new count of how long one request has waited."""
        return Waits(self, self._all)

    def begin(self, reason: str) -> float:
        """Note that it is away, and return since when."""
        with self._lock:
            if is_new := self._since is None:
                self._since = self._all.clock()
            since = self._since
        if is_new:
            until = since + self._all.limit_s
            self._all.tell(OutageNotice("away", self.subject, self.what, since, until, reason))
        return since

    def over(self) -> None:
        """Note that it has answered."""
        self._was_reached = True
        if self._since is None:
            return
        if (since := self._end()) is not None:
            self._all.tell(OutageNotice("back", self.subject, self.what, since, self._all.clock()))

    def _end(self) -> float | None:
        """Return since when it was away to the one thread that ends it."""
        with self._lock:
            since, self._since = self._since, None
        return since


class Waits:
    """How long one request has waited for what is away."""

    def __init__(self, outage: Outage, all_of_them: Outages) -> None:
        self._outage, self._all = outage, all_of_them
        self._began: float | None = None
        self._pauses = _pauses_s()

    def goes_on(self, error: Exception) -> bool:
        """Note a refusal; False when it has lasted for as long as anything is waited for."""
        since = self._outage.begin(str(error))
        now = self._all.clock()
        # Of its own as well: what answers others now and then would be waited for without an end.
        self._began = now if self._began is None else self._began
        return now - min(since, self._began) < self._all.limit_s

    def pause_s(self) -> float:
        """Return how long to wait before the next try."""
        return next(self._pauses)


class Outages:
    """The outages of everything that a process depends on. Safe for threads."""

    def __init__(
        self,
        limit_s: float = LIMIT_S,
        stop: threading.Event | None = None,
        clock: Callable[[], float] = time.time,
        *,
        seals_within_s: float = SEALS_WITHIN_S,
    ) -> None:
        self.limit_s, self.clock, self._seals_within_s = limit_s, clock, seals_within_s
        self._stopped_at: float | None = None
        self.is_unattended = False
        """Whether nobody reads what is said: then also what was never reached is waited for."""
        self._stop = stop or threading.Event()
        self._listeners: list[Callable[[OutageNotice], object]] = []
        self._outages: dict[str, Outage] = {}
        # Two threads that ask for one dependency must share what they know of it.
        self._lock = threading.Lock()

    def of(self, subject: Subject, what: str) -> Outage:
        """Return what is known of a dependency, by the name that people are told."""
        with self._lock:
            return self._outages.setdefault(what, Outage(subject, what, self))

    def wait(self, but: Subject | None = None) -> str:
        """Return what is away and until when it is waited for; "" while nothing is, `but` left aside."""
        with self._lock:
            found = [(one.since, one.what) for one in self._outages.values() if one.subject != but]
        away = [(since, what) for since, what in found if since is not None]
        if not away:
            return ""
        since, what = min(away)
        return f"waits for {what}, which is away, until {clock_time(since + self.limit_s)}"

    def listen(self, listener: Callable[[OutageNotice], object]) -> None:
        """Let a function hear of every outage; it is called in the thread that met it."""
        self._listeners.append(listener)

    def tell(self, notice: OutageNotice) -> None:
        """Tell of an outage; where nobody listens, in the log, which is the terminal of a plain command."""
        for listener in self._listeners:
            listener(notice)
        if not self._listeners:
            _log.warning("%s", notice)

    def pause(self, seconds: float) -> None:
        """Wait; once the work is being stopped, only for as long as it may take to seal what was begun.

        Raises:
            RunStopped: that is over.
        """
        if not self._stop.wait(seconds):
            return
        with self._lock:
            now = time.monotonic()
            self._stopped_at = now if self._stopped_at is None else self._stopped_at
            left_s = self._stopped_at + self._seals_within_s - now
        if left_s <= 0:
            raise RunStopped(
                "stopped while something was away; what was paid for is kept: run it again to go on"
            )
        # The event that would end a wait is set already.
        time.sleep(min(seconds, left_s, _SEALING_PAUSE_S))


def _pauses_s() -> Iterator[float]:
    pause_s = 0.25
    while True:
        # By chance, so that all who wait do not come back in the same moment.
        yield pause_s * _CHANCE.uniform(0.75, 1.25)
        pause_s = min(2 * pause_s, 5.0)
