"""Lanes of the simulated service: room in flex for some posts, and the tier that serves them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from assetmill.agents.gateway import ResponseRequest
from assetmill.errors import NoCapacity
from assetmill.plan.calls import StageCall
from assetmill.stage.hour import Durations, Hour
from tests.assetmill.simulation.world import World

LANED = 3
"""Every third seed goes in the flex lane. No chance is drawn for it: the others keep their futures."""

_MODEL = "gpt-5.6-luna"


@dataclass(frozen=True)
class Lanes:
    """What part of the posts in flex finds no room, and what part of the others is served in it."""

    no_capacity: float = 0.0
    served: float = 1.0

    def check_room(self, request: ResponseRequest, world: World) -> None:
        """Refuse what finds no room; nothing is paid."""
        if request.lane == "flex" and world.chance(self.no_capacity):
            raise NoCapacity("Resource unavailable", "resource_unavailable", 429)

    def tier(self, request: ResponseRequest, world: World) -> str:
        """Return the tier that serves an accepted request."""
        return "flex" if request.lane == "flex" and world.rng.random() < self.served else "default"


NO_LANES = Lanes()


@dataclass(frozen=True)
class LanedStage:
    """A stage in flex: without an hour, with one that is near, and with one that is far."""

    call: StageCall
    lanes: Lanes
    hour: Hour | None


def laned(seed: int, call: StageCall, now: float) -> LanedStage:
    """Lay lanes for a seed; most have none."""
    if seed % LANED:
        return LanedStage(call, NO_LANES, None)
    number = seed // LANED
    lanes = Lanes((0.0, 0.3, 0.9)[number % 3], (1.0, 1.0, 0.5)[number // 3 % 3])
    left_s = (None, 120.0, 900.0)[number // 9 % 3]
    hour = Hour(now + left_s, Durations(10.0, 30.0)) if left_s else None
    return LanedStage(replace(call, model=_MODEL, lane="flex"), lanes, hour)
