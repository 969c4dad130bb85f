"""What is to be done by an hour: its price and its arrival in the normal lane and in a cheaper one.

An arrival is what quotas, places and the longest chain of stages add up to, by how long responses took in the
newest run. What finds no capacity in a lane comes later, and never later than the hour allows.
"""

from __future__ import annotations

import datetime
import statistics
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from assetmill.agents.told_limits import read_limits
from assetmill.money.prices import estimate, prices_for
from assetmill.plan.plan import FREE, Cost, Plan
from assetmill.records import RunManifest
from assetmill.settings import Settings
from assetmill.stage.admission import wanted
from assetmill.stage.hour import STAGES, Durations, Hour, followers_s

Needs = Mapping[str, tuple[str, ...]]
"""Every stage's label with those it follows, in an order in which they can run."""

_SOON_S = 20 * 3600.0


@dataclass(frozen=True)
class Prospect:
    """What all of it costs in a lane, and when it is done there."""

    cost: Cost
    at: float

    def document(self) -> dict[str, Any]:
        """Return it as `--json` shows it."""
        return {"cost_usd": self.cost.amounts(), "unknown": list(self.cost.unknown), "at": self.at}

    def line(self, name: str) -> str:
        """Return it as a person is told."""
        unknown = f" + unknown ({', '.join(self.cost.unknown)})" if self.cost.unknown else ""
        return f"  {name:<6}  about ${self.cost.expected:.4f}{unknown}, done {_clock(self.at)}"


@dataclass(frozen=True)
class Outlook:
    """Both lanes of what is to be done by an hour; `flex` is None where no stage can go there."""

    hour: Hour
    normal: Prospect
    flex: Prospect | None
    stages: int
    in_flex: int
    obstacles: tuple[str, ...] = ()
    """Why stages do not go in a cheaper lane."""

    @property
    def is_met(self) -> bool:
        """Whether the normal lane is done before the hour; then a cheaper one is too, for it gives way."""
        return self.normal.at <= self.hour.by

    def document(self) -> dict[str, Any]:
        """Return it as `--json` shows it."""
        return {
            "by": self.hour.by,
            "is_met": self.is_met,
            "normal": self.normal.document(),
            "flex": self.flex.document() if self.flex else None,
            "stages": self.stages,
            "stages_in_flex": self.in_flex,
            "obstacles": list(self.obstacles),
        }

    def lines(self) -> Iterator[str]:
        """Yield what a person is told, in lines that a narrow terminal holds."""
        by = _clock(self.hour.by)
        yield f"by {by}: {'it can be met' if self.is_met else 'it cannot be met'}"
        yield self.normal.line("normal")
        if self.flex is None:
            yield "  no stage can go in a cheaper lane"
        else:
            yield self.flex.line("flex")
            yield f"  {self.in_flex} of {self.stages} stages in flex, while {by} allows"
        for lane, name in (("now", "a response"), ("flex", "one in flex")):
            how = "as in the newest run" if lane in self.hour.durations.seen else "assumed"
            if self.flex or lane == "now":
                yield f"  {name}: {self.hour.durations.of(lane):.0f} s, {how}"
        yield from (f"  not in flex: {reason}" for reason in self.obstacles)


def _clock(at: float) -> str:
    return time.strftime("%H:%M" if at - time.time() < _SOON_S else "%a %H:%M", time.localtime(at))


def outlook_of(plan: Plan, settings: Settings, by: float, newest: RunManifest | None, now: float) -> Outlook:
    """Return what a plan is to cost and when it is done, in both lanes."""
    calls = {stage.label: call for stage in plan.stages if (call := stage.asked) and not call.is_local}
    needs = {stage.label: stage.needs for stage in plan.stages}
    prices = prices_for(settings)
    coming = {stage.label: stage.coming for stage in plan.stages}
    normal = sum(
        (estimate(replace(call, lane="now"), prices, coming=coming[label]) for label, call in calls.items()),
        FREE,
    )
    taken: dict[str, Counter[str]] = {}
    for call in calls.values():
        for deployment, takes in wanted(call).items():
            taken.setdefault(deployment, Counter()).update(takes)  # pyright: ignore[reportArgumentType]
    durations = durations_of(newest)
    hour = hour_for(by, settings, taken=taken, stages=len(calls), needs=needs, durations=durations, now=now)
    in_flex = frozenset(label for label, call in calls.items() if call.lane == "flex")
    chains = {label: needs[label] for label in calls}
    told = weigh(hour, (normal, plan.cost), chains, in_flex, stages_in_flex=len(in_flex), now=now)
    return replace(told, obstacles=plan.obstacles)


def weigh(
    hour: Hour,
    costs: tuple[Cost, Cost],
    needs: Needs,
    in_flex: frozenset[str],
    *,
    stages_in_flex: int,
    now: float,
) -> Outlook:
    """Return both lanes' prices, `costs`, and arrivals; `in_flex` are the labels that can go there."""
    normal, flex = (
        Prospect(cost, now + hour.queue_s(lane) + _chain_s(needs, hour.durations, labels))
        for cost, lane, labels in zip(costs, ("now", "flex"), (frozenset[str](), in_flex), strict=True)
    )
    stages = hour.left[STAGES]
    return Outlook(hour, normal, flex if stages_in_flex else None, stages, stages_in_flex)


def hour_for(
    by: float,
    settings: Settings,
    *,
    taken: Mapping[str, Mapping[str, float]],
    stages: int,
    needs: Needs,
    durations: Durations,
    now: float,
) -> Hour:
    """Return an hour with all that is to be done until then; `taken` is what that takes from each quota."""
    today = datetime.datetime.fromtimestamp(now, datetime.UTC).date()
    told = read_limits(settings, today)
    a_minute: dict[str, float] = {}
    left: Counter[str] = Counter({STAGES: stages})
    for deployment, takes in taken.items():
        rate: object = settings.quota.deployments.get(deployment)
        if rate is None and deployment in told:
            rate = told[deployment].rates
        requests = takes.get("requests", 0.0)
        left[deployment] = round(requests)
        limits = [
            limit * settings.quota.share * requests / amount
            for name, amount in takes.items()
            if amount and (limit := getattr(rate, name, None)) is not None
        ]
        if limits:
            a_minute[deployment] = min(limits)
    after_s = followers_s(needs, dict.fromkeys(needs, durations.now_s))
    return Hour(by, durations, a_minute, left, after_s, settings.run.concurrency)


def durations_of(newest: RunManifest | None) -> Durations:
    """Return how long a response took in each lane in a run, and what is assumed where it tells nothing."""
    found: dict[str, list[float]] = {"now": [], "flex": []}
    for record in (entry.record for entry in newest.stages if entry.record) if newest else ():
        lane = "flex" if record.usage.service_tier == "flex" else "now"
        found[lane].append((record.finished_at - record.started_at) / record.turns)
    seen = {lane: statistics.median(seconds) for lane, seconds in found.items() if seconds}
    usual = Durations()
    return Durations(seen.get("now", usual.now_s), seen.get("flex", usual.flex_s), tuple(seen))


def _chain_s(needs: Needs, durations: Durations, in_flex: frozenset[str]) -> float:
    """Return how long the longest chain of responses takes, some of them in flex."""
    seconds = {label: durations.of("flex" if label in in_flex else "now") for label in needs}
    after = followers_s(needs, seconds)
    return max((after[label] + seconds[label] for label in needs), default=0.0)
