"""In which lane a stage may go, and why not in a cheaper one: by the tables, before anything is spent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assetmill.records import Lane
from assetmill.settings import Foundry
from assetmill.spec.chat_models import ChatModel, LaneFacts

_CALLS_BACK = frozenset({"function", "computer_use_preview", "mcp"})
"""Tools for whose sake a response may end in the middle, to be gone on with."""


@dataclass(frozen=True)
class LaneRules:
    """What a profile says of lanes. `has_hour`: stages that name no lane take a cheaper one, if they can."""

    lane: Lane | None = None
    has_hour: bool = False
    zone: str = "global"
    tried: tuple[str, ...] = ()
    is_emulated: bool = False

    @classmethod
    def of(cls, foundry: Foundry, *, is_emulated: bool, has_hour: bool) -> LaneRules:
        """Return what a profile says."""
        return cls(foundry.lane, has_hour, foundry.zone, foundry.try_lanes, is_emulated)


def obstacle(
    lane: Lane,
    model: str,
    *,
    known: ChatModel | None,
    facts: Mapping[str, LaneFacts],
    provider: str,
    rules: LaneRules,
    tools: Sequence[Mapping[str, Any]],
) -> str:
    """Return why a stage cannot go in a lane beside the normal one, "" when it can."""
    said = facts.get(lane)
    if said is None:
        return f"chat_models.toml knows no {lane} lane"
    if said.agents == "no":
        return f"the {lane} lane takes no agents, and every stage is an agent's response{_by(said)}"
    reasons = (_of_model(lane, model, known, provider), _of_profile(said, rules), _of_tools(tools))
    return next(filter(None, reasons), "")


def _of_model(lane: Lane, model: str, known: ChatModel | None, provider: str) -> str:
    word = known.lanes.get(provider, {}).get(lane, "") if known else ""
    if known is None or word != "yes":
        only = f": a price alone tells of one{_source(known)}" if known and word == "priced" else ""
        return f"chat_models.toml has no {lane} lane of {model} at {provider}{only}"
    return ""


def _of_profile(said: LaneFacts, rules: LaneRules) -> str:
    lane = said.name
    if rules.zone != "global":
        return f"the {lane} lane is for Global Standard deployments, and the profile's zone is {rules.zone}"
    if said.agents != "yes" and not rules.is_emulated and lane not in rules.tried:
        return (
            f"no public source says that an agent's response takes the {lane} lane{_by(said)}; "
            f'`try_lanes = ["{lane}"]` under [foundry] of the profile tries it'
        )
    return ""


def _of_tools(tools: Sequence[Mapping[str, Any]]) -> str:
    back = next((str(tool["type"]) for tool in tools if tool["type"] in _CALLS_BACK), "")
    return (
        f"{back} may call back, and what waits for the answer must not wait for capacity too" if back else ""
    )


def _by(facts: LaneFacts) -> str:
    return f" ({'; '.join(map(str, facts.sources))})"


def _source(known: ChatModel) -> str:
    return f" ({'; '.join(map(str, known.lane_sources))})" if known.lane_sources else ""
