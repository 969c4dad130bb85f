"""Prompt agents and their versions: which version answers, and what fills its templates."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from typing import Any, cast

from foundry_emulator.boundary.errors import WireError, invalid
from foundry_emulator.boundary.fields import Fields
from foundry_emulator.jsons import Json
from foundry_emulator.state import Doc, State

NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_PLACEHOLDER = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_.-]*)\s*\}\}")

_CHANCE = random.SystemRandom()
"""Splits traffic; not the common generator, whose state belongs to the process that the emulator runs in."""


def checked_name(name: str) -> str:
    """Refuse names that the service would refuse."""
    if not NAME.fullmatch(name):
        message = (
            "Agent names start and end with a letter or digit, may have hyphens inside, and are at most "
            "63 characters long."
        )
        raise invalid(message, "agent_name", "invalid_agent_name")
    return name


def _no_agent(message: str) -> WireError:
    return WireError(404, "not_found", message, layer="foundry")


def versions_of(state: State, name: str) -> list[Doc]:
    """Return an agent's versions, oldest first."""
    return state.all("version", name)


def need_agent(state: State, name: str) -> Doc:
    """Return an agent.

    Raises:
        WireError: 404 when there is none of that name.
    """
    doc = state.get("agent", name)
    if doc is None:
        raise _no_agent(f"Agent {name[:80]} doesn't exist")
    return doc


def need_version(state: State, name: str, version: str) -> Json:
    """Return one version of an agent.

    Raises:
        WireError: 404 when there is none.
    """
    doc = state.get("version", version, name)
    if doc is None:
        raise _no_agent(f"Agent {name[:80]} with version {version[:20]} not found.")
    return doc.body


def selected_version(state: State, name: str, wanted: str | None) -> Json:
    """Choose the version that answers: the one named, else by the endpoint's traffic rules, else the latest.

    Raises:
        WireError: 404 for an unknown agent or version, 403 for a disabled agent.
    """
    agent = need_agent(state, name)
    if agent.body["state"] == "disabled":
        raise WireError(403, "agent_disabled", f"Agent '{name}' is disabled.")
    if wanted:
        return need_version(state, name, wanted)
    endpoint: Json = agent.body.get("agent_endpoint") or {}
    selector: Json = endpoint.get("version_selector") or {}
    rules: list[Json] = selector.get("version_selection_rules") or []
    weights = [rule.get("traffic_percentage") or 0 for rule in rules]
    if rules and sum(weights) > 0:
        chosen = _CHANCE.choices(rules, weights)[0]
        if state.get("version", str(chosen["agent_version"]), name):
            return need_version(state, name, str(chosen["agent_version"]))
    latest = versions_of(state, name)
    if not latest:
        raise _no_agent(f"Agent {name[:80]} doesn't exist")
    return latest[-1].body


def input_values(definition: Mapping[str, Any], given: Fields | None) -> Json:
    """Collect the values for an agent's structured inputs.

    Raises:
        WireError: 400 when a required one without a default is missing.
    """
    values: Json = dict(given.raw) if given else {}
    declared: Mapping[str, Json] = definition.get("structured_inputs") or {}
    for name, spec in declared.items():
        if values.get(name) is not None:
            continue
        default = spec.get("default_value")
        if default is None and spec.get("required"):
            message = f"Missing required structured input: '{name}'."
            raise invalid(message, f"structured_inputs.{name}", "missing_required_parameter")
        values[name] = "" if default is None else default
    return values


def filled_in(value: Any, values: Mapping[str, Any]) -> Any:
    """Replace `{{name}}` in every string; a string that is only one placeholder takes the value's type.

    Placeholders without a value stay as they are.
    """
    if isinstance(value, dict):
        pairs = cast("Mapping[str, Any]", value)
        return {key: filled_in(inner, values) for key, inner in pairs.items()}
    if isinstance(value, list):
        return _filled_list(cast("list[Any]", value), values)
    if not isinstance(value, str):
        return value
    whole = _PLACEHOLDER.fullmatch(value)
    if whole and whole[1] in values:
        return values[whole[1]]
    return _PLACEHOLDER.sub(lambda match: str(values.get(match[1], match[0])), value)


def _filled_list(entries: list[Any], values: Mapping[str, Any]) -> list[Any]:
    filled: list[Any] = []
    for entry in entries:
        inner = filled_in(entry, values)
        # A placeholder inside an array may stand for several entries at once.
        if isinstance(entry, str) and isinstance(inner, list):
            filled.extend(cast("list[Any]", inner))
        else:
            filled.append(inner)
    return filled
