"""What can be switched at run time through the control API: flavour, pace, quotas, documented refusals."""

from __future__ import annotations

import dataclasses
import datetime
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast, get_args

from foundry_emulator.boundary.errors import invalid
from foundry_emulator.dialects import FLAVOURS, Dialect, Flavour, dialect
from foundry_emulator.jsons import Json, compact
from foundry_emulator.state import State

Answer = Literal["accepted", "refused", "dropped"]
"""What becomes of a field: it works, the request is refused for it, or it is silently left out."""
_KEY = "settings"
RATES = ("requests_per_minute", "tokens_per_minute", "images_per_minute")


@dataclass(frozen=True)
class Switches:
    """Run-time switches; the defaults are what most clients should meet."""

    flavour: Flavour = "azure"
    """Whose words are spoken: `azure` for the newest, a dated one of it, or `openai`."""
    latency_s: float = 0.0
    """How long every response takes before its first step."""
    canned_pictures: bool = False
    """Draw one picture per set of parameters and hand it out again, so that benchmarks cost no drawing."""
    quota: Mapping[str, Mapping[str, float]] = field(default_factory=dict[str, Mapping[str, float]])
    """Per model deployment (`*` for the rest): requests_per_minute, tokens_per_minute, images_per_minute."""
    refuse_image_streaming: bool = False
    """Azure's documentation of 2026-05 says that the image tool does not stream."""
    refuse_image_file_ids: bool = False
    """Azure's Responses page says that pictures cannot be referenced by file ID."""
    refuse_image_multi_turn: bool = False
    """Azure's Responses page says that multi-turn edits are not supported."""
    refuse_assistants_download: bool = False
    """Microsoft answers that files with purpose=assistants cannot be read back."""
    replace_expired_containers: bool = False
    """Give a later turn a fresh container where Azure answers 400 "Container is expired."."""
    conversation_lock: bool = False
    """Refuse a second response in a conversation while one is running."""
    background_with_agent: Answer = "accepted"
    """What `background` beside an agent does: documentation shows it, no recording has it."""
    background_with_conversation: Answer = "accepted"
    """What `background` beside a conversation does: nothing public shows it."""
    flex_with_agent: Answer = "accepted"
    """What `service_tier: flex` beside an agent does: nothing public shows it. Dropped, it is the default."""
    flex_refusals: float = 0.0
    """What part of the requests with `service_tier: flex` finds no capacity: 429, and nothing is charged."""
    flex_latency_s: float = 0.0
    """How much longer a response takes that is served as flex."""
    refuse_webp: bool = False
    """A public probing of Azure's image tool says that it takes no `output_format: webp`."""
    images_stay_generating: bool = False
    """A picture's item says `generating` in a completed response, as a public dump shows."""
    hide_results: bool = False
    """A picture's `result` is null when its response is read back, as one report says."""
    longest_data_url: int = 0
    """Longest data URL that is taken, in characters; 0 takes all. Azure once refused those above 65,520."""
    silent_rate_limits: bool = False
    """A 429 has neither Retry-After nor seconds in its words."""
    gateway_rate_limits: bool = False
    """A 429 comes from a gateway, whose words are not the service's."""
    ignore_list_order: bool = False
    """Listings come newest first, whatever `order` says."""
    ignore_list_filter: bool = False
    """Listings of responses ignore `conversation_id`."""
    drop_metadata: bool = False
    """A response's `metadata` is taken and does not come back."""
    forget_with_conversation: bool = False
    """Responses go with their conversation when it is deleted."""
    finish_without_caller: bool = False
    """What is not in the background runs on when its caller leaves; else it stops and leaves no trace."""
    list_when_over: bool = False
    """What is not in the background is listed only when it is over."""
    keepalive_s: float = 0.0
    """A stream sends `keepalive` when nothing has happened for so long; 0 sends none."""
    listing_lag_s: float = 0.0
    """How long a new response stays out of listings."""
    file_processing_s: float = 0.0
    """How long a file stays `in_progress` in a vector store."""
    retired: Mapping[str, str] = field(default_factory=dict[str, str])
    """Per model the day (2027-04-14) from which on it is not served any more, by the emulator's clock."""
    tells_retirement: bool = False
    """Deployments tell their model's day of `retired`, as those of the resource manager do."""
    mcp_routes: Mapping[str, str] = field(default_factory=dict[str, str])
    """MCP server URLs that are answered by another address, such as a stand-in on loopback."""

    @property
    def dialect(self) -> Dialect:
        """Return the flavour, asked by what it does."""
        return dialect(self.flavour)

    def changed(self, changes: Mapping[str, Any]) -> Switches:
        """Return these settings with some replaced.

        Raises:
            WireError: 400 for an unknown name or a value of the wrong type.
        """
        checked: dict[str, Any] = {name: _checked(name, value) for name, value in changes.items()}
        return dataclasses.replace(self, **checked)

    def as_json(self) -> Json:
        """Return the settings as the control API shows them."""
        return json.loads(json.dumps(dataclasses.asdict(self)))


def _checked(name: str, value: object) -> object:
    if name not in {entry.name for entry in dataclasses.fields(Switches)}:
        raise invalid(f"Unknown setting: '{name}'.", name, "unknown_parameter")
    if not _FITS.get(name, _is_switch)(value):
        raise invalid(f"Setting '{name}' cannot be {value!r}.", name, "invalid_type")
    return value


def _is_switch(value: object) -> bool:
    return isinstance(value, bool)


def _is_seconds(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < float("inf")


def _is_part(value: object) -> bool:
    return _is_seconds(value) and cast("float", value) <= 1


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_answer(value: object) -> bool:
    return value in get_args(Answer)


def _is_quota(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    deployments = cast("dict[str, object]", value)
    return all(_is_rates(rates) for rates in deployments.values())


def _is_rates(rates: object) -> bool:
    if not isinstance(rates, dict):
        return False
    known = cast("dict[str, object]", rates)
    return all(name in RATES and _is_seconds(limit) for name, limit in known.items())


def _is_days(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    return all(_is_day(day) for day in cast("dict[str, object]", value).values())


def _is_day(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(datetime.date.fromisoformat(value))
    except ValueError:
        return False


def _is_routes(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    routes = cast("dict[str, object]", value)
    return all(isinstance(address, str) for address in routes.values())


_FITS: dict[str, Callable[[object], bool]] = {
    "flavour": lambda value: value in FLAVOURS,
    "latency_s": _is_seconds,
    "flex_with_agent": _is_answer,
    "flex_refusals": _is_part,
    "flex_latency_s": _is_seconds,
    "listing_lag_s": _is_seconds,
    "keepalive_s": _is_seconds,
    "longest_data_url": _is_count,
    "background_with_agent": _is_answer,
    "background_with_conversation": _is_answer,
    "file_processing_s": _is_seconds,
    "quota": _is_quota,
    "mcp_routes": _is_routes,
    "retired": _is_days,
}


def load_settings(state: State) -> Switches:
    """Return the settings a state was left with."""
    stored = state.meta(_KEY)
    return Switches().changed(json.loads(stored)) if stored else Switches()


def save_settings(state: State, settings: Switches) -> None:
    """Remember settings across a restart."""
    state.set_meta(_KEY, compact(settings.as_json()))
