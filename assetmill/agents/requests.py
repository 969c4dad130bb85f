"""A bound stage as the service wants it: an agent that many runs share, and one run's own input."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from assetmill.agents.computer import find_browser
from assetmill.agents.functions import Limits, load_function
from assetmill.agents.gateway import AgentDefinition, Json
from assetmill.agents.handles import Handles, Reference
from assetmill.fingerprint import canonical, digest
from assetmill.plan.calls import BoundInput, StageCall
from assetmill.records import PictureForm
from assetmill.settings import Settings
from assetmill.spec.tools import ENGINE_KEY


@dataclass(frozen=True)
class Prepared:
    """Everything of a request but the conversation and the agent's version.

    IDs of files and vector stores are structured inputs, so that one agent version serves many runs. So are
    `secrets`, the headers of MCP servers, which enter no agent version, no digest and no record.
    """

    definition: AgentDefinition
    input: tuple[Json, ...]
    structured_inputs: Mapping[str, str]
    secrets: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)

    @property
    def digest(self) -> str:
        """What the intent keeps of the request."""
        return digest(canonical([list(self.input), dict(self.structured_inputs)]))


def prepare(
    call: StageCall, handles: Handles, settings: Settings, avoiding: Collection[PictureForm] = ()
) -> Prepared:
    """Make sure that the service has every file the stage needs, and return its request.

    Pictures go in no form that is `avoiding`: the service has just refused it.

    Raises:
        InvalidInput: a function cannot be imported, there is no browser, or a server's headers are not set.
    """
    secrets = dict(_secrets(call, settings))
    tools = [_own_part(tool, call, settings) for tool in call.tools]
    values: dict[str, str] = {}
    files = [bound for bound in call.inputs if bound.role == "container_file"]
    for number, bound in enumerate(files, start=1):
        values[f"file_{number}"] = handles.resolve(bound, "container_file").value
    for knowledge in call.knowledge:
        values[_slot(knowledge.name)] = handles.vector_store_id(knowledge)
    masks = [
        _picture(handles.resolve(bound, "input_image", avoiding))
        for bound in call.inputs
        if bound.role == "mask"
    ]
    definition = AgentDefinition(
        name=agent_name(call),
        model=call.model,
        instructions=call.instructions,
        tools=tuple(_tool(tool, len(files), masks) for tool in tools),
        tool_choice=call.tool_choice,
        text_format=call.text_format,
        structured_inputs=(*values, *secrets),
    )
    return Prepared(definition, _input(call, files, values, handles, avoiding), values, secrets)


def reply_with(prepared: Prepared, replies: tuple[Json, ...]) -> Prepared:
    """Return the request of a following turn: the same agent, and nothing but the answers it waits for."""
    return replace(prepared, input=replies)


def agent_name(call: StageCall) -> str:
    """Return the agent's name: at most 63 letters, digits and inner hyphens."""
    text = re.sub(r"[^a-z0-9]+", "-", f"{call.pipeline}-{call.stage}".lower()).strip("-")
    if len(text) > 50:
        text = f"{text[:41].rstrip('-')}-{digest(text.encode())[7:15]}"
    return f"assetmill-{text}"


def _slot(knowledge: str) -> str:
    return "knowledge_" + re.sub(r"\W", "_", knowledge)


def _own_part(tool: Json, call: StageCall, settings: Settings) -> Json:
    """Fill in what only this process knows of a tool: a function's schema, a server's header names."""
    own = tool.get(ENGINE_KEY, {})
    if tool["type"] == "function":
        folder = Path(call.folder) if call.folder else None
        loaded = load_function(own["function"], folder, Limits.of(own))
        described = {"description": loaded.description} if loaded.description else {}
        return {**described, **tool, "parameters": dict(loaded.schema), "strict": loaded.is_strict}
    if tool["type"] == "computer_use_preview":
        find_browser(settings.computer.executable)
    if name := own.get("headers_from"):
        slots = {header: f"{{{{{_header_slot(name, header)}}}}}" for header in settings.mcp_headers(name)}
        return {**tool, "headers": slots}
    return tool


def _secrets(call: StageCall, settings: Settings) -> Iterator[tuple[str, str]]:
    for tool in call.tools:
        if name := tool.get(ENGINE_KEY, {}).get("headers_from"):
            for header, value in settings.mcp_headers(name).items():
                yield _header_slot(name, header), value


def _header_slot(name: str, header: str) -> str:
    return "header_" + re.sub(r"\W", "_", f"{name}_{header}").lower()


def _tool(tool: Json, files: int, masks: list[Json]) -> Json:
    wire = {key: value for key, value in tool.items() if key not in {ENGINE_KEY, "knowledge"}}
    kind = tool["type"]
    if kind == "code_interpreter":
        file_ids = [f"{{{{file_{number}}}}}" for number in range(1, files + 1)]
        container = {"type": "auto", **wire.get("container", {}), "file_ids": file_ids}
        return {**wire, "container": container}
    if kind == "file_search":
        return {**wire, "vector_store_ids": [f"{{{{{_slot(name)}}}}}" for name in tool["knowledge"]]}
    if kind == "image_generation" and masks:
        return {**wire, "input_image_mask": masks[0]}
    return wire


def _input(
    call: StageCall,
    files: list[BoundInput],
    values: Mapping[str, str],
    handles: Handles,
    avoiding: Collection[PictureForm],
) -> tuple[Json, ...]:
    pictures = [bound for bound in call.inputs if bound.role == "picture"]
    as_ = "image_call" if _goes_on(call) else "input_image"
    references = [handles.resolve(bound, as_, avoiding) for bound in pictures]
    text = call.prompt + _attachments(files, values)
    content: list[Json] = [{"type": "input_text", "text": text}]
    content += [
        {"type": "input_image", **_picture(found), "detail": "auto"}
        for found in references
        if found.kind != "image_call"
    ]
    calls = [
        {"type": "image_generation_call", "id": found.value}
        for found in references
        if found.kind == "image_call"
    ]
    return ({"type": "message", "role": "user", "content": content}, *calls)


def _goes_on(call: StageCall) -> bool:
    """Whether earlier image calls may be gone on with: an edit of one picture, which no mask refers to."""
    edits = any(tool.get("action") == "edit" for tool in call.tools)
    return edits and len([bound for bound in call.inputs if bound.role in ("picture", "mask")]) == 1


def _picture(found: Reference) -> Json:
    return {"file_id": found.value} if found.kind == "file" else {"image_url": found.value}


def _attachments(files: list[BoundInput], values: Mapping[str, str]) -> str:
    """Say where the service mounts each file: it puts the file's ID before its name."""
    if not files:
        return ""
    lines = [
        f"- {bound.name}: /mnt/data/{values[f'file_{number}']}-{bound.name}"
        for number, bound in enumerate(files, start=1)
    ]
    return "\n\nFiles:\n" + "\n".join(lines)
