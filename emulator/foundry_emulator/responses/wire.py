"""Builds the objects of the OpenAI surface in the shape in which the service sends them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from foundry_emulator.boundary.fields import Fields
from foundry_emulator.jsons import Json
from foundry_emulator.responses.toolspecs import echoed

AZURE_RESPONSE_EXTRAS = (
    *("agent_reference", "content_filters", "store", "prompt_cache_key", "prompt_cache_retention"),
    *("frequency_penalty", "presence_penalty", "context", "structured_inputs", "partition_key"),
)
"""Fields of a response that Azure sends and the openai package does not know."""
OPENAI_RESPONSE_EXTRAS = ("billing", "store", "frequency_penalty", "presence_penalty")
"""Fields of a response that OpenAI's own service sends and its package does not know."""
AZURE_ITEM_EXTRAS = ("agent_reference", "response_id")
"""Fields of an output item that Azure sends and the openai package does not know."""
AZURE_TOOL_EXTRAS = ("n",)
"""Fields of an image tool that Azure sends and the openai package does not know."""

RUNNING = ("queued", "in_progress")


def new_response(
    response_id: str,
    *,
    created_at: int,
    request: Fields,
    model: str,
    instructions: str | None,
    tools: Sequence[Json],
    tool_choice: Any,
    text: Json,
    conversation_id: str | None,
    agent_reference: Json | None,
    is_azure: bool,
    defaults: Json,
    tier: str = "default",
) -> Json:
    """Return a response as it looks when it was just accepted; `defaults` are the agent's own settings."""
    background = bool(request.raw.get("background"))
    response: Json = {
        "id": response_id,
        "object": "response",
        "created_at": created_at,
        "completed_at": None,
        "status": "queued" if background else "in_progress",
        "background": background,
        "error": None,
        "incomplete_details": None,
        "instructions": instructions,
        "max_output_tokens": request.integer("max_output_tokens", 16, 10_000_000),
        "max_tool_calls": request.integer("max_tool_calls", 1, 10_000),
        "metadata": request.metadata() or {},
        "model": model,
        "output": [],
        "parallel_tool_calls": request.raw.get("parallel_tool_calls") is not False,
        "previous_response_id": request.text("previous_response_id"),
        "conversation": {"id": conversation_id} if conversation_id else None,
        "reasoning": _reasoning(request, defaults, model),
        "safety_identifier": request.text("safety_identifier"),
        "service_tier": tier,
        "temperature": _first(request.number("temperature", 0, 2), defaults.get("temperature"), 1.0),
        "text": text,
        "tool_choice": tool_choice,
        "tools": [echoed(tool) for tool in tools],
        "top_logprobs": request.integer("top_logprobs", 0, 20) or 0,
        "top_p": _first(request.number("top_p", 0, 1), defaults.get("top_p"), 1.0),
        "truncation": request.choice("truncation", ("auto", "disabled")) or "disabled",
        "usage": None,
        "user": request.text("user"),
    }
    if is_azure:
        response["store"] = request.raw.get("store") is not False
        response["content_filters"] = []
        if agent_reference:
            response["agent_reference"] = agent_reference
    return response


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def default_effort(model: str) -> str | None:
    """Return how hard a model thinks when nobody says; None for models that do not."""
    if not model.startswith("gpt-5"):
        return None
    return "none" if model.startswith("gpt-5.") else "medium"


def _reasoning(request: Fields, defaults: Json, model: str) -> Json:
    given = request.fields("reasoning") or Fields(defaults.get("reasoning") or {}, "reasoning")
    effort = given.choice("effort", ("none", "minimal", "low", "medium", "high", "xhigh", "max"))
    effort = effort or default_effort(model)
    return {"effort": effort, "summary": given.choice("summary", ("auto", "concise", "detailed"))}


def text_config(request: Fields, defaults: Json) -> Json:
    """Check `text` and fill in its defaults; the agent's own stands where the request has none."""
    given = request.fields("text") or Fields(defaults.get("text") or {}, "text")
    given.only("format", "verbosity")
    verbosity = given.choice("verbosity", ("low", "medium", "high")) or "medium"
    form = given.fields("format")
    if form is None:
        return {"format": {"type": "text"}, "verbosity": verbosity}
    form.need("type")
    kind = form.choice("type", ("text", "json_object", "json_schema"))
    if kind != "json_schema":
        return {"format": {"type": kind}, "verbosity": verbosity}
    schema = form.fields("schema")
    if schema is None:
        form.need("schema")
    filled: Json = {
        "type": "json_schema",
        "name": form.need_text("name", max_length=64),
        "description": form.text("description"),
        "schema": schema.raw if schema else {},
        "strict": form.boolean("strict") is not False,
    }
    return {"format": filled, "verbosity": verbosity}


def usage(input_tokens: int, output_tokens: int, reasoning_tokens: int = 0) -> Json:
    """Return what the orchestrating model used; what it thought is part of what it wrote."""
    output_tokens += reasoning_tokens
    return {
        "input_tokens": input_tokens,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": output_tokens,
        "output_tokens_details": {"reasoning_tokens": reasoning_tokens},
        "total_tokens": input_tokens + output_tokens,
    }


def listing(data: Sequence[Json], *, has_more: bool) -> Json:
    """Return a page as the OpenAI surface sends it."""
    # An empty page has no ends, which is also how the vendor's pager knows that it is the last.
    ends: Json = {"first_id": data[0]["id"], "last_id": data[-1]["id"]} if data else {}
    return {"object": "list", "data": list(data), **ends, "has_more": has_more}


def tokens_in(text: str) -> int:
    """Estimate tokens: four characters each, as English text has on average."""
    return (len(text) + 3) // 4
