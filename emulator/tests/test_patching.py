"""The fault `patch` imitates any answer, and each switch is a world of its own."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from foundry_emulator.testing.calls import IMAGE_HEADER, Control, Raw, events
from foundry_emulator.testing.scripted import PICTURE_URL

IMAGE = {"type": "image_generation"}
CREATE = "responses.create"
RESPONSES = "openai/v1/responses"


def test_a_merge_changes_the_body_status_and_headers(raw: Raw, control: Control) -> None:
    change = {"merge": {"usage": None, "metadata": {"a": "b"}}, "status": 202}
    headers = {"x-region": "elsewhere", "x-ms-region": None}
    control.faults({"op": CREATE, "fault": "patch", **change, "headers": headers})
    answer = raw.call("POST", RESPONSES, {"model": "gpt-4.1", "input": "say:hi"})
    body = answer.json()
    assert (answer.status_code, "usage" in body, body["metadata"]) == (202, False, {"a": "b"})
    assert (answer.headers["x-region"], "x-ms-region" in answer.headers) == ("elsewhere", False)
    assert len(control.bill()) == 1


def test_a_patch_reaches_any_place_and_strikes_the_nth_call_alone(raw: Raw, control: Control) -> None:
    gone = [{"op": "replace", "path": "/output/0/result", "value": None}]
    control.faults({"op": "responses.retrieve", "fault": "patch", "patch": gone, "nth": 2})
    made = raw.respond("draw", tools=[IMAGE])
    read = [raw.ok("GET", f"{RESPONSES}/{made['id']}")["output"][0]["result"] for _ in range(3)]
    assert [result is None for result in read] == [False, True, False]


def test_instead_lets_nothing_happen(raw: Raw, control: Control) -> None:
    error = {"error": {"code": "EngineOverloaded", "message": "The engine is currently overloaded."}}
    control.faults({"op": CREATE, "fault": "patch", "instead": True, "status": 400, "merge": error})
    answer = raw.call("POST", RESPONSES, {"model": "gpt-4.1", "input": "say:hi"})
    assert (answer.status_code, answer.json()) == (400, error)
    assert control.bill() == []


def test_a_refusal_can_be_patched_too(raw: Raw, control: Control) -> None:
    control.faults({"op": "responses.retrieve", "fault": "patch", "merge": {"error": {"code": "other"}}})
    assert raw.call("GET", f"{RESPONSES}/resp_none").json()["error"]["code"] == "other"


def test_events_are_inserted_changed_and_dropped(raw: Raw, control: Control) -> None:
    changes: list[dict[str, Any]] = [
        {"type": "response.completed", "insert": {"type": "error", "error": {"code": "too_many_requests"}}},
        {"type": "response.output_text.done", "merge": {"text": "else"}},
        {"at": 1, "drop": True},
    ]
    control.faults({"op": CREATE, "fault": "patch", "events": changes})
    sent = raw.stream("say:hi")
    kinds = [event["type"] for event in sent]
    assert kinds[-2:] == ["error", "response.completed"]
    assert "response.in_progress" not in kinds
    assert next(event for event in sent if event["type"] == "response.output_text.done")["text"] == "else"


@pytest.mark.parametrize("text", ["<html>", "[1]", ""])
def test_a_text_takes_a_whole_answer_s_place(text: str, raw: Raw, control: Control) -> None:
    control.faults({"op": CREATE, "fault": "patch", "text": text, "status": 202})
    for mode in ({}, {"stream": True}):
        answer = raw.call("POST", RESPONSES, {"model": "gpt-4.1", "input": "say:hi", **mode})
        assert (answer.status_code, answer.text) == (202, text)


def test_a_stream_is_cut_before_an_event_when_it_is_posted_and_when_it_is_read_again(
    raw: Raw, control: Control
) -> None:
    made = raw.stream("say:hi", background=True)
    before = {"type": "response.completed", "cut": True}
    control.faults({"op": "responses.*", "fault": "patch", "events": [before]})
    posted = {"model": "gpt-4.1", "input": "say:hi", "stream": True}
    again = f"{RESPONSES}/{made[0]['response']['id']}?stream=true"
    for method, path, body in (("POST", RESPONSES, posted), ("GET", again, None)):
        headers = {**raw.headers, **IMAGE_HEADER}
        with raw.http.stream(method, f"{raw.endpoint}/{path}", headers=headers, json=body) as answer:
            lines = answer.iter_lines()
            assert next(lines) == "event: response.created"
            with pytest.raises(httpx2.TransportError):
                list(lines)


def test_a_patch_that_does_not_fit_is_said(raw: Raw, control: Control) -> None:
    missing = [{"op": "remove", "path": "/nowhere"}]
    control.faults({"op": CREATE, "fault": "patch", "patch": missing})
    answer = raw.call("POST", RESPONSES, {"model": "gpt-4.1", "input": "say:hi"})
    assert (answer.status_code, "does not fit" in answer.text) == (400, True)


@pytest.fixture
def agent(raw: Raw) -> dict[str, Any]:
    definition = {"kind": "prompt", "model": "gpt-4.1", "tools": [IMAGE]}
    raw.ok("POST", "agents/painter/versions", {"definition": definition})
    return {"input": "draw", "agent_reference": {"type": "agent_reference", "name": "painter"}}


@pytest.mark.parametrize(
    "field",
    [
        {"tools": []},
        {"instructions": "Else."},
        {"model": "gpt-4.1-mini"},
        {"temperature": 1},
        {"top_p": 1},
        {"reasoning": {}},
        {"text": {}},
    ],
    ids=lambda field: next(iter(field)),
)
def test_what_an_agent_has_settled_is_refused_and_free(
    field: dict[str, Any], raw: Raw, control: Control, agent: dict[str, Any]
) -> None:
    answer = raw.call("POST", RESPONSES, {**agent, **field})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, "invalid_payload", next(iter(field)))
    assert error["message"] == "Not allowed when agent is specified."
    assert control.bill() == []


def test_several_settled_fields_are_refused_together(raw: Raw, agent: dict[str, Any]) -> None:
    error = raw.call("POST", RESPONSES, {**agent, "temperature": 1, "top_p": 1}).json()["error"]
    assert (error["code"], error["message"], error["param"]) == ("invalid_payload", "Invalid payload", None)
    assert [detail["param"] for detail in error["details"]] == ["temperature", "top_p"]
    assert {detail["code"] for detail in error["details"]} == {"ValidationError"}


@pytest.mark.parametrize("model", ["", "gpt-4.1"])
def test_the_model_of_the_agent_may_be_named_again(model: str, raw: Raw, agent: dict[str, Any]) -> None:
    answer = raw.call("POST", RESPONSES, {**agent, "model": model})
    assert (answer.status_code, answer.json()["model"]) == (200, "gpt-4.1")


def test_the_deprecated_field_is_refused_today_and_was_taken_before(
    raw: Raw, control: Control, agent: dict[str, Any]
) -> None:
    old = {"input": agent["input"], "agent": agent["agent_reference"]}
    refused = raw.call("POST", RESPONSES, old)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "agent")
    control.post("settings", {"flavour": "azure-2026-03"})
    item = raw.ok("POST", RESPONSES, old)["output"][0]
    assert item["created_by"]["agent"]["name"] == "painter"
    control.post("settings", {"flavour": "azure-2025-11"})
    assert raw.ok("POST", RESPONSES, old)["agent"]["type"] == "agent_id"


def test_conversations_are_refused_in_foundry_s_words(raw: Raw) -> None:
    made = raw.ok("POST", "openai/v1/conversations", {})["id"]
    other = made[:-3] + "abc"
    answers = [
        raw.call("GET", f"openai/v1/conversations/{path}")
        for path in ("conv_1", other, f"{made}/items/msg_{made[5:]}")
    ]
    assert [answer.status_code for answer in answers] == [400, 404, 404]
    errors = [answer.json()["error"] for answer in answers]
    assert all(set(error) >= {"code", "message", "type", "details", "additionalInfo"} for error in errors)
    assert errors[0]["message"] == "Invalid conversation id 'conv_1', Malformed identifier."


def test_the_first_preview_said_in_one_field_by_whom_an_item_was_made(
    raw: Raw, control: Control, agent: dict[str, Any]
) -> None:
    control.post("settings", {"flavour": "azure-2025-11"})
    conversation = raw.ok("POST", "openai/v1/conversations", {})["id"]
    asked = {"input": agent["input"], "agent": agent["agent_reference"], "conversation": conversation}
    response = raw.ok("POST", RESPONSES, asked)["id"]
    item, *_ = raw.ok("GET", f"openai/v1/conversations/{conversation}/items")["data"]
    assert item["created_by"]["response_id"] == response
    assert item["created_by"]["agent"]["type"] == "agent_id"
    assert not {"agent_reference", "response_id"} & set(item)


@pytest.mark.parametrize("answer", ["accepted", "refused", "dropped"])
@pytest.mark.parametrize("beside", ["agent", "conversation"])
def test_background_beside_an_agent_or_a_conversation_does_what_is_switched(
    answer: str, beside: str, raw: Raw, control: Control, agent: dict[str, Any]
) -> None:
    control.post("settings", {f"background_with_{beside}": answer})
    place = {"conversation": raw.ok("POST", "openai/v1/conversations", {})["id"]}
    sent = {**agent, "background": True, **(place if beside == "conversation" else {})}
    got = raw.call("POST", RESPONSES, sent)
    seen = "refused" if got.status_code == 400 else "accepted" if got.json()["background"] else "dropped"
    assert seen == answer


def test_results_hide_when_a_response_is_read_back(raw: Raw, control: Control) -> None:
    control.post("settings", {"hide_results": True})
    made = raw.respond("draw", tools=[IMAGE])
    assert made["output"][0]["result"]
    assert raw.ok("GET", f"{RESPONSES}/{made['id']}")["output"][0]["result"] is None


def test_a_picture_says_that_it_is_still_generating_where_switched(raw: Raw, control: Control) -> None:
    control.post("settings", {"images_stay_generating": True})
    made = raw.respond("draw", tools=[IMAGE])
    assert (made["status"], made["output"][0]["status"]) == ("completed", "generating")
    assert made["output"][0]["result"]
    assert raw.ok("GET", f"{RESPONSES}/{made['id']}")["output"][0]["status"] == "generating"


def test_long_data_urls_are_refused_where_switched(raw: Raw, control: Control) -> None:
    control.post("settings", {"longest_data_url": len(PICTURE_URL) - 1})
    content = [{"type": "input_image", "image_url": PICTURE_URL}]
    answer = raw.call(
        "POST", RESPONSES, {"model": "gpt-4.1", "input": [{"role": "user", "content": content}]}
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_payload")


@pytest.mark.parametrize(
    ("switch", "code", "fields"),
    [
        ("silent_rate_limits", "429", {"message", "type", "param", "code"}),
        ("gateway_rate_limits", "429", {"message", "code"}),
    ],
)
def test_a_limit_gives_no_hint_where_switched(
    switch: str, code: str, fields: set[str], raw: Raw, control: Control
) -> None:
    control.post("settings", {switch: True, "quota": {"gpt-4.1": {"requests_per_minute": 1}}})
    raw.respond("say:hi")
    answer = raw.call("POST", RESPONSES, {"model": "gpt-4.1", "input": "say:hi"})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], set(error)) == (429, code, fields)
    assert "retry-after" not in answer.headers


def test_listings_ignore_what_is_switched(raw: Raw, control: Control) -> None:
    ids = [raw.ok("POST", "openai/v1/conversations", {})["id"] for _ in range(2)]
    made = [raw.respond("say:hi", conversation=one)["id"] for one in ids]
    path = f"{RESPONSES}?order=asc&conversation_id={ids[0]}"
    assert [one["id"] for one in raw.ok("GET", path)["data"]] == made[:1]
    control.post("settings", {"ignore_list_filter": True})
    assert [one["id"] for one in raw.ok("GET", path)["data"]] == made
    control.post("settings", {"ignore_list_order": True})
    assert [one["id"] for one in raw.ok("GET", path)["data"]] == made[::-1]


def test_metadata_and_responses_go_where_switched(raw: Raw, control: Control) -> None:
    control.post("settings", {"drop_metadata": True, "forget_with_conversation": True})
    conversation = raw.ok("POST", "openai/v1/conversations", {})["id"]
    made = raw.respond("say:hi", conversation=conversation, metadata={"a": "b"})
    assert made["metadata"] == {}
    raw.ok("DELETE", f"openai/v1/conversations/{conversation}")
    assert raw.call("GET", f"{RESPONSES}/{made['id']}").status_code == 404


def test_a_slow_stream_is_kept_alive(raw: Raw, control: Control) -> None:
    control.post("settings", {"keepalive_s": 0.05, "latency_s": 0.3})
    sent = raw.stream("say:hi")
    assert "keepalive" in [event["type"] for event in sent]
    assert [event["sequence_number"] for event in sent] == list(range(len(sent)))


def test_only_answers_that_were_waited_for_carry_rates(raw: Raw, control: Control) -> None:
    control.post("settings", {"quota": {"*": {"requests_per_minute": 100}}})
    sent: dict[str, Any] = {"model": "gpt-4.1", "input": "say:hi"}
    found = [
        "x-ratelimit-limit-requests" in raw.call("POST", RESPONSES, {**sent, **mode}).headers
        for mode in ({}, {"background": True}, {"stream": True})
    ]
    assert found == [True, False, False]


def test_tools_that_cannot_be_run_are_refused_when_the_agent_is_made(raw: Raw) -> None:
    definition = {"kind": "prompt", "model": "gpt-4.1", "tools": [{"type": "web_search"}]}
    answer = raw.call("POST", "agents/searcher/versions", {"definition": definition})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], "web_search" in error["message"]) == (
        400,
        "tool_not_emulated",
        True,
    )
    assert raw.call("GET", "agents/searcher").status_code == 404


def test_a_background_stream_has_no_padding_and_no_outputs_that_nobody_asked_for(raw: Raw) -> None:
    code = {"type": "code_interpreter", "container": {"type": "auto"}}
    sent = raw.stream("code say:hi", tools=[code], background=True)
    assert not any("obfuscation" in event for event in sent)
    done = [event["item"] for event in sent if event["type"] == "response.output_item.done"]
    assert [item["outputs"] for item in done if item["type"] == "code_interpreter_call"] == [None]
    front = events(raw.call("POST", RESPONSES, {"model": "gpt-4.1", "input": "say:hi", "stream": True}).text)
    assert any("obfuscation" in event for event in front)
