"""The calls that a recorded request answers: what an earlier turn must have asked for."""

from __future__ import annotations

from collections.abc import Callable

from foundry_emulator.comparing.exchange import Exchange
from foundry_emulator.comparing.playing import answer_of, recorded_items
from foundry_emulator.jsons import Json, as_list, as_object

_NAMES = ("call_id", "approval_request_id")


def name_of(answer: Json) -> str:
    """Return the ID by which a call's result, or the word on one, names the call."""
    return next((str(answer[name]) for name in _NAMES if name in answer), "")


def earlier_calls(exchange: Exchange) -> dict[str, Json]:
    """Return the calls that a request answers, as items to be played, by the IDs they were recorded under."""
    body = as_object(exchange.body)
    asked: dict[str, Json] = {}
    for item in map(as_object, as_list(body.get("input"))):
        make = _CALLS.get(str(item.get("type")))
        if make is not None:
            asked[name_of(item)] = make(exchange, item)
    return asked


def _function_call(exchange: Exchange, item: Json) -> Json:
    del item
    tools = [as_object(tool) for tool in as_list(answer_of(exchange).get("tools"))]
    names = [tool.get("name") for tool in tools if tool.get("type") == "function"]
    return {"type": "function_call", "name": next(iter(names), "function"), "arguments": "{}"}


def _computer_call(exchange: Exchange, item: Json) -> Json:
    del exchange
    checks = as_list(item.get("acknowledged_safety_checks"))
    return {"type": "computer_call", "action": {"type": "screenshot"}, "pending_safety_checks": checks}


def _approval_request(exchange: Exchange, item: Json) -> Json:
    """Ask for the call that was carried out; of one that was denied a recording does not say the name."""
    del item
    calls = [one for one in recorded_items(exchange) if one.get("type") == "mcp_call"]
    tools = [as_object(tool) for tool in as_list(answer_of(exchange).get("tools"))]
    label = next((tool.get("server_label") for tool in tools if tool.get("type") == "mcp"), "server")
    unknown = {"server_label": label, "name": "a_tool", "arguments": "{}"}
    return {**next(iter(calls), unknown), "type": "mcp_approval_request"}


_CALLS: dict[str, Callable[[Exchange, Json], Json]] = {
    "function_call_output": _function_call,
    "computer_call_output": _computer_call,
    "mcp_approval_response": _approval_request,
}
