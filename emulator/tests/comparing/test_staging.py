"""What a recorded exchange takes for granted is made first, or brought about: then the answers agree."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from foundry_emulator.comparing.exchange import read_exchanges
from foundry_emulator.comparing.run import Comparison, compare
from foundry_emulator.comparing.verdicts import OWN, read_accepted

Json = dict[str, Any]
PARTITION = "0123456789abcdef00"
HEX = f"{PARTITION}6a455ca50123456789abcdef01234567"
LETTERS = f"{PARTITION}A1b2C3d4E5f6G7h8J9k0L1m2N3p4Q5r6"
CONVERSATION, MESSAGE = f"conv_{LETTERS}", f"msg_{LETTERS}"
CONTAINER = "cntr_" + "0123456789ab" * 4
FILE, FIGURE, STORE = "assistant-" + "A1" * 11, "cfile_" + "0123456789abcdef" * 2, "vs_" + "A1" * 12
AGENT = {"type": "agent_reference", "name": "painter", "version": "1"}
ONE: Json = {"id": CONVERSATION, "object": "conversation", "created_at": 1, "metadata": {}}
TEXT: Json = {"type": "output_text", "text": "Hi.", "annotations": [], "logprobs": []}
SAID: Json = {
    "type": "message",
    "id": MESSAGE,
    "role": "user",
    "content": [{"type": "input_text", "text": "Hello"}],
    "status": "completed",
}
ANSWERED: Json = {
    "type": "message",
    "id": f"msg_{HEX}",
    "agent_reference": AGENT,
    "response_id": f"resp_{HEX}",
    "role": "assistant",
    "content": [TEXT],
    "status": "completed",
}
UPLOAD = {
    "id": FILE,
    "object": "file",
    "purpose": "assistants",
    "filename": "notes.md",
    "bytes": 1,
    "created_at": 1,
    "expires_at": None,
    "status": "processed",
    "status_details": None,
}
WRITTEN = {
    "id": FIGURE,
    "object": "container.file",
    "container_id": CONTAINER,
    "created_at": 1,
    "bytes": 1,
    "path": "/mnt/data/figure.png",
    "source": "assistant",
}
VERSION: Json = {
    "object": "agent.version",
    "id": "painter:1",
    "name": "painter",
    "version": "1",
    "description": "",
    "metadata": {},
    "created_at": 1,
    "definition": {"kind": "prompt", "model": "gpt-4.1", "instructions": "Draw."},
}
FOUNDRY_HEADERS = {
    "api-supported-versions": "1.0,2025-05-15-preview,2025-11-15-preview",
    "Content-Type": "application/json; charset=utf-8",
}


def page(*entries: Json) -> Json:
    ends = {"first_id": entries[0]["id"], "last_id": entries[-1]["id"]} if entries else {}
    return {"object": "list", "data": list(entries), **ends, "has_more": False}


def missing(message: str) -> Json:
    extra: Json = {"details": [], "additionalInfo": {"request_id": "0123456789abcdef" * 2}}
    return {"error": {"code": "not_found", "message": message, "type": "error", **extra}}


def model_error(message: str, **more: Any) -> Json:
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": None}
    return {"error": {**error, **more}}


DEFINED = {"definition": VERSION["definition"]}
STREAMED = {"input": "Hi", "stream": True, "agent_reference": {"type": "agent_reference", "name": "painter"}}
FAILING: list[Json] = [
    {"type": "response.created"},
    {"type": "response.in_progress"},
    {
        "type": "response.output_item.added",
        "item": {"type": "browser_automation_preview_call", "id": f"ba_{HEX}", "status": "in_progress"},
    },
    {"type": "keepalive", "sequence_number": 3},
    {
        "type": "error",
        "error": {
            "type": "server_error",
            "code": "server_error",
            "headers": {},
            "message": "The tool's connection was lost.",
            "param": None,
        },
        "sequence_number": 4,
    },
    {"type": "response.failed"},
]
AGAIN: list[Json] = [
    {"type": "response.in_progress"},
    {"type": "response.output_item.added"},
    {"type": "response.content_part.added"},
    {"type": "response.output_text.delta"},
    {"type": "response.output_text.done"},
    {"type": "response.content_part.done"},
    {"type": "response.output_item.done"},
    {"type": "response.completed"},
]
FILTERED_WORDS = (
    "The response was filtered due to the prompt triggering Azure OpenAI's content management policy. "
    "Please modify your prompt and retry."
)
FILTERED: Json = {
    **{name: {"filtered": False, "severity": "safe"} for name in ("sexual", "violence", "self_harm")},
    "hate": {"filtered": True, "severity": "high"},
    "jailbreak": {"filtered": False, "detected": False},
}
BLOCKED: Json = {
    "innererror": {"code": "ContentFiltered"},
    "content_filters": [
        {
            **{"blocked": True, "source_type": "prompt", "content_filter_results": FILTERED},
            "content_filter_offsets": {"start_offset": 0, "end_offset": 0, "check_offset": 0},
        }
    ],
}
Exchanged = tuple[str, str, Json | None, int, Json | None, str]
EXCHANGES: dict[str, Exchanged] = {
    "conversations": ("GET", "/openai/v1/conversations", None, 200, page(ONE, ONE), "2026-02-12"),
    "what an agent said": (
        "GET",
        f"/openai/v1/conversations/{CONVERSATION}/items",
        None,
        200,
        page(ANSWERED, SAID),
        "2026-03-04",
    ),
    "files": ("GET", "/openai/v1/files", None, 200, page(UPLOAD), "2026-03-04"),
    "files that code wrote": (
        "GET",
        f"/openai/v1/containers/{CONTAINER}/files",
        None,
        200,
        page(WRITTEN),
        "2026-03-04",
    ),
    "the bytes of a figure": (
        "GET",
        f"/openai/v1/containers/{CONTAINER}/files/{FIGURE}/content",
        None,
        200,
        None,
        "2026-03-04",
    ),
    "agents after one": (
        "GET",
        "/agents?api-version=v1&after=another&order=asc",
        None,
        200,
        page({"object": "agent", "id": "painter", "name": "painter", "versions": {"latest": VERSION}}),
        "2026-03-04",
    ),
    "a version before it had a status": (
        "POST",
        "/agents/painter/versions?api-version=v1",
        DEFINED,
        200,
        VERSION,
        "2026-03-30",
    ),
    "a version with a status": (
        "POST",
        "/agents/painter/versions?api-version=v1",
        DEFINED,
        200,
        {**VERSION, "status": "active"},
        "2026-04-07",
    ),
    "a conversation that is gone": (
        "GET",
        f"/openai/v1/conversations/{CONVERSATION}/items",
        None,
        404,
        missing(f"Conversation '{CONVERSATION}' not found"),
        "2026-03-04",
    ),
    "an agent that never was": (
        "POST",
        "/openai/v1/responses",
        {"input": "Hi", "agent_reference": {"type": "agent_reference", "name": "nobody"}},
        404,
        missing("Agent nobody doesn't exist"),
        "2026-04-07",
    ),
    "more than a model reads": (
        "POST",
        "/openai/v1/responses",
        {"input": "(a long text)", "model": "gpt-4.1"},
        400,
        model_error(
            "Your input exceeds the context window of this model. Please adjust your input and try again.",
            param="input",
            code="context_length_exceeded",
        ),
        "2026-02-12",
    ),
    "a gateway's patience": (
        "POST",
        "/openai/v1/responses",
        {"input": "Hi", "model": "gpt-4.1"},
        408,
        {"error": {"code": "Timeout", "message": "The operation was timeout."}},
        "2026-03-04",
    ),
    "a tool that runs elsewhere and fails": (
        "POST",
        "/openai/v1/responses",
        STREAMED,
        200,
        None,
        "2026-03-20",
    ),
    "the end of a stream, sent again": (
        "GET",
        f"/openai/v1/responses/resp_{HEX}?stream=true&starting_after=1",
        None,
        200,
        None,
        "2026-02-12",
    ),
    "a prompt that was blocked": (
        "POST",
        "/openai/v1/responses",
        {"input": "Hi", "model": "gpt-4.1"},
        400,
        model_error(FILTERED_WORDS, param="prompt", code="content_filter", **BLOCKED),
        "2026-07-01",
    ),
    "an account that is blocked": (
        "GET",
        f"/openai/v1/conversations/{CONVERSATION}",
        None,
        403,
        {"error": {"code": "Forbidden", "message": "Your resource has been temporarily blocked."}},
        "2026-07-01",
    ),
    "a store that was deleted": (
        "GET",
        f"/openai/v1/vector_stores/{STORE}",
        None,
        404,
        model_error(f"Vector store with id '{STORE}' not found.", code="not_found"),
        "2026-03-04",
    ),
}


def write(folder: Path, name: str, exchanged: Exchanged) -> None:
    method, path, body, status, answer, day = exchanged
    told: Json = {
        "source": {"date": day},
        "request": {"method": method, "path": path, "body": body},
        "status": status,
        "headers": {"Content-Type": "text/event-stream; charset=utf-8"} if answer is None else {},
        "body": answer,
    }
    if "bytes" in name:
        told["headers"] = {"Content-Disposition": "attachment; filename=file.png"}
    if "sent again" in name:
        told |= {"sse": [{"data": event} for event in AGAIN], "cut": "bodies"}
        told["headers"]["Cache-Control"] = "no-cache"
    if "elsewhere" in name:
        told |= {"sse": [{"data": event} for event in FAILING], "cut": "bodies of three events"}
    (folder / f"{name}.json").write_text(json.dumps(told))


def compared(folder: Path) -> Comparison:
    return compare(list(read_exchanges(folder)), read_accepted(OWN))


def test_what_a_request_needs_is_there_and_what_refused_it_is_brought_about(tmp_path: Path) -> None:
    for name, exchanged in EXCHANGES.items():
        write(tmp_path, name, exchanged)
    found = compared(tmp_path)
    assert [(one.exchange, one.difference) for one in found.new] == []
    assert found.exchanges == len(EXCHANGES)


def test_a_tool_that_runs_elsewhere_is_told_once_and_accepted(tmp_path: Path) -> None:
    definition = {**VERSION["definition"], "tools": [{"type": "browser_automation_preview"}]}
    method, path, _, status, _, day = EXCHANGES["a version with a status"]
    made = {**VERSION, "definition": definition}
    write(tmp_path, "browser", (method, path, {"definition": definition}, status, made, day))
    found = compared(tmp_path)
    assert not found.new
    (accepted,) = found.findings
    assert "tool_not_emulated" in accepted.difference.here


@pytest.mark.parametrize(
    ("path", "day", "flavour"),
    [
        ("/openai/responses", "2025-12-08", "azure-2025-11"),
        ("/openai/v1/responses", "2026-03-30", "azure-2026-03"),
        ("/openai/v1/responses", "2026-03-31", "azure-2026-04"),
        ("/openai/v1/responses", "2026-05", "azure-2026-05"),
        ("/openai/v1/responses", "2026-07-01", "azure-2026-07"),
        ("/v1/responses", "2025-11-20", "openai"),
    ],
)
def test_who_answered_and_when_decides_the_flavour(tmp_path: Path, path: str, day: str, flavour: str) -> None:
    write(tmp_path, "one", ("POST", path, {}, 200, {}, day))
    (exchange,) = read_exchanges(tmp_path)
    assert exchange.flavour == flavour
    assert exchange.path.startswith("/openai/")
