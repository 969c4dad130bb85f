"""What goes to a Foundry project and comes back, as JSON: no SDK, so that no call can hide here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from assetmill.agents.gateway import AgentDefinition, Response, ResponseRequest
from assetmill.redaction import redact_json


def read_body(body: dict[str, Any]) -> Response:
    """Return a response from its body, as it is now.

    A tool's server may have answered with the secret that it was sent, and a body is stored.
    """
    return Response(str(body["id"]), str(body["status"]), redact_json(body))


def kind_of(body: Mapping[str, Any]) -> tuple[str, str]:
    """Return what responses of like duration have in common: their model and their agent."""
    agent = cast("Mapping[str, Any]", body.get("agent_reference") or {})
    return str(body.get("model")), str(agent.get("name"))


def rates_of(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the limits that came with an answer: the headers `x-ratelimit-*`."""
    return {name.lower(): value for name, value in headers.items() if name.lower().startswith("x-ratelimit-")}


def extra_body(request: ResponseRequest) -> dict[str, Any]:
    """Return what the SDK has no arguments for: which agent, and what is filled in for it."""
    agent = {"type": "agent_reference", "name": request.agent.name, "version": request.agent.version}
    body: dict[str, Any] = {"agent_reference": agent}
    if request.structured_inputs:
        body["structured_inputs"] = dict(request.structured_inputs)
    return body


def definition_body(definition: AgentDefinition) -> dict[str, Any]:
    """Return an agent's definition as the service takes it."""
    body: dict[str, Any] = {
        "kind": "prompt",
        "model": definition.model,
        "instructions": definition.instructions,
        "tools": [dict(tool) for tool in definition.tools],
    }
    if definition.tool_choice:
        body["tool_choice"] = definition.tool_choice
    if definition.text_format:
        body["text"] = {"format": dict(definition.text_format)}
    if definition.structured_inputs:
        body["structured_inputs"] = {
            name: {
                "description": "filled in by assetmill for each run",
                "required": True,
                "schema": {"type": "string"},
            }
            for name in definition.structured_inputs
        }
    return body
