"""What must be granted before a stage may spend: a share of every quota, and room under every ceiling."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from assetmill.agents.pacing import PROBE_S
from assetmill.errors import BudgetExceeded, SpendingClosed, StageFailed
from assetmill.money.prices import lane_estimate, missing_prices, prices_for
from assetmill.outages import clock_time
from assetmill.plan.calls import StageCall
from assetmill.records import Lane, RunId
from assetmill.stage.retiring import deployments_of
from assetmill.stage.services import Services

_BUDGET_PAUSE_S = 0.5


class Admission:
    """One stage's way through quotas and ceilings."""

    def __init__(self, call: StageCall, services: Services, run_id: RunId) -> None:
        self._call, self._services, self._run_id = call, services, run_id
        self._wanted = wanted(call)
        prices = prices_for(services.settings)
        lanes: tuple[Lane, ...] = ("now", call.lane)
        self._costs = {lane: lane_estimate(call, lane, prices) for lane in dict.fromkeys(lanes)}

    def most_usd(self, lane: Lane) -> float | None:
        """Return the most that an attempt may cost in a lane, None when that is unknown."""
        cost = self._costs[lane]
        return cost.ceiling if cost.is_known else None

    def check_gate(self) -> None:
        """Make sure that a stage may still begin to spend.

        Raises:
            SpendingClosed: its hour has passed, or the account is blocked.
            StageFailed: a model deployment that it needs is gone; the service would refuse it.
        """
        if reason := self._services.gate.retirement(deployments_of(self._call)):
            raise StageFailed(self._call.label, reason)
        hour = self._services.hour_of(self._run_id)
        if reason := self._services.gate.refusal(self._services.clock(), hour.by if hour else None):
            raise SpendingClosed(self._call.label, reason)

    def pace(self, on_wait: Callable[[str], None], *, is_new: bool = False) -> None:
        """Wait until this process's share of every quota allows the call; a new stage also asks the gate.

        Raises:
            RunStopped: the run is being stopped.
            SpendingClosed: it came too late to begin.
            StageFailed: the service has refused the deployment for as long as a stage may take.
        """
        # One deployment after the other: a share once taken is kept while the next one is waited for.
        for deployment, takes in self._wanted.items():
            refused_since: float | None = None
            while wait_s := self._services.pacer.take(deployment, takes):
                if is_new:
                    self.check_gate()
                until = self._services.pacer.refused_until(deployment)
                refused_since = self._refused_since(deployment, until, refused_since)
                on_wait(self._said(deployment, wait_s, until))
                self._services.waits.note_quota(deployment, until or self._services.clock() + wait_s)
                self._services.wait(min(wait_s, self._services.pacer.pause_s))

    def _refused_since(self, deployment: str, until: float | None, since: float | None) -> float | None:
        """Return since when this stage has waited for a refused deployment, and say that it is refused.

        Raises:
            StageFailed: for longer than its deadline. To wait for this process's own share is no failure.
        """
        if until is None:
            return None
        now = self._services.clock()
        self._services.notice(
            f"the service refuses {deployment} until {clock_time(until)}; one request asks every "
            f"{PROBE_S:.0f} s whether the quota is back"
        )
        if since is not None and now - since >= self._services.settings.foundry.stage_deadline_s:
            raise StageFailed(
                self._call.label, f"the quota of {deployment} is refused until {clock_time(until)}"
            )
        return now if since is None else since

    def _said(self, deployment: str, wait_s: float, until: float | None) -> str:
        end = clock_time(self._services.clock() + wait_s)
        if until is None:
            return f"for the quota of {deployment}, {wait_s:.0f} s, until {end}"
        return f"for the quota of {deployment}, refused until {clock_time(until)}; asked again at {end}"

    def arrived(self) -> None:
        """Note that the service has just admitted the call."""
        for deployment, takes in self._wanted.items():
            self._services.pacer.arrived(deployment, takes)

    def learn(self, rates: Mapping[str, str]) -> None:
        """Learn the limits that came with an answer; what the profile says stays where it is less."""
        if self._call.is_direct:
            return self._services.learn_limits(self._call.model, rates)
        pictures = {name: limit for name, limit in rates.items() if name.endswith("-images")}
        others = {name: limit for name, limit in rates.items() if name not in pictures}
        self._services.learn_limits(self._call.model, others)
        if self._call.image_deployment:
            self._services.learn_limits(self._call.image_deployment, pictures)

    def lift(self) -> None:
        """Let this process ask again at once: a person says that the quota is back."""
        for deployment in self._wanted:
            self._services.pacer.reopen(deployment)

    def refused(self, retry_after_s: float | None) -> None:
        """Hold back every stage that uses the same deployments: a quota said no."""
        # Of pictures far fewer are granted than of text, and the refusal names no deployment.
        shortest = next(reversed(self._wanted), "")
        for deployment, takes in self._wanted.items():
            is_shortest = deployment == shortest
            self._services.pacer.refused(deployment, takes, retry_after_s, is_shortest=is_shortest)

    def reserve(self, reservation: str, on_wait: Callable[[str], None], lane: Lane) -> None:
        """Reserve the most that an attempt may cost in a lane under every ceiling.

        Stages at work give back what they do not spend, so a refusal is final only when none is.

        Raises:
            BudgetExceeded: a ceiling has no room for it, or what it may cost is unknown.
        """
        ceilings = self._services.ceilings_of(self._run_id)
        if not ceilings:
            return
        # Fails closed: a stage of which nobody knows the price is above every ceiling.
        most_usd = self.most_usd(lane)
        if most_usd is None:
            raise BudgetExceeded(self._call.label, missing_prices(self._costs[lane].unknown))
        is_told = False
        while refusal := self._services.budget.reserve(reservation, most_usd, ceilings):
            if not refusal.may_pass or not self._services.slots.taken:
                raise BudgetExceeded(self._call.label, str(refusal))
            if not is_told:
                on_wait("for what other stages have reserved and may not spend")
                is_told = True
            with self._services.waits.waiting("budget"):
                self._services.wait(_BUDGET_PAUSE_S)

    def raise_reserved(self, reservation: str) -> bool:
        """Reserve what the normal lane may cost, without a wait; False where a ceiling has no room for it."""
        ceilings, most_usd = self._services.ceilings_of(self._run_id), self.most_usd("now")
        if not ceilings or most_usd is None:
            return not ceilings
        return self._services.budget.reserve(reservation, most_usd, ceilings) is None


def wanted(call: StageCall) -> dict[str, dict[str, float]]:
    """Return what a call takes from the quotas of its model deployments."""
    if call.is_local:
        return {}
    if call.is_direct:
        return {call.model: {"requests": 1.0, "images": 1.0}}
    # Four characters a token is the usual rule of thumb.
    tokens = (len(call.prompt) + len(call.instructions)) / 4 + 500
    takes: dict[str, dict[str, float]] = {call.model: {"requests": 1.0, "tokens": tokens}}
    if call.image_deployment:
        takes[call.image_deployment] = {"requests": 1.0, "images": 1.0}
    return takes
