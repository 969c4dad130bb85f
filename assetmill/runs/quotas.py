"""Which quotas a run will keep to, and from where it has them: told before anything is sent."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from assetmill.agents.told_limits import read_limits
from assetmill.plan.plan import Plan
from assetmill.settings import Settings


@dataclass(frozen=True)
class AssumedQuota:
    """What a run assumes of one model deployment; None is no limit that is known."""

    deployment: str
    requests: float | None
    tokens: float | None
    images: float | None
    share: float
    source: Literal["profile", "told", "none"]
    day: str | None = None
    """On which day an answer told it."""

    @property
    def text(self) -> str:
        """One line for a person."""
        limits = {"requests": self.requests, "tokens": self.tokens, "images": self.images}
        named = ", ".join(f"{limit:g} {name}" for name, limit in limits.items() if limit is not None)
        if self.source == "none":
            return f"quota of {self.deployment}: none known; goes as fast as it can until the service refuses"
        whence = "from the profile" if self.source == "profile" else f"an answer told so on {self.day}"
        part = "" if self.share == 1 else f", of which this process takes {self.share:.0%}"
        return f"quota of {self.deployment}: {named} a minute ({whence}){part}"


def assumed_quotas(plan: Plan, settings: Settings, today: datetime.date) -> Iterator[AssumedQuota]:
    """Yield what is assumed of each model deployment that stages to be run will use, by name."""
    calls = [stage.call for stage in plan.stages if stage.call and stage.is_to_do]
    used = {name for call in calls for name in (call.model, call.image_deployment) if name}
    told = read_limits(settings, today)
    share = settings.quota.share
    for name in sorted(used):
        if rate := settings.quota.deployments.get(name):
            yield AssumedQuota(name, rate.requests, rate.tokens, rate.images, share, "profile")
        elif name in told:
            rates, day = told[name]
            yield AssumedQuota(name, rates.requests, rates.tokens, rates.images, share, "told", str(day))
        else:
            yield AssumedQuota(name, None, None, None, share, "none")
