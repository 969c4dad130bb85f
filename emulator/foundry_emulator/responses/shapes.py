"""Words a response for the wire: inside it has every field, outside it has what the service sends there.

There are three places. The body of a POST, a GET or a cancellation leaves out what is not set. The events of
a stream carry everything. Listings come from a poorer store: the dated model, usage under other names, no
text settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from foundry_emulator import data, ids
from foundry_emulator.dialects import Dialect
from foundry_emulator.jsons import Json, as_list, as_object
from foundry_emulator.responses.wire import RUNNING

_LEFT_OUT_WHEN_UNSET = frozenset(
    {
        *("max_output_tokens", "max_tool_calls", "previous_response_id", "safety_identifier", "user"),
        *("conversation", "completed_at", "usage", "prompt_cache_key"),
    }
)
_NEVER_IN_BODIES = frozenset({"store", "content_filters"})
_NOT_LISTED = frozenset({"text", "reasoning", "completed_at", "prompt_cache_retention", "agent_reference"})
_NOT_IN_FIRST_STREAMS = frozenset({"content_filters", "prompt_cache_retention"})
_SAFE = {"filtered": False, "severity": "safe"}
_UNDETECTED = {"filtered": False, "detected": False}


def body(dialect: Dialect, response: Json) -> Json:
    """Word the body of a request that made, read or cancelled one response."""
    if not dialect.is_azure:
        return _openai(response)
    shown = {
        key: value
        for key, value in response.items()
        if key not in _NEVER_IN_BODIES and (value is not None or key not in _LEFT_OUT_WHEN_UNSET)
    }
    is_running = response["status"] in (*RUNNING, "cancelled")
    shown["service_tier"] = "auto" if is_running else response["service_tier"]
    shown["reasoning"] = {key: value for key, value in response["reasoning"].items() if value is not None}
    shown["tools"] = [_tool(tool) for tool in response["tools"]]
    shown["output"] = [_item(dialect, item) for item in response["output"]]
    if response["usage"]:
        shown["usage"] = _usage(response["usage"])
    if response["background"] and is_running:
        shown.pop("usage", None)
    if dialect.is_first:
        return _first(shown)
    shown.setdefault("agent_reference", None)
    if dialect.keeps_prompts:
        shown["prompt_cache_retention"] = "in_memory"
    if dialect.is_newest:
        _newest(shown)
    return shown


def _openai(response: Json) -> Json:
    """Word it as OpenAI's own service does: everything is there but a conversation that is none."""
    is_running = response["status"] in RUNNING
    return {
        **{key: value for key, value in response.items() if key != "conversation" or value},
        "service_tier": "auto" if is_running else response["service_tier"],
        "tools": [_with_container(tool) for tool in response["tools"]],
        "billing": {"payer": "developer"},
        "store": True,
        "frequency_penalty": 0.0,
        "presence_penalty": 0.0,
        "prompt_cache_key": None,
        "prompt_cache_retention": None,
    }


def _with_container(tool: Json) -> Json:
    container = as_object(tool.get("container"))
    kept = {key: value for key, value in container.items() if value != []}
    return {**tool, "container": kept} if container else tool


def _newest(shown: Json) -> None:
    if not shown["background"]:
        shown["reasoning"].setdefault("context", None)
    if shown["status"] == "completed":
        shown["content_filters"] = content_filters()


def _first(shown: Json) -> Json:
    """Word it as the first preview did: `agent`, no `completed_at`, `user` also when there is none."""
    reference = shown.pop("agent_reference", None)
    shown.pop("completed_at", None)
    shown.setdefault("user", None)
    if reference:
        shown["agent"] = {**reference, "type": "agent_id"}
    return shown


def content_filters() -> list[Json]:
    """Return what the content filter says of a harmless turn."""
    kinds = {kind: dict(_SAFE) for kind in ("sexual", "hate", "violence", "self_harm")}
    prompt = {**kinds, "jailbreak": dict(_UNDETECTED)}
    material = ("protected_material_text", "protected_material_code")
    completion = {**kinds, **{kind: dict(_UNDETECTED) for kind in material}}
    return [
        {
            "blocked": False,
            "source_type": source,
            "content_filter_results": results,
            "content_filter_raw": [],
            "content_filter_offsets": {"start_offset": 0, "end_offset": 0, "check_offset": 0},
        }
        for source, results in (("prompt", prompt), ("completion", completion))
    ]


def _usage(usage: Json) -> Json:
    cached = usage["input_tokens_details"]["cached_tokens"]
    return {**usage, "input_tokens_details": {"cached_tokens": cached}}


def _tool(tool: Mapping[str, Any]) -> Json:
    """Leave out of a tool's echo what nobody set."""
    unset: dict[str, tuple[Any, ...]] = {
        "image_generation": ("action", "partial_images"),
        "file_search": ("filters",),
        "mcp": ("headers", "allowed_tools", "project_connection_id", "connector_id"),
    }
    names = unset.get(tool["type"], ())
    shown = {key: value for key, value in tool.items() if key not in names or value not in (None, "auto", 0)}
    return _with_container(shown)


def without_unset(item: Json) -> Json:
    """Leave out of an item the error that it does not have."""
    return {key: value for key, value in item.items() if key != "error" or value is not None}


def _item(dialect: Dialect, item: Json) -> Json:
    shown = without_unset(item)
    if dialect.is_first:
        for name in ("agent_reference", "response_id"):
            shown.pop(name, None)
    return shown


def event(dialect: Dialect, event: Json, *, is_background: bool) -> Json:
    """Word an event of a stream: results and outputs stay out, a background stream has no padding."""
    if not dialect.is_azure:
        return {**event, "response": _openai(event["response"])} if "response" in event else event
    shown = dict(event)
    if is_background:
        shown.pop("obfuscation", None)
    if "item" in shown:
        shown["item"] = _streamed_item(dialect, shown["item"])
    if "response" in shown:
        shown["response"] = _streamed(dialect, shown["response"])
    return shown


def _streamed(dialect: Dialect, response: Json) -> Json:
    is_done = response["status"] not in RUNNING
    shown: Json = {
        **response,
        "service_tier": response["service_tier"] if is_done else "auto",
        "frequency_penalty": 0.0,
        "presence_penalty": 0.0,
        "prompt_cache_key": None,
        "prompt_cache_retention": "in_memory" if dialect.keeps_prompts else None,
        "content_filters": content_filters() if response["status"] == "completed" else None,
        "usage": response["usage"] and _usage(response["usage"]),
        "tools": [_tool(tool) for tool in response["tools"]],
        "output": [_streamed_item(dialect, item) for item in response["output"]],
    }
    reference = response.get("agent_reference")
    if not reference and response["tool_choice"] == "auto":
        shown["tool_choice"] = None
    if dialect.is_first:
        return _first({key: value for key, value in shown.items() if key not in _NOT_IN_FIRST_STREAMS})
    return {"agent_reference": None, **shown}


def _streamed_item(dialect: Dialect, item: Json) -> Json:
    shown = _item(dialect, item)
    if item["type"] == "code_interpreter_call":
        shown["outputs"] = None
    if item["type"] == "file_search_call":
        shown.pop("results", None)
    return shown


def listed(dialect: Dialect, response: Json) -> Json:
    """Word an entry of a listing."""
    if not dialect.is_azure:
        return response
    whole = body(dialect, response)
    shown = {key: value for key, value in whole.items() if key not in _NOT_LISTED}
    shown["model"] = data.dated_model(response["model"])
    shown["usage"] = _poor_usage(response["usage"])
    shown["conversation"] = response["conversation"]
    shown["structured_inputs"] = {}
    shown["user"] = response["user"]
    shown["tools"] = [_listed_tool(tool) for tool in whole["tools"]]
    shown["output"] = [_listed_item(dialect, response, item) for item in whole["output"]]
    if not dialect.is_first and response.get("agent_reference"):
        shown["agent_reference"] = response["agent_reference"]
    return shown


def stored(dialect: Dialect, response: Json) -> Json:
    """Word a response that is read back: in the first preview it came from the listings' store."""
    if not dialect.is_first:
        return body(dialect, response)
    return {**listed(dialect, response), "reasoning": body(dialect, response)["reasoning"]}


def _poor_usage(usage: Json | None) -> Json:
    known: Json = usage or {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
    return {
        **{key: known[key] for key in ("input_tokens", "output_tokens", "total_tokens")},
        "input_tokens_details": None,
        "output_tokens_details": None,
        "input_token_details": {"cached_tokens": 0},
        "output_token_details": {"reasoning_tokens": 0},
    }


def _listed_tool(tool: Json) -> Json:
    if tool["type"] == "code_interpreter":
        container = as_object(tool["container"])
        listed_files = as_list(container.get("file_ids"))
        return {
            "type": "code_interpreter",
            "container": {"files": listed_files, "memory_limit": container.get("memory_limit"), "skills": []},
        }
    return {**tool, "is_async": False} if tool["type"] == "function" else tool


def _listed_item(dialect: Dialect, response: Json, item: Json) -> Json:
    shown = {**item, "partition_key": f"{ids.partition_of(response['id']) or ''}00"}
    if dialect.is_first:
        agent = response.get("agent_reference")
        made_by: Json = {"response_id": response["id"]}
        shown["created_by"] = {"agent": {**agent, "type": "agent_id"}, **made_by} if agent else made_by
    return shown
