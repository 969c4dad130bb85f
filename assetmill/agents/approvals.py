"""What an agent may not do before a person has said yes, and where that person's word is kept.

A server's tool calls are approved one by one. A safety check is approved for the stage: its browser is gone
when the next run begins, and the same check comes up again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from assetmill.agents.gateway import Json
from assetmill.spec.tools import ENGINE_KEY

_SHOWN_CHARS = 400


@dataclass(frozen=True)
class Request:
    """Something to be approved. `subject` identifies it in the store, `words` are for the person."""

    subject: str
    words: str


def requests_in(waiting: Sequence[Json], tools: Sequence[Json]) -> tuple[Request, ...]:
    """Return what needs a person's approval among the items that wait for an answer."""
    return tuple(_requests(waiting, tools))


def _requests(waiting: Sequence[Json], tools: Sequence[Json]) -> Iterator[Request]:
    for item in waiting:
        if item.get("type") == "mcp_approval_request" and needs_person(item, tools):
            yield server_request(item)
        for check in safety_checks(item):
            yield safety_request(check)


def server_request(item: Json) -> Request:
    """Return what a server's tool call is about."""
    words = f"{item.get('server_label')}: {item.get('name')}({item.get('arguments') or ''})"
    return Request(f"mcp:{item.get('id')}", words[:_SHOWN_CHARS])


def safety_request(check: Json) -> Request:
    """Return what a safety check is about."""
    code, message = str(check.get("code") or ""), str(check.get("message") or "")
    words = f"safety check {code}: {message}" if code else f"safety check: {message}"
    return Request(f"safety:{json.dumps([code, message])}", words[:_SHOWN_CHARS])


def safety_checks(item: Json) -> tuple[Json, ...]:
    """Return the checks that the service raised about a computer's action."""
    found = item.get("pending_safety_checks") if item.get("type") == "computer_call" else None
    if not isinstance(found, list):
        return ()
    return tuple(cast(Json, check) for check in cast(list[object], found) if isinstance(check, Mapping))


def needs_person(item: Json, tools: Sequence[Json]) -> bool:
    """Whether the stage's own policy does not already allow a server's tool call.

    A service that asks all the same gets its yes from the policy that a person wrote.
    """
    label, name = item.get("server_label"), item.get("name")
    tool = next((t for t in tools if t["type"] == "mcp" and t.get("server_label") == label), None)
    policy: object = tool.get("require_approval", "always") if tool else "always"
    if isinstance(policy, Mapping):
        always: Mapping[str, Any] = cast(Mapping[str, Any], policy).get("always") or {}
        return name in always.get("tool_names", ())
    return policy != "never"


def engine_part(tool: Json) -> Mapping[str, Any]:
    """Return what a tool carries for us alone."""
    return tool.get(ENGINE_KEY) or {}
