"""Exchanges of one session go on from each other, streams are compared event by event, tool servers play."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from foundry_emulator.comparing.exchange import read_exchanges
from foundry_emulator.comparing.run import Comparison, compare
from foundry_emulator.comparing.verdicts import OWN, read_accepted

Json = dict[str, Any]
CONVERSATION = "conv_0123456789abcdef00" + "A1b2C3d4E5f6G7h8J9k0L1m2N3p4Q5r6"
HEX = "0123456789abcdef00" + "6a455ca5" + "0123456789abcdef01234567"
MADE: Json = {"id": CONVERSATION, "object": "conversation", "created_at": 1, "metadata": {"our": "mark"}}
GONE: Json = {
    "error": {
        "code": "not_found",
        "message": f"Conversation '{CONVERSATION}' not found",
        "type": "error",
        "details": [],
        "additionalInfo": {"request_id": "0123456789abcdef0123456789abcdef"},
    }
}
ONE = f"/openai/v1/conversations/{CONVERSATION}"
STEPS: list[tuple[str, str, Json | None, int, Json]] = [
    ("POST", "/openai/v1/conversations", {"metadata": {"our": "mark"}}, 200, MADE),
    ("GET", ONE, None, 200, MADE),
    ("DELETE", ONE, None, 200, {"id": CONVERSATION, "object": "conversation.deleted", "deleted": True}),
    ("GET", ONE, None, 404, GONE),
]


def write(folder: Path, steps: list[tuple[str, str, Json | None, int, Json]], session: str = "one") -> None:
    for number, (method, path, body, status, answer) in enumerate(steps, 1):
        source = {"date": "2026-11-28", "session": session, "number": number}
        request = {"method": method, "path": path, "body": body}
        told = {"source": source, "request": request, "status": status, "headers": {}, "body": answer}
        # Named against their order: the numbers count.
        (folder / f"{session}-{9 - number}.json").write_text(json.dumps(told))


def compared(folder: Path) -> Comparison:
    return compare(list(read_exchanges(folder)), read_accepted(OWN))


def test_a_session_is_sent_again_in_its_order(tmp_path: Path) -> None:
    write(tmp_path, STEPS)
    write(tmp_path, STEPS[:2], session="two")
    found = compared(tmp_path)
    assert (found.exchanges, found.new) == (6, [])


def test_what_came_before_decides_an_answer(tmp_path: Path) -> None:
    steps = copy.deepcopy(STEPS)
    # As if the service had kept a conversation that was deleted.
    steps[3] = (*steps[1],)
    write(tmp_path, steps)
    (found,) = compared(tmp_path).new
    assert (found.difference.field, found.difference.recorded) == ("status", "200")


def test_words_that_a_recording_leaves_out_stand_for_any(tmp_path: Path) -> None:
    steps = copy.deepcopy(STEPS)
    steps[3][4]["error"]["message"] = f"*** '{CONVERSATION}' not ***"
    steps[3][4]["error"]["code"] = "***_found"
    write(tmp_path, steps)
    assert compared(tmp_path).new == []


def event(number: int, kind: str, **fields: Any) -> Json:
    return {"type": kind, "sequence_number": number, **fields}


PART: Json = {"type": "output_text", "text": "Hi.", "annotations": [], "logprobs": []}
PLACE = {"item_id": f"msg_{HEX}", "output_index": 0, "content_index": 0}


@pytest.mark.parametrize(
    ("added", "field"),
    [
        ({}, None),
        ({"new_field": 1}, "events[response.content_part.done].new_field"),
    ],
)
def test_every_event_of_a_kind_is_compared(tmp_path: Path, added: Json, field: str | None) -> None:
    message: Json = {"type": "message", "role": "assistant", "content": [PART]}
    done = event(9, "response.content_part.done", **{**PLACE, "part": PART})
    exchange: Json = {
        "source": {"date": "2026-11-28"},
        "cut": "the ends of the response, and most of its items",
        "request": {
            "method": "POST",
            "path": "/openai/v1/responses",
            "body": {"model": "gpt-4.1", "input": "x", "stream": True},
        },
        "status": 200,
        "headers": {},
        "events": [
            event(8, "response.output_item.done", item=message),
            event(18, "response.output_item.done", item=message),
            done,
            {**done, "sequence_number": 19, **added},
        ],
    }
    (tmp_path / "stream.json").write_text(json.dumps(exchange))
    fields = [one.difference.field for one in compared(tmp_path).new]
    assert [name for name in fields if "content_part.done" in name] == ([field] if field else [])


def test_a_server_s_tools_are_listed_and_called_as_recorded(tmp_path: Path) -> None:
    tool = {"type": "mcp", "server_label": "specs", "server_url": "https://tools.invalid/mcp"}
    listed: Json = {
        "type": "mcp_list_tools",
        "id": f"mcpl_{HEX}",
        "server_label": "specs",
        "tools": [{"name": "find", "description": "Find.", "input_schema": {}, "annotations": {}, "odd": 1}],
    }
    call = {"type": "mcp_call", "server_label": "specs", "name": "find", "arguments": "{}", "output": "it"}
    exchange: Json = {
        "source": {"date": "2026-11-28"},
        "request": {
            "method": "POST",
            "path": "/openai/v1/responses",
            "body": {"input": "x", "agent_reference": {"type": "agent_reference", "name": "specs"}},
        },
        "status": 200,
        "headers": {},
        "body": {
            "object": "response",
            "id": f"resp_{HEX}",
            "model": "gpt-4.1",
            "tools": [{**tool, "require_approval": "never"}],
            "output": [listed, call],
        },
    }
    (tmp_path / "tools.json").write_text(json.dumps(exchange))
    new = {(one.difference.field, one.difference.kind) for one in compared(tmp_path).new}
    assert ("body.output[mcp_list_tools].tools[].odd", "missing") in new
    assert not [field for field, kind in new if field.endswith("_call]") or kind == "value"]
