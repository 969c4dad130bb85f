"""What an earlier turn left behind is made before a later one is replayed, and so is what a listing shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from foundry_emulator.comparing.exchange import read_exchanges
from foundry_emulator.comparing.run import compare
from foundry_emulator.comparing.verdicts import OWN, read_accepted

Json = dict[str, Any]
HEX = "0123456789abcdef0069a7e2d20123456789abcdef01234567"
CONVERSATION = "conv_0123456789abcdef00A1b2C3d4E5f6G7h8J9k0L1m2N3p4Q5r6"
MESSAGE, RESPONSE, EARLIER = f"msg_{CONVERSATION[5:]}", f"resp_{HEX}", f"resp_{HEX[:-2]}aa"
REQUEST = f"mcpr_{HEX}"
AGENT = {"type": "agent_reference", "name": "clerk", "version": "53"}
MADE = {"agent_reference": AGENT, "response_id": RESPONSE}
USAGE = {
    **{"input_tokens": 1, "input_tokens_details": {"cached_tokens": 0}},
    **{"output_tokens": 1, "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 2},
}
SAID: Json = {
    **{"type": "message", "id": f"msg_{HEX}", "role": "assistant", "status": "completed", **MADE},
    "content": [{"type": "output_text", "text": "42", "annotations": [], "logprobs": []}],
}
ASKED: Json = {
    **{"type": "message", "id": MESSAGE, "role": "user", "status": "completed"},
    "content": [{"type": "input_text", "text": "How many?"}],
}
COUNT: Json = {
    **{"type": "function", "name": "count", "description": None, "strict": True},
    "parameters": {"type": "object", "properties": {}, "required": [], "additionalProperties": False},
}
CALENDAR: Json = {
    **{"type": "json_schema", "name": "Event", "description": None, "strict": True},
    "schema": {
        "type": "object",
        "properties": {"name": {"type": "string"}},
        "required": ["name"],
        "additionalProperties": False,
    },
}
FETCHED: Json = {
    **{"type": "mcp_call", "id": f"mcp_{HEX}", "status": "completed", **MADE, "server_label": "books"},
    **{"name": "fetch", "arguments": "{}", "output": "a book", "approval_request_id": REQUEST},
}
SERVER: Json = {
    **{"type": "mcp", "server_label": "books", "server_description": None},
    **{"server_url": "https://books.example/mcp", "require_approval": "always"},
}


def answer(*output: Json, **more: Any) -> Json:
    """Make the body of a response that an agent gave in March 2026."""
    return {
        **{"id": RESPONSE, "object": "response", "status": "completed", "created_at": 1, "completed_at": 2},
        **{"metadata": {}, "top_logprobs": 0, "temperature": 1, "top_p": 0.98, "service_tier": "default"},
        **{"model": "gpt-5.1", "reasoning": {"effort": "none"}, "background": False, "instructions": "Help."},
        **{"text": {"format": {"type": "text"}, "verbosity": "medium"}, "tools": [], "tool_choice": "auto"},
        **{"truncation": "disabled", "error": None, "incomplete_details": None, "output": list(output)},
        **{"usage": USAGE, "parallel_tool_calls": True, "agent_reference": AGENT, **more},
    }


def posted(*given: Json, **more: Any) -> Json:
    """Make the body of a post to an agent."""
    agent = {"type": "agent_reference", "name": "clerk"}
    return {"input": list(given) or "How many?", "agent_reference": agent, **more}


CALL = "call_dNGvzUDWDXq0aSifWQoZmpIv"
RESULT: Json = {"type": "function_call_output", "call_id": CALL, "output": "42"}


APPROVED: Json = {"type": "mcp_approval_response", "approve": True, "approval_request_id": REQUEST}
SEEN: Json = {
    **{"type": "computer_call_output", "call_id": CALL},
    "output": {
        "type": "computer_screenshot",
        "image_url": {"data_url_of": {"format": "png", "width": 8, "height": 8}},
    },
}
CLICKED: Json = {
    **{"type": "computer_call", "id": f"cu_{HEX}", "status": "completed", **MADE},
    **{"call_id": "call_abcNGvzUDWDXq0aSifWQoZmp", "pending_safety_checks": []},
    "action": {"type": "click", "button": "left", "x": 10, "y": 20},
}
COMPUTER = {
    **{"type": "computer_use_preview", "environment": "windows"},
    **{"display_width": 1026, "display_height": 769},
}
SEARCH: Json = {
    **{"type": "file_search_call", "id": f"fs_{HEX}", "status": "completed", **MADE},
    **{"queries": ["how many herons"], "results": None},
}
HIT: Json = {
    **{"attributes": {}, "file_id": "assistant-" + "A1" * 11, "filename": "notes.md"},
    **{"score": 0.9, "text": "Forty-two herons."},
}
NOTES: Json = {
    **{"type": "file_search", "vector_store_ids": ["vs_" + "A1" * 12], "max_num_results": 20},
    "ranking_options": {"ranker": "auto", "score_threshold": 0.0},
}
DRAWN: Json = {
    **{"type": "image_generation_call", "id": f"ig_{HEX}", "status": "completed", **MADE},
    **{"background": "opaque", "action": "generate", "output_format": "png", "quality": "low"},
    **{"revised_prompt": "x", "size": "1024x1024"},
    "result": {"base64_of": {"format": "png", "width": 1024, "height": 1024}},
}
WISH: Json = {
    **{"type": "mcp_approval_request", "id": REQUEST, **MADE, "server_label": "books"},
    **{"name": "fetch", "arguments": "{}"},
}
BOOKS: Json = {
    **{"type": "mcp_list_tools", "id": f"mcpl_{HEX}", **MADE, "server_label": "books"},
    "tools": [
        {"name": "fetch", "description": "A book.", "input_schema": {"type": "object"}, "annotations": {}}
    ],
}
IN_CONVERSATION = {"conversation": {"id": CONVERSATION}}
AFTER = {"previous_response_id": EARLIER}
POSTS: dict[str, tuple[Json, Json]] = {
    "a function's result in a conversation": (
        posted(RESULT, conversation=CONVERSATION),
        answer(SAID, tools=[COUNT], **IN_CONVERSATION),
    ),
    "a function's result after a response of version 53": (
        posted(RESULT, **AFTER),
        answer(SAID, tools=[COUNT], **AFTER),
    ),
    "words after a response of version 53": (posted(**AFTER), answer(SAID, **AFTER)),
    "an approval after a response": (
        posted(APPROVED, **AFTER),
        answer(FETCHED, SAID, tools=[SERVER], **AFTER),
    ),
    "an approval that was denied": (
        posted({**APPROVED, "approve": False}, conversation=CONVERSATION),
        answer(SAID, tools=[SERVER], **IN_CONVERSATION),
    ),
    "a screenshot after a response": (
        posted(SEEN, truncation="auto", **AFTER),
        answer(
            CLICKED,
            model="computer-use-preview",
            reasoning={},
            tools=[COMPUTER],
            truncation="auto",
            **AFTER,
        ),
    ),
    "an agent that answers in a form": (
        posted(),
        answer(SAID, text={"format": CALENDAR, "verbosity": "medium"}),
    ),
    "a search that shows what it found": (
        posted(include=["file_search_call.results"]),
        answer({**SEARCH, "results": [HIT]}, SAID, tools=[NOTES]),
    ),
}
LISTINGS: dict[str, list[Json]] = {
    "a picture": [SAID, DRAWN, ASKED],
    "a search": [SAID, SEARCH, ASKED],
    "tools and a wish": [WISH, BOOKS, ASKED],
}


def write(folder: Path, name: str, request: Json, answered: Json) -> None:
    told = {
        **{"source": {"date": "2026-03-04"}, "request": request},
        **{"status": 200, "headers": {}, "body": answered},
    }
    (folder / f"{name}.json").write_text(json.dumps(told))


def test_what_was_there_before_is_made_first(tmp_path: Path) -> None:
    for name, (body, answered) in POSTS.items():
        request = {"method": "POST", "path": "/openai/v1/responses", "body": body}
        write(tmp_path, name, request, answered)
    for name, entries in LISTINGS.items():
        ends = {"first_id": entries[0]["id"], "last_id": MESSAGE, "has_more": False}
        path = f"/openai/v1/conversations/{CONVERSATION}/items"
        request = {"method": "GET", "path": path, "body": None}
        write(tmp_path, name, request, {"object": "list", "data": entries, **ends})
    found = compare(list(read_exchanges(tmp_path)), read_accepted(OWN))
    assert [(one.exchange, one.difference) for one in found.new] == []
    assert found.exchanges == len(POSTS) + len(LISTINGS)
