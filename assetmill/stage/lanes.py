"""In which lane a stage's next attempt goes: the cheaper one until it refuses, or the hour needs the other.

A change of lane is a new attempt, and only a definite refusal of the one before licenses it: an open outcome
is looked up in whatever lane it was posted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from assetmill.agents.outputs import served_lane
from assetmill.agents.pacing import sane_wait_s
from assetmill.errors import BudgetExceeded, Rejected, ServiceError, Throttled
from assetmill.plan.calls import StageCall
from assetmill.records import Intent, Lane
from assetmill.stage.admission import Admission
from assetmill.stage.finished import Finished
from assetmill.stage.hour import Hour
from assetmill.stage.patience import Patience
from assetmill.stage.retiring import deployments_of
from assetmill.stage.services import Services

_LONGEST_PAUSE_S = 120.0


@dataclass
class LaneChoice:
    """One stage's lane from attempt to attempt."""

    call: StageCall
    services: Services
    patience: Patience
    admission: Admission
    hour: Hour | None = None
    """By when the stage's run is to be done."""
    refusals: int = 0
    _is_closed: bool = False
    """Whether the cheaper lane has refused this stage for good."""
    _has_no_room: bool = False
    """Whether no ceiling has room for the normal lane, so that the hour cannot ask for it."""
    _has_share: bool = False
    _is_settled: bool = False

    def reserve(self, reservation: str, on_wait: Callable[[str], None]) -> Lane:
        """Reserve the most that an attempt may cost in its lane, and return that.

        Raises:
            BudgetExceeded: a ceiling has no room for it.
        """
        lane = self._choose()
        try:
            self.admission.reserve(reservation, on_wait, self._reserved(lane))
        except BudgetExceeded:
            if lane == self.call.lane or not self._is_open():
                raise
            # Only the hour asks for the normal lane: where that has no room, the cheaper one may still do.
            self._has_no_room, lane = True, self.call.lane
            self.admission.reserve(reservation, on_wait, self._reserved(lane))
        return lane

    def renew(self, reservation: str, lane: Lane) -> Lane:
        """Return the lane after a wait: the hour may need the normal one by now, if a ceiling has room."""
        if lane != "now" and self._choose() == "now":
            if self.admission.raise_reserved(reservation):
                return "now"
            self._has_no_room = True
        return lane

    def most_usd(self, lane: Lane) -> float | None:
        """Return what is reserved for an attempt in a lane."""
        return self.admission.most_usd(self._reserved(lane))

    def refused(self, intent: Intent, error: Rejected) -> bool:
        """Learn from a definite refusal; True when it may be the lane's, so that the normal one is tried.

        The service refuses models and requests that have no such lane with a 400, and bills nothing.
        """
        if intent.lane == "now" or type(error) is not Rejected or error.status != 400:
            return False
        self._is_closed = True
        if "agent" in error.message.lower():
            self.services.abilities.learn("flex", holds=False, evidence=f"refused: {error.message}")
        else:
            self.services.close_lane(self.call.model)
        self.services.notice(
            f"{self.call.model} takes no {intent.lane} lane: {error}; the normal one is used"
        )
        return True

    def pause_until(self, error: ServiceError) -> float:
        """Return when to ask again for capacity, never later than the hour allows to wait for it."""
        self.refusals += 1
        # Many stages are refused in one moment: they must not all come back in one.
        longest = min(2.0 ** (self.refusals + 1), _LONGEST_PAUSE_S)
        said_s = sane_wait_s(error.retry_after_s) if isinstance(error, Throttled) else None
        asked_s = said_s or longest * self.services.chance.uniform(0.5, 1.0)
        now = self.services.clock()
        return now if not self._is_open() else max(now, min(now + asked_s, self._latest()))

    def paced(self) -> None:
        """Note that the stage has its share of every quota, before it has a slot."""
        if self.hour and not (self._has_share or self._is_settled):
            self._has_share = True
            self.hour.take(deployments_of(self.call))

    def give_back(self) -> None:
        """Note that the share was refused: the next attempt needs another."""
        if self.hour and self._has_share and not self._is_settled:
            self._has_share = False
            self.hour.give_back(deployments_of(self.call))

    def settle(self) -> None:
        """Note once that the stage wants nothing of its quotas any more."""
        if self.hour and not self._is_settled:
            self._is_settled = True
            self.hour.settle(frozenset() if self._has_share else deployments_of(self.call))

    def hear(self, turn: Finished) -> None:
        """Learn from a final response in which lane it was served."""
        served = served_lane(turn.response.body)
        if turn.intent.lane != "now" and turn.response.status == "completed" and served:
            is_served = served == turn.intent.lane
            evidence = f"a response said service_tier: {served}"
            self.services.abilities.learn("flex", holds=is_served, evidence=evidence)

    def _choose(self) -> Lane:
        if self.call.lane == "now" or not self._is_open():
            return "now"
        if self._has_no_room or self.services.clock() < self._latest():
            return self.call.lane
        if self.refusals:
            self.patience.begin_anew()
            self.refusals = 0
        return "now"

    def _is_open(self) -> bool:
        """Whether nothing but the hour speaks against the cheaper lane."""
        is_refused = self._is_closed or self.services.is_lane_closed(self.call.model)
        return not is_refused and self.services.abilities.has("flex") is not False

    def _latest(self) -> float:
        """Return until when the cheaper lane may be tried; without an hour, half of the stage's deadline."""
        if self.hour:
            return self.hour.latest(self.call.label, self.services.pacer.free())
        return self.patience.started_at + self.services.settings.foundry.stage_deadline_s / 2

    def _reserved(self, lane: Lane) -> Lane:
        """Return the lane whose price is reserved: the cheaper one only where it was seen to serve.

        A service may take the request and serve it at the normal price: a ceiling must hold then, too.
        """
        return lane if lane == "now" or self.services.abilities.has("flex") else "now"
