"""Which quotas a run will keep to, and from where it has them: told before anything is sent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

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
    source: Literal["profile", "none"]

    @property
    def text(self) -> str:
        """One line for a person."""
        limits = {"requests": self.requests, "tokens": self.tokens, "images": self.images}
        named = ", ".join(f"{limit:g} {name}" for name, limit in limits.items() if limit is not None)
        if self.source == "none":
            return f"quota of {self.deployment}: none known; goes as fast as it can until the service refuses"
        part = "" if self.share == 1 else f", of which this process takes {self.share:.0%}"
        return f"quota of {self.deployment}: {named} a minute (from the profile){part}"


def assumed_quotas(plan: Plan, settings: Settings) -> Iterator[AssumedQuota]:
    """Yield what is assumed of each model deployment that stages to be run will use, by name."""
    calls = [stage.call for stage in plan.stages if stage.call and stage.is_to_do]
    used = {name for call in calls for name in (call.model, call.image_deployment) if name}
    for name in sorted(used):
        rate = settings.quota.deployments.get(name)
        if rate is None:
            yield AssumedQuota(name, None, None, None, settings.quota.share, "none")
        else:
            yield AssumedQuota(name, rate.requests, rate.tokens, rate.images, settings.quota.share, "profile")
