"""What can be switched at run time through the control API: flavour, pace, quotas, documented refusals."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from assetmill.emulator.errors import invalid
from assetmill.emulator.ids import Flavour
from assetmill.emulator.jsons import Json, compact
from assetmill.emulator.state import State

_KEY = "settings"


@dataclass(frozen=True)
class Settings:
    """Run-time switches; the defaults are what most clients should meet."""

    flavour: Flavour = "azure"
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
    conversation_lock: bool = False
    """Refuse a second response in a conversation while one is running."""
    listing_lag_s: float = 0.0
    """How long a new response stays out of listings."""
    file_processing_s: float = 0.0
    """How long a file stays `in_progress` in a vector store."""
    mcp_routes: Mapping[str, str] = field(default_factory=dict[str, str])
    """MCP server URLs that are answered by another address, such as a stand-in on loopback."""

    def changed(self, changes: Mapping[str, Any]) -> Settings:
        """Return these settings with some replaced.

        Raises:
            ServiceError: 400 for an unknown name or a value of the wrong type.
        """
        checked = {name: _checked(name, value) for name, value in changes.items()}
        return dataclasses.replace(self, **checked)

    def as_json(self) -> Json:
        """Return the settings as the control API shows them."""
        return json.loads(json.dumps(dataclasses.asdict(self)))


def _checked(name: str, value: object) -> Any:
    default = {entry.name: getattr(Settings(), entry.name) for entry in dataclasses.fields(Settings)}.get(
        name
    )
    if default is None:
        raise invalid(f"Unknown setting: '{name}'.", name, "unknown_parameter")
    if name == "flavour" and value not in ("azure", "openai"):
        raise invalid("Flavour must be 'azure' or 'openai'.", name)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    fits = (
        (is_number and float(str(value)) >= 0)
        if isinstance(default, float)
        else isinstance(value, type(default))
    )
    if not fits:
        raise invalid(f"Setting '{name}' cannot be {value!r}.", name, "invalid_type")
    return value


def load_settings(state: State) -> Settings:
    """Return the settings a state was left with."""
    stored = state.meta(_KEY)
    return Settings().changed(json.loads(stored)) if stored else Settings()


def save_settings(state: State, settings: Settings) -> None:
    """Remember settings across a restart."""
    state.set_meta(_KEY, compact(settings.as_json()))
