"""Exchanges are sent again: what agrees is silent, and every kind of planted difference is named."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from foundry_emulator.commands import main
from foundry_emulator.comparing.exchange import read_exchanges
from foundry_emulator.comparing.run import Comparison, compare
from foundry_emulator.comparing.verdicts import OWN, read_accepted

Json = dict[str, Any]
HEX = "0123456789abcdef00" + "6a455ca5" + "0123456789abcdef01234567"
AGENT = {"type": "agent_reference", "name": "painter", "version": "1"}
TOOL = {
    "type": "image_generation",
    "n": 1,
    "model": "gpt-image",
    "quality": "low",
    "size": "1024x1024",
    "output_format": "png",
    "output_compression": 100,
    "moderation": "auto",
    "background": "auto",
}
PICTURE = {
    "type": "image_generation_call",
    "id": f"ig_{HEX}",
    "agent_reference": AGENT,
    "response_id": f"resp_{HEX}",
    "action": "generate",
    "background": "opaque",
    "output_format": "png",
    "quality": "low",
    "revised_prompt": "A circle.",
    "size": "1024x1024",
    "status": "completed",
    "result": {"base64_of": {"format": "png", "width": 8, "height": 8}},
}
MESSAGE: Json = {
    "type": "message",
    "id": f"msg_{HEX}",
    "agent_reference": AGENT,
    "response_id": f"resp_{HEX}",
    "role": "assistant",
    "content": [{"type": "output_text", "text": "", "annotations": [], "logprobs": []}],
    "status": "completed",
}
BODY: Json = {
    "metadata": {},
    "top_logprobs": 0,
    "temperature": 1,
    "top_p": 1,
    "service_tier": "default",
    "model": "gpt-4.1",
    "reasoning": {},
    "background": False,
    "text": {"format": {"type": "text"}, "verbosity": "medium"},
    "tools": [TOOL],
    "tool_choice": "auto",
    "truncation": "disabled",
    "id": f"resp_{HEX}",
    "object": "response",
    "status": "completed",
    "created_at": 1,
    "completed_at": 2,
    "error": None,
    "incomplete_details": None,
    "output": [PICTURE, MESSAGE],
    "instructions": "Draw.",
    "usage": {
        "input_tokens": 1,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 1,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 2,
    },
    "parallel_tool_calls": True,
    "agent_reference": AGENT,
}
EXCHANGE: Json = {
    "source": {"date": "2026-03-04"},
    "request": {
        "method": "POST",
        "path": "/openai/v1/responses",
        "body": {"input": "A circle.", "agent_reference": {"type": "agent_reference", "name": "painter"}},
    },
    "status": 200,
    "headers": {"Content-Type": "application/json", "x-ratelimit-limit-tokens": "1"},
    "body": BODY,
}
REFUSAL: Json = {
    "source": {"date": "2026-03-04"},
    "request": {
        "method": "POST",
        "path": "/openai/v1/responses",
        "body": {"input": "A circle.", "tools": [], "agent_reference": EXCHANGE["body"]["agent_reference"]},
    },
    "status": 400,
    "headers": {"Content-Type": "application/json; charset=utf-8"},
    "body": {
        "error": {
            "code": "invalid_payload",
            "message": "Not allowed when agent is specified.",
            "param": "tools",
            "type": "invalid_request_error",
            "details": [],
            "additionalInfo": {"request_id": "0123456789abcdef0123456789abcdef"},
        }
    },
}


def compared(folder: Path, exchange: Json, name: str = "one_2026-03") -> Comparison:
    (folder / f"{name}.json").write_text(json.dumps(exchange), encoding="utf-8")
    return compare(list(read_exchanges(folder)), read_accepted(OWN))


def planted(change: Callable[[Json], Any]) -> Json:
    exchange = copy.deepcopy(EXCHANGE)
    change(exchange)
    return exchange


def test_what_the_service_sends_is_sent_here(tmp_path: Path) -> None:
    (tmp_path / "refusal_2026-03.json").write_text(json.dumps(REFUSAL), encoding="utf-8")
    found = compared(tmp_path, EXCHANGE)
    assert (found.exchanges, found.new) == (2, [])


PLANTED: dict[str, tuple[Callable[[Json], Any], str, str]] = {
    "a field more": (lambda one: one["body"].update(new_field=1), "body.new_field", "missing"),
    "a field less": (lambda one: one["body"].pop("top_p"), "body.top_p", "extra"),
    "another kind": (lambda one: one["body"].update(metadata=None), "body.metadata", "kind"),
    "another value": (lambda one: one["body"].update(service_tier="flex"), "body.service_tier", "value"),
    "another switch": (lambda one: one["body"].update(background=True), "body.background", "value"),
    "another ID": (lambda one: one["body"].update(id=f"resp-{HEX}"), "body.id", "form"),
    "a deeper field": (
        lambda one: one["body"]["output"][0].update(extra=1),
        "body.output[image_generation_call].extra",
        "missing",
    ),
    "another item": (
        lambda one: one["body"]["output"].insert(0, {"type": "reasoning", "summary": []}),
        "body.output[reasoning]",
        "missing",
    ),
    "a header's value": (
        lambda one: one["headers"].update({"skip-error-remapping": "false"}),
        "headers.skip-error-remapping",
        "value",
    ),
    "another form of an ID in a header": (
        lambda one: one["headers"].update({"x-request-id": "8f14e45f-ceea-467f-a8a3-0b1c2d3e4f5a"}),
        "headers.x-request-id",
        "value",
    ),
    "a second item": (
        lambda one: one["body"]["output"].append({**MESSAGE, "phase": "final"}),
        "body.output[message].phase",
        "missing",
    ),
    "a field of the second item": (
        lambda one: one["body"]["output"].extend([{**PICTURE, "extra": 1}, MESSAGE]),
        "body.output[image_generation_call].extra",
        "missing",
    ),
    "usage that a whole recording lacks": (lambda one: one["body"].update(usage=None), "body.usage", "kind"),
    "a header": (lambda one: one["headers"].update({"x-new": "1"}), "headers.x-new", "missing"),
    "a status": (lambda one: one.update(status=202), "status", "value"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_difference_is_found(name: str, tmp_path: Path) -> None:
    change, field, kind = PLANTED[name]
    new = compared(tmp_path, planted(change)).new
    assert [(one.difference.field, one.difference.kind) for one in new] == [(field, kind)]


def test_the_exit_code_tells_new_differences_from_accepted_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "exchanges"
    folder.mkdir()
    exchange = planted(lambda one: one["body"].update(new_field=1))
    (folder / "one.json").write_text(json.dumps(exchange), encoding="utf-8")
    assert main(["compare", str(folder)]) == 1
    assert "body.new_field: missing, recorded 1, here nothing" in capsys.readouterr().out
    verdicts = tmp_path / "verdicts.toml"
    verdicts.write_text(
        '[[accepted]]\nfield = "body.new_*"\nreason = "it came yesterday"\n', encoding="utf-8"
    )
    assert main(["compare", str(folder), "--verdicts", str(verdicts), "--all"]) == 0
    assert "accepted: it came yesterday" in capsys.readouterr().out


def test_a_verdict_needs_a_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "one.json").write_text(json.dumps(EXCHANGE), encoding="utf-8")
    verdicts = tmp_path / "verdicts.toml"
    verdicts.write_text('[[accepted]]\nfield = "body.*"\n', encoding="utf-8")
    assert main(["compare", str(tmp_path), "--verdicts", str(verdicts)]) == 2
    assert "reason" in capsys.readouterr().err


@pytest.mark.parametrize("content", ["[]", "{", '{"request": {}}'])
def test_a_file_that_is_no_exchange_is_named(
    content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.json").write_text(content, encoding="utf-8")
    assert main(["compare", str(tmp_path)]) == 2
    assert "broken.json" in capsys.readouterr().err
