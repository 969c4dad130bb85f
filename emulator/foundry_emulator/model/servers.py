"""MCP servers: list the tools once, call the one that fits, respect what the caller approved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from foundry_emulator.model.asking import Asking, call_server, list_tools
from foundry_emulator.model.filling import fill
from foundry_emulator.model.functions import clues_of
from foundry_emulator.model.history import objects, parse_object
from foundry_emulator.model.reading import Reading
from foundry_emulator.model.words import STOP_WORDS, shorten
from foundry_emulator.stems import words
from foundry_emulator.steps import CallMcp, Item, ListMcpTools

MOST_TEXT = 2000


@dataclass(frozen=True)
class Outcome:
    """What a server said, in words; with `awaiting_approval` the response ends here."""

    text: str
    awaiting_approval: bool = False


def ask(reading: Reading, server: Mapping[str, Any]) -> Asking[Outcome]:
    """Ask the server what the request wants to know."""
    label = str(server["server_label"])
    pending = _answered_approval(reading)
    if pending is not None:
        request, approved = pending
        if not approved:
            return Outcome(f"The call of {request.get('name')!r} was not approved, so I did not make it.")
        arguments = parse_object(str(request.get("arguments") or ""))
        return (
            yield from _call(
                CallMcp(str(request.get("server_label") or label), str(request.get("name")), arguments)
            )
        )
    tools = _listed(reading, label)
    if tools is None:
        listed = yield from list_tools(ListMcpTools(label))
        if listed.error:
            return Outcome(f"The server {label!r} could not list its tools: {shorten(listed.error, 300)}")
        tools = list(listed.tools)
    tool = best_tool(reading, tools)
    if tool is None:
        return Outcome(f"The server {label!r} offers no tools.")
    schema = cast(
        "Mapping[str, Any]", tool.get("input_schema") or tool.get("inputSchema") or {"type": "object"}
    )
    arguments = fill({"type": "object", **schema}, clues_of(reading, (), "", schema), every=False)
    return (yield from _call(CallMcp(label, str(tool["name"]), cast("Mapping[str, Any]", arguments))))


def best_tool(reading: Reading, tools: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return the tool whose name and description share most with the request; the first wins a tie."""
    said = set(words(reading.text)) - STOP_WORDS

    def score(tool: Mapping[str, Any]) -> float:
        name, about = set(words(str(tool.get("name")))), set(words(str(tool.get("description") or "")))
        return 2.0 * len(said & name) + len(said & about) - 0.01 * len(about)

    return max(tools, key=score, default=None)


def _call(step: CallMcp) -> Asking[Outcome]:
    answer = yield from call_server(step)
    if answer.awaiting_approval:
        return Outcome("", awaiting_approval=True)
    if answer.error:
        return Outcome(
            f"The call of {step.name!r} on {step.server_label!r} failed: {shorten(answer.error, 300)}"
        )
    text = (answer.output or "").strip()
    cut = text if len(text) <= MOST_TEXT else text[:MOST_TEXT].rsplit(" ", 1)[0] + "\u2026"
    return Outcome(
        f"{step.server_label} answered ({step.name}):\n\n{cut}" if cut else f"{step.name!r} returned nothing."
    )


def _listed(reading: Reading, label: str) -> list[Mapping[str, Any]] | None:
    for item in reversed(reading.turn.history):
        is_list = item.get("type") == "mcp_list_tools" and item.get("server_label") == label
        if is_list and not item.get("error"):
            return objects(item.get("tools"))
    return None


def _answered_approval(reading: Reading) -> tuple[Item, bool] | None:
    history = reading.turn.history
    answer = next(
        (item for item in reversed(reading.since) if item.get("type") == "mcp_approval_response"), None
    )
    if answer is None:
        return None
    wanted = answer.get("approval_request_id")
    request = next(
        (item for item in history if item.get("type") == "mcp_approval_request" and item.get("id") == wanted),
        None,
    )
    return (request or {}, bool(answer.get("approve")) and request is not None)
