"""How long a stage waits for the service, and when there is no point in waiting any more."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from assetmill.agents.pacing import PROBE_S, sane_wait_s
from assetmill.errors import ServiceError, StageFailed, Throttled
from assetmill.outages import clock_time
from assetmill.records import Intent, Lane, Verdict
from assetmill.settings import Foundry
from assetmill.stage.services import Services

_SWEEP_S = (1.0, 3.0, 8.0, 20.0, 40.0, 80.0, 160.0, 320.0)
"""Pauses between listings of an open outcome, until the profile's `settle_s` has passed."""


_LOOK_S = 15.0
"""How often a wait looks whether a person has lifted it: one small read of the store."""


def _mistake(error: ServiceError) -> str:
    """Say that what the service asks for cannot be meant."""
    asked_s = error.retry_after_s if isinstance(error, Throttled) else None
    if asked_s is None or sane_wait_s(asked_s) is not None:
        return ""
    return f" (it asks to wait for {asked_s:.0f} s, which is a mistake of its own)"


ON_THE_LINE_S = 600.0
"""How long a response may run that is not in the background: perhaps it is listed only at its end."""


def on_the_line_s(lane: Lane) -> float:
    """Return the same by lane: the page of flex advises to wait half as long again, 15 minutes."""
    return ON_THE_LINE_S * (1.0 if lane == "now" else 1.5)


def showing_s(intent: Intent, foundry: Foundry, now: float) -> float:
    """Return how long an open outcome may take to show: what runs on the line is perhaps listed last."""
    until = intent.created_at + on_the_line_s(intent.lane)
    runs_s = 0.0 if intent.way == "background" else max(0.0, until - now)
    return foundry.settle_s + runs_s


def closing_s(intent: Intent, foundry: Foundry) -> float:
    """Return how long what was accepted may take to show once its conversation takes no more.

    Not counted from the intent: its owner may have slept for an hour before it posted, just in time.
    """
    return foundry.settle_s + (0.0 if intent.way == "background" else on_the_line_s(intent.lane))


class Patience:
    """One stage's waiting: it ends at the profile's deadline. `refusals` counts those in a row."""

    def __init__(self, label: str, services: Services, tell: Callable[[str], None]) -> None:
        self._label, self._services, self._tell = label, services, tell
        self._foundry = services.settings.foundry
        self.started_at = services.clock()
        self._counted_from = self.started_at
        self.refusals = 0

    @property
    def passed_s(self) -> float:
        """Seconds since the stage was begun."""
        return self._services.clock() - self.started_at

    def begin_anew(self) -> None:
        """Count from now on: what was waited for until here was another lane's capacity."""
        self._counted_from, self.refusals = self._services.clock(), 0

    def asked_s(self, error: ServiceError) -> float:
        """Return how long to wait after a refusal: as the service asks, else longer each time."""
        asked_s = sane_wait_s(error.retry_after_s) if isinstance(error, Throttled) else None
        return min(2.0 ** (self.refusals + 1), 30.0) if asked_s is None else asked_s

    def pause_until(self, error: ServiceError) -> float:
        """Return when the service may be asked again after a refusal."""
        return self._services.clock() + self.asked_s(error)

    def count(self, error: ServiceError) -> float:
        """Count a refusal and return how long to wait after it.

        Raises:
            StageFailed: waiting is hopeless, or would go past the stage's deadline.
        """
        wait_s = self.asked_s(error)
        self.refusals += 1
        is_hopeless = not isinstance(error, Throttled) and self.refusals >= self._foundry.max_attempts
        if is_hopeless or self._is_late(wait_s):
            asked = f"; it asks to wait until {clock_time(self._services.clock() + wait_s)}"
            reason = f"gave up after {self.refusals} tries: {error}{'' if is_hopeless else asked}"
            raise StageFailed(self._label, reason) from error
        return wait_s

    def pause(self, error: ServiceError) -> None:
        """Wait as the service asks, or until it may be asked again; raises as `count` does."""
        wait_s = min(self.count(error), PROBE_S)
        self._tell(f"{error}{_mistake(error)}; next try in {wait_s:.0f} s")
        with self._services.waits.waiting("retry", self._services.clock() + wait_s):
            self._services.wait(wait_s)

    def wait_out(self, verdict: Verdict, is_lifted: Callable[[], bool]) -> None:
        """Wait as the service asked whoever was refused last, until a probe may ask or a person lifts it.

        What is left of a long wait is the pacer's business: it lets one request at a time ask.
        """
        until = min(verdict.not_before or 0.0, verdict.created_at + PROBE_S)
        if until > self._services.clock():
            self._tell(f"refused a moment ago; next try at {clock_time(until)}")
        with self._services.waits.waiting("retry", until):
            while (wait_s := until - self._services.clock()) > 0 and not is_lifted():
                self._services.wait(min(wait_s, _LOOK_S))

    def sweep(self, intent: Intent) -> Iterator[float]:
        """Yield the pauses between listings of an open outcome, `settle_s` in all, the first one none."""
        left_s = showing_s(intent, self._foundry, self._services.clock())
        yield 0.0
        for pause_s in _SWEEP_S:
            if left_s > 0:
                yield min(pause_s, left_s)
                left_s -= pause_s

    def _is_late(self, wait_s: float) -> bool:
        return self._services.clock() + wait_s > self._counted_from + self._foundry.stage_deadline_s
