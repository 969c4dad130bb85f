"""What goes to a Foundry project and comes back, as JSON: no SDK, so that no call can hide here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from pydantic import BaseModel

from assetmill.agents.gateway import (
    AgentDefinition,
    ContainerFileEntry,
    Json,
    Response,
    ResponseRequest,
    UploadedFile,
)
from assetmill.redaction import redact_json


def body_of(made: object) -> Json:
    """Return the JSON of what the SDK made of it; its models hold fields that they do not know, too."""
    if isinstance(made, BaseModel):
        return made.model_dump(mode="json", warnings="none")
    return cast("Json", made) if isinstance(made, Mapping) else {}


def each_once(entries: Iterable[Json]) -> Iterator[Json]:
    """Yield the entries of a list, whose pages the SDK asks for as long as the service says there are more.

    A service that takes no notice of the cursor sends the same page for ever.
    """
    seen: set[str] = set()
    repeats = 0
    for entry in entries:
        name = str(entry.get("id"))
        repeats += name in seen
        if repeats > _MOST_REPEATS:
            return
        if name not in seen or entry.get("id") is None:
            yield entry
        seen.add(name)


_MOST_REPEATS = 100
"""What one page holds at most."""


def read_body(body: object) -> Response:
    """Return a response from its body, as it is now. One without a status is asked for again.

    A tool's server may have answered with the secret that it was sent, and a body is stored.

    Raises:
        ValueError: it has no ID, so that nobody could.
    """
    fields = cast("dict[str, Any]", body) if isinstance(body, dict) else {}
    response_id, status = fields.get("id"), fields.get("status")
    if not isinstance(response_id, str) or not response_id:
        raise ValueError("a response without an ID")
    return Response(response_id, status if isinstance(status, str) else "unknown", redact_json(fields))


def kind_of(body: Mapping[str, Any]) -> tuple[str, str]:
    """Return what responses of like duration have in common: their model and their agent."""
    agent: object = body.get("agent_reference")
    name = cast("Mapping[str, Any]", agent).get("name") if isinstance(agent, Mapping) else None
    return str(body.get("model")), str(name)


def rates_of(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the limits that came with an answer: the headers `x-ratelimit-*`."""
    return {name.lower(): value for name, value in headers.items() if name.lower().startswith("x-ratelimit-")}


def named(value: object) -> str:
    """Return an ID that the service gave to something it made.

    Raises:
        ValueError: there is none, so that nothing could be done with it.
    """
    if isinstance(value, str) and value:
        return value
    raise ValueError(f"the service made something and gave it no ID: {value!r}")


def read_upload(body: Json, now: float) -> UploadedFile:
    """Return a file that was just uploaded."""
    made_at, ends_at = body.get("created_at"), body.get("expires_at")
    return UploadedFile(named(body.get("id")), _number(made_at) or now, _number(ends_at))


def read_container_entries(bodies: Iterable[Json], container_id: str) -> Iterator[ContainerFileEntry]:
    """Yield the files that a container lists and that can be asked for; all but the ID may be missing."""
    for body in bodies:
        file_id, size_bytes = body.get("id"), body.get("bytes")
        if isinstance(file_id, str) and file_id:
            path, source = (v if isinstance(v := body.get(name), str) else "" for name in ("path", "source"))
            size = size_bytes if isinstance(size_bytes, int) else None
            yield ContainerFileEntry(file_id, container_id, path, size, source)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def post_arguments(request: ResponseRequest) -> dict[str, Any]:
    """Return what the SDK is given to post; whatever is not said is left out, not sent as null."""
    arguments: dict[str, Any] = {
        "input": list(request.input),
        "conversation": request.conversation_id,
        "store": True,
        "extra_body": _extra_body(request),
    }
    if request.metadata:
        arguments["metadata"] = dict(request.metadata)
    if request.way == "background":
        arguments["background"] = True
    if request.lane == "flex":
        arguments["service_tier"] = "flex"
    if request.is_truncatable:
        arguments["truncation"] = "auto"
    if request.max_tool_calls is not None:
        arguments["max_tool_calls"] = request.max_tool_calls
    if request.image_deployment:
        arguments["extra_headers"] = {"x-ms-oai-image-generation-deployment": request.image_deployment}
    return arguments


def post_parts(request: ResponseRequest) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the body and the headers that the SDK makes of `post_arguments`."""
    arguments = post_arguments(request)
    headers: dict[str, str] = arguments.pop("extra_headers", {})
    body: dict[str, Any] = arguments.pop("extra_body")
    return arguments | body, headers


def _extra_body(request: ResponseRequest) -> dict[str, Any]:
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
    if definition.effort:
        body["reasoning"] = {"effort": definition.effort}
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
