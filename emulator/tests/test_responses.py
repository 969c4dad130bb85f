from __future__ import annotations

import base64
import threading
import time
from typing import Any

import openai
import pytest
from foundry_emulator.testing.calls import Control, Raw, events
from foundry_emulator.testing.scripted import PICTURE

IMAGE: Any = {"type": "image_generation"}
CODE: Any = {"type": "code_interpreter", "container": {"type": "auto"}}


def types(body: Any) -> list[str]:
    return [item["type"] for item in body["output"]]


def test_a_picture_comes_back_byte_for_byte_from_every_place_it_is_sent(raw: Raw) -> None:
    conversation = raw.ok("POST", "openai/v1/conversations", {})["id"]
    body = raw.respond("draw", tools=[IMAGE], conversation=conversation)
    stored = raw.ok("GET", f"openai/v1/responses/{body['id']}")
    item_id = body["output"][0]["id"]
    item = raw.ok("GET", f"openai/v1/conversations/{conversation}/items/{item_id}")
    streamed = raw.stream("draw", tools=[{**IMAGE, "partial_images": 2}])
    partials = [event["partial_image_b64"] for event in streamed if "partial_image_b64" in event]
    last = streamed[-1]["response"]["output"][0]
    texts = [
        body["output"][0]["result"],
        stored["output"][0]["result"],
        item["result"],
        last["result"],
        *partials,
    ]
    assert [base64.b64decode(text) for text in texts] == [PICTURE] * 6


def test_an_azure_picture_ends_with_an_empty_message(raw: Raw) -> None:
    body = raw.respond("draw", tools=[IMAGE])
    assert types(body) == ["image_generation_call", "message"]
    assert body["output"][1]["content"][0]["text"] == ""


def test_azure_wants_the_image_deployment_header(raw: Raw, control: Control) -> None:
    request = {"model": "gpt-4.1", "input": "draw", "tools": [IMAGE]}
    header = "x-ms-oai-image-generation-deployment"
    refused = raw.http.post(f"{raw.endpoint}/openai/v1/responses", headers=raw.headers, json=request)
    told = {
        "message": f"imagegen deployment must be provided through header: {header}",
        "type": "image_generation_user_error",
        "param": "tools",
        "code": "invalid_request_error",
    }
    assert (refused.status_code, refused.json()["error"]) == (400, told)
    unknown = raw.call("POST", "openai/v1/responses", request, headers={header: "nope"})
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (400, "invalid_value")
    assert not control.bill()
    control.post("settings", {"flavour": "openai"})
    accepted = raw.http.post(f"{raw.endpoint}/openai/v1/responses", headers=raw.headers, json=request)
    assert accepted.status_code == 200


@pytest.mark.parametrize("words", ["edit", "draw"])
def test_an_impossible_picture_is_the_callers_error_and_free(raw: Raw, control: Control, words: str) -> None:
    """An edit without a picture, and a size that the scripted painter does not have."""
    request = {"model": "gpt-4.1", "input": words, "tools": [{**IMAGE, "size": "77x77"}]}
    refused = raw.call("POST", "openai/v1/responses", request)
    assert (refused.status_code, refused.json()["error"]["type"]) == (400, "image_generation_user_error")
    assert raw.ok("GET", "openai/v1/responses")["data"] == []
    queued = raw.ok("POST", "openai/v1/responses", {**request, "background": True})
    assert raw.finished(queued["id"])["error"]["type"] == "image_generation_user_error"
    assert control.bill() == []


def test_what_was_drawn_before_a_refusal_is_delivered_with_it(raw: Raw, control: Control) -> None:
    store = raw.store_with("a.md", b"teal")
    search = {"type": "file_search", "vector_store_ids": [store]}
    control.post("settings", {"latency_s": 0.3})
    queued = raw.respond("draw search", tools=[IMAGE, search], background=True)
    control.post("expire/vector_stores")
    failed = raw.finished(queued["id"])
    assert (failed["status"], types(failed)) == ("failed", ["image_generation_call"])
    assert [line["kind"] for line in control.bill()] == ["image", "tokens"]


def test_a_refused_prompt_leaves_a_failed_picture_and_no_charge_for_it(raw: Raw, control: Control) -> None:
    body = raw.respond("draw:gore", tools=[IMAGE])
    item = body["output"][0]
    assert (body["status"], item["status"], item["result"]) == ("completed", "failed", None)
    assert item["error"]["moderation_details"] == {"categories": ["violence"], "moderation_stage": "input"}
    assert [line["kind"] for line in control.bill()] == ["tokens"]


def test_items_join_the_conversation_when_the_response_completes(raw: Raw) -> None:
    conversation = raw.ok("POST", "openai/v1/conversations", {})["id"]
    raw.respond("say:one", conversation=conversation)
    raw.call(
        "POST", "openai/v1/responses", {"model": "gpt-4.1", "input": "boom", "conversation": conversation}
    )
    raw.respond("say:two", conversation={"id": conversation})
    listed = raw.ok("GET", f"openai/v1/conversations/{conversation}/items?order=asc")["data"]
    assert [item["content"][0]["text"] for item in listed] == ["say:one", "one", "say:two", "two"]


def test_a_deleted_conversation_takes_no_response_but_still_lists_what_ran(
    raw: Raw, control: Control
) -> None:
    conversation = raw.ok("POST", "openai/v1/conversations", {})["id"]
    made = raw.respond("say:one", conversation=conversation)
    raw.ok("DELETE", f"openai/v1/conversations/{conversation}")
    charges = len(control.bill())
    request = {"model": "gpt-4.1", "input": "say:two", "conversation": conversation}
    assert raw.call("POST", "openai/v1/responses", request).status_code == 404
    listed = raw.ok("GET", f"openai/v1/responses?conversation_id={conversation}")["data"]
    assert [one["id"] for one in listed] == [made["id"]]
    assert len(control.bill()) == charges


def test_running_responses_are_listed_with_their_metadata(raw: Raw, control: Control) -> None:
    control.post("settings", {"latency_s": 5})
    conversation = raw.ok("POST", "openai/v1/conversations", {})["id"]
    made = raw.respond("say:one", conversation=conversation, background=True, metadata={"attempt": "1"})
    (listed,) = raw.ok("GET", f"openai/v1/responses?conversation_id={conversation}&limit=5&order=asc")["data"]
    assert (listed["id"], listed["metadata"]) == (made["id"], {"attempt": "1"})
    assert listed["status"] in ("queued", "in_progress")
    control.post("settings", {"listing_lag_s": 60})
    assert raw.ok("GET", f"openai/v1/responses?conversation_id={conversation}")["data"] == []


def test_a_chain_by_previous_response_carries_items_but_not_instructions(raw: Raw) -> None:
    first = raw.respond("draw", tools=[IMAGE], instructions="be brief")
    second = raw.respond("edit", tools=[IMAGE], previous_response_id=first["id"])
    assert second["instructions"] is None
    assert second["output"][0]["action"] == "edit"


def test_conversation_and_previous_response_exclude_each_other(raw: Raw) -> None:
    first = raw.respond("say:hi")
    conversation = raw.ok("POST", "openai/v1/conversations", {})["id"]
    request = {
        "model": "gpt-4.1",
        "input": "x",
        "conversation": conversation,
        "previous_response_id": first["id"],
    }
    refused = raw.call("POST", "openai/v1/responses", request)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "mutually_exclusive_parameters")


def test_a_picture_can_be_named_by_the_id_of_its_call(raw: Raw) -> None:
    first = raw.respond("draw", tools=[IMAGE])
    call = {"type": "image_generation_call", "id": first["output"][0]["id"]}
    body = raw.respond("", input=[{"role": "user", "content": "edit"}, call], tools=[IMAGE])
    assert body["output"][0]["action"] == "edit"
    unknown = [{"role": "user", "content": "edit"}, {"type": "image_generation_call", "id": "ig_nope"}]
    refused = raw.call(
        "POST", "openai/v1/responses", {"model": "gpt-4.1", "input": unknown, "tools": [IMAGE]}
    )
    assert refused.status_code == 404


def test_an_unstored_response_cannot_be_retrieved_or_referred_to(raw: Raw) -> None:
    body = raw.respond("draw", tools=[IMAGE], store=False)
    assert raw.call("GET", f"openai/v1/responses/{body['id']}").status_code == 404
    call = {"type": "image_generation_call", "id": body["output"][0]["id"]}
    assert raw.call("POST", "openai/v1/responses", {"model": "gpt-4.1", "input": [call]}).status_code == 404


def test_an_unanswered_function_call_blocks_the_next_response(raw: Raw) -> None:
    tool = {"type": "function", "name": "weather", "parameters": {"type": "object"}}
    asked = raw.respond("call:weather", tools=[tool])
    call = asked["output"][0]
    assert call["arguments"] == '{"city": "Seattle"}'
    request = {"model": "gpt-4.1", "previous_response_id": asked["id"], "tools": [tool]}
    refused = raw.call("POST", "openai/v1/responses", {**request, "input": "say:x"})
    assert refused.status_code == 400
    assert call["call_id"] in refused.json()["error"]["message"]
    answer = {"type": "function_call_output", "call_id": call["call_id"], "output": "sunny"}
    request["input"] = [answer, {"role": "user", "content": "say:done"}]
    assert raw.ok("POST", "openai/v1/responses", request)["output"][0]["content"][0]["text"] == "done"


def test_more_tool_calls_than_allowed_are_not_made(raw: Raw, control: Control) -> None:
    body = raw.respond("draw draw draw", tools=[IMAGE], max_tool_calls=2)
    assert types(body).count("image_generation_call") == 2
    assert [line["kind"] for line in control.bill()].count("image") == 2


def test_long_answers_are_cut_at_max_output_tokens(raw: Raw) -> None:
    body = raw.respond("say:" + "a" * 400, max_output_tokens=16)
    assert (body["status"], body["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
    assert body["output"][0]["content"][0]["text"] == "a" * 64


def test_results_and_outputs_come_only_when_included(raw: Raw) -> None:
    body = raw.respond("code", tools=[CODE])
    assert body["output"][0]["outputs"] is None
    path = f"openai/v1/responses/{body['id']}?include[]=code_interpreter_call.outputs"
    assert raw.ok("GET", path)["output"][0]["outputs"] == [{"type": "logs", "logs": "ran\n"}]
    assert raw.call("GET", f"openai/v1/responses/{body['id']}?include[]=nonsense").status_code == 400


def test_what_was_drawn_lies_in_the_container_in_this_turn_and_the_next(raw: Raw) -> None:
    tools = [IMAGE, {"type": "code_interpreter", "container": {"type": "auto"}}]
    drawn = raw.respond("draw code", tools=tools)
    later = raw.respond("code", tools=tools, previous_response_id=drawn["id"])
    call = drawn["output"][0]
    for body in (drawn, later):
        (ran,) = [item for item in body["output"] if item["type"] == "code_interpreter_call"]
        listed = raw.ok("GET", f"openai/v1/containers/{ran['container_id']}/files")["data"]
        files = {file["path"]: file for file in listed}
        mounted = files[f"/mnt/data/{call['id']}-picture.png"]
        assert mounted["source"] == "user"
        path = f"openai/v1/containers/{ran['container_id']}/files/{mounted['id']}/content"
        assert raw.call("GET", path).content == PICTURE


def test_a_running_response_shows_the_items_that_are_finished(raw: Raw) -> None:
    path = f"openai/v1/responses/{raw.respond('draw pause:1 say:x', tools=[IMAGE], background=True)['id']}"
    deadline = time.monotonic() + 10
    while not (body := raw.ok("GET", path))["output"] and time.monotonic() < deadline:
        time.sleep(0.01)
    assert (body["status"], [item["type"] for item in body["output"]]) == (
        "in_progress",
        ["image_generation_call"],
    )
    assert len(raw.finished(body["id"])["output"]) == 2


def test_a_background_response_is_cancelled_once(raw: Raw, control: Control) -> None:
    control.post("settings", {"latency_s": 30})
    queued = raw.respond("draw", tools=[IMAGE], background=True)
    assert queued["status"] == "queued"
    first = raw.ok("POST", f"openai/v1/responses/{queued['id']}/cancel")
    second = raw.ok("POST", f"openai/v1/responses/{queued['id']}/cancel")
    assert (first["status"], second) == ("cancelled", first)
    assert control.bill() == []


def test_a_foreground_response_cannot_be_cancelled(raw: Raw) -> None:
    body = raw.respond("say:x")
    assert raw.call("POST", f"openai/v1/responses/{body['id']}/cancel").status_code == 400


def test_a_foreground_response_whose_caller_leaves_is_gone(raw: Raw, control: Control) -> None:
    control.post("settings", {"latency_s": 1})
    conversation = raw.ok("POST", "openai/v1/conversations", {})["id"]
    request = {"model": "gpt-4.1", "input": "draw", "tools": [IMAGE], "conversation": conversation}
    with pytest.raises(Exception, match="timed out"):
        raw.call("POST", "openai/v1/responses", request, timeout=0.3)
    deadline = time.monotonic() + 5
    while control.get("health")["running"] and time.monotonic() < deadline:
        time.sleep(0.02)
    assert raw.ok("GET", f"openai/v1/responses?conversation_id={conversation}")["data"] == []
    assert control.bill() == []


@pytest.mark.parametrize("is_streamed", [False, True])
def test_a_response_may_outlive_its_caller(raw: Raw, control: Control, *, is_streamed: bool) -> None:
    control.post("settings", {"latency_s": 0.5, "finish_without_caller": True})
    conversation = raw.ok("POST", "openai/v1/conversations", {})["id"]
    request = {"model": "gpt-4.1", "input": "draw", "tools": [IMAGE], "conversation": conversation}
    with pytest.raises(Exception, match="timed out"):
        raw.call("POST", "openai/v1/responses", {**request, "stream": is_streamed}, timeout=0.2)
    path = f"openai/v1/responses?conversation_id={conversation}"
    (running,) = raw.ok("GET", path)["data"]
    assert raw.finished(running["id"])["status"] == "completed"
    assert [charge["kind"] for charge in control.bill()].count("image") == 1


def test_what_runs_on_the_line_may_be_listed_at_its_end(raw: Raw, control: Control) -> None:
    control.post("settings", {"latency_s": 0.5, "finish_without_caller": True, "list_when_over": True})
    request = {"model": "gpt-4.1", "input": "say:hi"}
    with pytest.raises(Exception, match="timed out"):
        raw.call("POST", "openai/v1/responses", request, timeout=0.2)
    behind = raw.respond("say:hi", background=True)["id"]
    listed = raw.ok("GET", "openai/v1/responses")["data"]
    assert [(one["id"], one["status"] in ("queued", "in_progress")) for one in listed] == [(behind, True)]
    raw.finished(behind)
    deadline = time.monotonic() + 5
    while control.get("health")["running"] and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(raw.ok("GET", "openai/v1/responses")["data"]) == 2


def test_a_background_stream_can_be_followed_while_it_runs_and_again_later(
    raw: Raw, control: Control
) -> None:
    control.post("settings", {"latency_s": 0.4})
    seen: list[Any] = []
    request = {"model": "gpt-4.1", "input": "draw", "tools": [IMAGE], "stream": True, "background": True}

    def start() -> None:
        seen.append(events(raw.call("POST", "openai/v1/responses", request).text))

    thread = threading.Thread(target=start)
    thread.start()
    deadline = time.monotonic() + 5
    running: list[Any] = []
    while not running and time.monotonic() < deadline:
        running = raw.ok("GET", "openai/v1/responses")["data"]
    path = f"openai/v1/responses/{running[0]['id']}?stream=true"
    followed = events(raw.call("GET", f"{path}&starting_after=0").text)
    thread.join()
    assert followed == seen[0][1:]
    assert followed[-1]["type"] == "response.completed"
    assert events(raw.call("GET", path).text) == seen[0]


def test_only_background_streams_can_be_streamed_again(raw: Raw) -> None:
    body = raw.respond("say:x", background=True)
    raw.finished(body["id"])
    assert raw.call("GET", f"openai/v1/responses/{body['id']}?stream=true").status_code == 400


def test_the_sdk_stream_helper_accepts_the_events(client: openai.OpenAI) -> None:
    with client.responses.stream(model="gpt-4.1", input="draw say:well_done", tools=[IMAGE]) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    assert kinds[-1] == "response.completed"
    assert final.output_text == "well done"


def test_a_bug_in_the_rules_is_a_failed_response_not_a_dead_server(raw: Raw) -> None:
    refused = raw.call("POST", "openai/v1/responses", {"model": "gpt-4.1", "input": "boom"})
    body = refused.json()
    assert (refused.status_code, body["status"], body["error"]["code"]) == (200, "failed", "server_error")
    assert "bug in the rules" not in refused.text


def test_input_pictures_are_never_fetched(raw: Raw) -> None:
    for url in ("http://169.254.169.254/latest", "https://example.com/a.png", "file:///etc/passwd"):
        content = [{"type": "input_image", "image_url": url}]
        request = {"model": "gpt-4.1", "input": [{"role": "user", "content": content}]}
        refused = raw.call("POST", "openai/v1/responses", request)
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "invalid_image_url")


def test_a_picture_s_bare_base64_is_no_address(raw: Raw) -> None:
    content = [{"type": "input_image", "image_url": base64.b64encode(PICTURE).decode()}]
    request = {"model": "gpt-4.1", "input": [{"role": "user", "content": content}]}
    error = raw.call("POST", "openai/v1/responses", request).json()["error"]
    assert (error["code"], error["param"]) == ("invalid_value", "input[0].content[0].image_url")


def test_pictures_sent_in_come_back_from_the_conversation(raw: Raw) -> None:
    url = "data:image/png;base64," + base64.b64encode(b"x" * 5000).decode()
    content = [{"type": "input_image", "image_url": url, "detail": "high"}]
    items = [{"role": "user", "content": content}]
    conversation = raw.ok("POST", "openai/v1/conversations", {"items": items})["id"]
    (item,) = raw.ok("GET", f"openai/v1/conversations/{conversation}/items")["data"]
    assert item["content"] == [{**content[0], "file_id": None}]


def test_the_documented_refusals_of_azure_are_switches(raw: Raw, control: Control) -> None:
    file_id = raw.upload("a.png", PICTURE)
    by_id: Any = [{"role": "user", "content": [{"type": "input_image", "file_id": file_id}]}]
    first = raw.respond("draw", tools=[IMAGE])
    cases: list[tuple[str, Any]] = [
        ("refuse_image_streaming", {"input": "draw", "stream": True}),
        ("refuse_image_file_ids", {"input": by_id}),
        ("refuse_image_multi_turn", {"input": "edit", "previous_response_id": first["id"]}),
        ("refuse_webp", {"input": "draw", "tools": [{**IMAGE, "output_format": "webp"}]}),
    ]
    for switch, request in cases:
        body = {"model": "gpt-4.1", "tools": [IMAGE], **request}
        assert raw.call("POST", "openai/v1/responses", body).status_code == 200
        control.post("settings", {switch: True})
        assert raw.call("POST", "openai/v1/responses", body).status_code == 400
        control.post("settings", {switch: False})


def test_a_locked_conversation_takes_one_response_at_a_time(raw: Raw, control: Control) -> None:
    control.post("settings", {"latency_s": 30, "conversation_lock": True})
    conversation = raw.ok("POST", "openai/v1/conversations", {})["id"]
    raw.respond("say:x", conversation=conversation, background=True)
    request = {"model": "gpt-4.1", "input": "say:y", "conversation": conversation}
    refused = raw.call("POST", "openai/v1/responses", request)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "conversation_locked")


def test_only_the_openai_flavour_reports_image_tokens(raw: Raw, control: Control) -> None:
    azure = raw.respond("draw", tools=[IMAGE])
    control.post("settings", {"flavour": "openai"})
    plain = raw.respond("draw", tools=[IMAGE])
    assert "tool_usage" not in azure
    assert plain["tool_usage"]["image_gen"]["output_tokens"] == 100
    assert "agent_reference" not in plain


def test_a_hundred_background_responses_run_side_by_side(raw: Raw, control: Control) -> None:
    control.post("settings", {"latency_s": 0.5})
    started = time.monotonic()
    made = [raw.respond("draw", tools=[IMAGE], background=True)["id"] for _ in range(100)]
    bodies = [raw.finished(response_id) for response_id in made]
    assert {body["status"] for body in bodies} == {"completed"}
    assert len([line for line in control.bill() if line["kind"] == "image"]) == 100
    assert time.monotonic() - started < 10
