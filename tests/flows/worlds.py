"""The worlds in which money is tried: each answer on which public sources disagree or are silent, and mixes.

A world is what the emulator is switched to. Which of its assumptions a probe must see fail, and so where the
product refuses to fence, is written here by hand: docs/decisions/0004-money-protocol.md.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from foundry_emulator.settings import Switches

from assetmill.agents.gateway import Way
from assetmill.records import Lane

SETTLE_S = 0.6
LAG_S = 5.0
"""A lag of lists beyond the settle time."""


@dataclass(frozen=True)
class World:
    """What the emulator answers. `kept` is whether what loses its line goes on all the same (A6)."""

    switches: Mapping[str, Any]

    def is_on_the_line(self, way: Way) -> bool:
        """Whether a response that is posted in a way hangs on its caller's line."""
        return way != "background" or self._has("background_with", "dropped")

    def refusal(self, way: Way) -> str:
        """Return the service's words when it refuses the way for a picture, "" when it takes it."""
        if way == "background" and self._has("background_with", "refused"):
            return "Not allowed when agent is specified"
        return "streaming" if way == "stream" and self.switches.get("refuse_image_streaming") else ""

    def loses_its_line(self, way: Way) -> bool:
        """Whether what is posted in a way is gone, and may have been charged, when its caller leaves."""
        return self.is_on_the_line(way) and not self.switches.get("finish_without_caller")

    def refuses_fence(self, way: Way) -> bool:
        """Whether the product must refuse to fence what is posted in a way."""
        is_dropped = way == "background" and self._has("background_with", "dropped")
        unkept = ("forget_with_conversation", "drop_metadata", "listing_lag_s")
        return is_dropped or self.loses_its_line(way) or any(self.switches.get(name) for name in unkept)

    @property
    def lane(self) -> Lane:
        """The lane in which stages are posted: flex where that is what the world is about."""
        return "flex" if "flex_with_agent" in self.switches else "now"

    @property
    def refuses_lane(self) -> bool:
        """Whether a stage's first post is refused for its lane, and only the next one is taken."""
        return self.switches.get("flex_with_agent") == "refused"

    @property
    def proves_nothing(self) -> bool:
        """Whether a list shows other conversations' responses, so that silence is no silence."""
        return bool(self.switches.get("ignore_list_filter"))

    @property
    def lags(self) -> bool:
        """Whether lists lag beyond the settle time."""
        return bool(self.switches.get("listing_lag_s"))

    def _has(self, start: str, answer: str) -> bool:
        return any(value == answer for name, value in self.switches.items() if name.startswith(start))


USUAL = "usual"
_KEPT = {"finish_without_caller": True}
_ALONE: tuple[Mapping[str, Any], ...] = (
    {"background_with_agent": "refused"},
    {"background_with_agent": "dropped"},
    {"background_with_conversation": "refused"},
    {"background_with_conversation": "dropped"},
    {"flex_with_agent": "refused"},
    {"flex_with_agent": "dropped"},
    {"refuse_image_streaming": True},
    {"refuse_image_file_ids": True},
    {"refuse_image_multi_turn": True},
    {"refuse_assistants_download": True},
    {"replace_expired_containers": True},
    {"conversation_lock": True},
    {"hide_results": True},
    {"images_stay_generating": True},
    {"refuse_webp": True},
    {"longest_data_url": 65_520},
    {"silent_rate_limits": True},
    {"gateway_rate_limits": True},
    {"ignore_list_order": True},
    {"ignore_list_filter": True},
    {"drop_metadata": True},
    {"forget_with_conversation": True},
    {"finish_without_caller": False},
    {"list_when_over": True},
    {"keepalive_s": 0.02},
    {"listing_lag_s": LAG_S},
    {"flavour": "azure-2025-11"},
    {"flavour": "azure-2026-03"},
    {"flavour": "azure-2026-05"},
)
NO_ANSWERS = frozenset(
    {
        "latency_s",
        "canned_pictures",
        "quota",
        "file_processing_s",
        "retired",
        "mcp_routes",
        "tells_retirement",
    }
    | {"flex_refusals", "flex_latency_s"}
)
"""Switches of pace, of lanes and of the test's own needs: no question on which sources disagree."""


def _named(switches: Mapping[str, Any]) -> str:
    return ", ".join(name if value is True else f"{name}={value}" for name, value in sorted(switches.items()))


def _mixed(seed: int) -> Mapping[str, Any]:
    """Return three to six answers at once, the same for the same seed."""
    chance = random.Random(seed)
    chosen: dict[str, Any] = {}
    for alone in chance.sample(_ALONE, chance.randint(3, 6)):
        chosen.update(alone)
    return chosen


MIXES = 12
WORLDS: dict[str, World] = {
    USUAL: World(_KEPT),
    **{_named(alone): World({**_KEPT, **alone}) for alone in _ALONE},
    **{f"mix {seed}": World({**_KEPT, **_mixed(seed)}) for seed in range(MIXES)},
}


def unanswered() -> set[str]:
    """Return the emulator's switches that no world turns."""
    turned = {name for world in WORLDS.values() for name in world.switches}
    return {entry.name for entry in dataclasses.fields(Switches)} - turned - NO_ANSWERS
