"""Brings about what a recorded refusal or failure came of, so that the emulator words it by itself."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from foundry_emulator.comparing.exchange import Exchange
from foundry_emulator.comparing.playing import answer_of
from foundry_emulator.jsons import Json, as_list, as_object
from foundry_emulator.testing.calls import Control, Raw

_TOO_LONG = "word " * 1_100_000
_FAILED_ABOVE = 500


def error_of(exchange: Exchange) -> Json:
    """Return a recorded error: of the envelope, of a response that failed, or of a stream's error event."""
    found = [as_object(event.get("error")) for event in exchange.events if event.get("type") == "error"]
    for error in (*found, as_object(as_object(exchange.answer).get("error")), _failed(exchange)):
        if error:
            return error
    return {}


def _failed(exchange: Exchange) -> Json:
    return as_object(answer_of(exchange).get("error"))


def bring_about(control: Control, raw: Raw, exchange: Exchange, ids: Mapping[str, str]) -> None:
    """Let happen beforehand what the recorded answer says had happened."""
    error = error_of(exchange)
    message = str(error.get("message") or "")
    if "container is expired" in message.lower():
        control.post("expire", {"kinds": ["containers"]})
    elif exchange.status in (400, 404, 410) or "_deleted_" in exchange.name:
        for path in _gone(exchange, message, ids):
            raw.call("DELETE", path)
    if any(event.get("type") == "keepalive" for event in exchange.events):
        control.post("settings", {"latency_s": 0.2, "keepalive_s": 0.05})
    for fault in _faults(exchange, error):
        control.faults(fault)


def _gone(exchange: Exchange, message: str, ids: Mapping[str, str]) -> Iterator[str]:
    """Yield the paths of what a refusal says is not there."""
    if "_deleted_" not in exchange.name and not ("not found" in message.lower() or exchange.status == 404):
        return
    named = [theirs for theirs in ids if theirs in message] or [ids_in_path(exchange, ids)]
    for theirs in named:
        ours = ids.get(theirs, "")
        kind = next((path for prefix, path in _KINDS.items() if ours.startswith(prefix)), None)
        if kind is not None:
            above = next((one for one in ids.values() if one.startswith(("conv_", "cntr_"))), "")
            yield f"openai/v1/{kind.format(ours=ours, above=above)}"


_KINDS = {
    "conv_": "conversations/{ours}",
    "resp_": "responses/{ours}",
    "vs_": "vector_stores/{ours}",
    "cntr_": "containers/{ours}",
    "assistant-": "files/{ours}",
    "msg_": "conversations/{above}/items/{ours}",
    "cfile_": "containers/{above}/files/{ours}",
}


def ids_in_path(exchange: Exchange, ids: Mapping[str, str]) -> str:
    """Return the last of the recorded IDs in an exchange's path, which is what the request is about."""
    place = exchange.path.partition("?")[0]
    return max((one for one in ids if one in place), key=place.rfind, default="")


def _faults(exchange: Exchange, error: Json) -> Iterator[Json]:
    """Yield what no request can bring about: a gateway's time-out, a limit, a service that is down."""
    is_failed = _failed(exchange) or any(one.get("type") == "error" for one in exchange.events)
    if exchange.status == 408 or exchange.status >= _FAILED_ABOVE:
        yield {"op": "*", "fault": "error_before", "status": exchange.status}
    elif exchange.status == 429:
        yield {"op": "*", "fault": "rate_limit"}
    elif exchange.status == 403 and "temporarily blocked" in str(error.get("message")):
        yield {"op": "*", "fault": "account_block", "message": str(error["message"])}
    elif exchange.status == 400 and error.get("code") == "content_filter":
        yield {"op": "responses.create", "fault": "moderation_input", "categories": _blocked(error)}
    elif is_failed:
        code = str(error.get("code") or "server_error")
        failure = {"code": code, "message": str(error.get("message") or "")}
        yield {"op": "responses.create", "fault": "fail_response", **failure}


def _blocked(error: Json) -> list[str]:
    """Return the categories for which a prompt was refused."""
    found = [as_object(one) for one in as_list(error.get("content_filters"))]
    results = [as_object(one.get("content_filter_results")) for one in found]
    return [name for one in results for name, verdict in one.items() if as_object(verdict).get("filtered")]


def long_enough(exchange: Exchange, body: Any) -> Any:
    """Return a request with an input that no model's window holds, where a recording was refused for that."""
    if error_of(exchange).get("code") != "context_length_exceeded" or len(json.dumps(body)) > len(_TOO_LONG):
        return body
    return {**as_object(body), "input": _TOO_LONG}
