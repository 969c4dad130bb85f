from __future__ import annotations

import base64
import binascii
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx2
import openai
import pytest
from foundry_emulator.testing.calls import Control, Raw, events
from foundry_emulator.testing.scripted import PICTURE

IMAGE: Any = {"type": "image_generation"}
CREATE = "responses.create"


def images(control: Control) -> int:
    return len([line for line in control.bill() if line["kind"] == "image"])


def draw(raw: Raw, **request: Any) -> httpx2.Response:
    body = {"model": "gpt-4.1", "input": "draw", "tools": [IMAGE], **request}
    return raw.call("POST", "openai/v1/responses", body)


def test_a_dropped_request_costs_nothing(raw: Raw, control: Control) -> None:
    control.faults({"op": CREATE, "fault": "drop_before"})
    with pytest.raises(httpx2.TransportError):
        draw(raw)
    assert images(control) == 0
    assert draw(raw).status_code == 200


def test_a_dropped_reply_costs_the_same_as_a_reply(raw: Raw, control: Control) -> None:
    control.faults({"op": CREATE, "fault": "drop_after_accept"})
    with pytest.raises(httpx2.TransportError):
        draw(raw)
    assert images(control) == 1
    assert len(raw.ok("GET", "openai/v1/responses")["data"]) == 1


def test_half_a_body_is_a_transport_error_for_work_that_was_done(raw: Raw, control: Control) -> None:
    control.faults({"op": CREATE, "fault": "half_body"})
    with pytest.raises(httpx2.TransportError):
        draw(raw)
    assert images(control) == 1


def test_a_late_request_is_carried_out_after_its_caller_gave_up(raw: Raw, control: Control) -> None:
    control.faults({"op": CREATE, "fault": "late", "delay_s": 0.3})
    with pytest.raises(httpx2.TransportError):
        draw(raw, background=True)
    assert raw.ok("GET", "openai/v1/responses")["data"] == []
    deadline = time.monotonic() + 5
    while images(control) == 0 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert images(control) == 1


def test_a_late_request_meets_the_fence_of_a_deleted_conversation(raw: Raw, control: Control) -> None:
    conversation = raw.ok("POST", "openai/v1/conversations", {})["id"]
    control.faults({"op": CREATE, "fault": "late", "delay_s": 0.2})
    with pytest.raises(httpx2.TransportError):
        draw(raw, background=True, conversation=conversation)
    raw.ok("DELETE", f"openai/v1/conversations/{conversation}")
    time.sleep(0.4)
    assert control.bill() == []


def test_rate_limits_say_when_to_come_back(raw: Raw, control: Control) -> None:
    control.faults({"op": CREATE, "fault": "rate_limit", "retry_after_s": 2.5})
    refused = draw(raw)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "2.5")
    assert refused.headers["retry-after-ms"] == "2500"
    assert images(control) == 0


@pytest.mark.parametrize(("fault", "charged"), [("error_before", 0), ("error_after", 1)])
@pytest.mark.parametrize("status", [500, 503])
def test_server_errors_come_before_or_after_the_work(
    raw: Raw, control: Control, fault: str, charged: int, status: int
) -> None:
    control.faults({"op": CREATE, "fault": fault, "status": status})
    refused = draw(raw)
    assert (refused.status_code, refused.json()["error"]["type"]) == (status, "server_error")
    assert images(control) == charged


def test_a_redirect_is_307_and_nothing_happened(raw: Raw, control: Control) -> None:
    control.faults({"op": CREATE, "fault": "redirect"})
    moved = draw(raw)
    assert (moved.status_code, moved.headers["location"]) == (307, f"{raw.endpoint}/openai/v1/responses")
    assert images(control) == 0


def test_garbage_arrives_for_work_that_was_done(raw: Raw, control: Control) -> None:
    control.faults({"op": CREATE, "fault": "garbage"})
    answer = draw(raw)
    with pytest.raises(ValueError, match="Expecting value"):
        answer.json()
    assert (answer.status_code, images(control)) == (200, 1)


def test_an_account_block_stays_until_the_plan_is_cleared(raw: Raw, control: Control) -> None:
    control.faults({"op": CREATE, "fault": "account_block"})
    codes = [draw(raw).json()["error"]["code"] for _ in range(3)]
    assert codes == ["Forbidden"] * 3
    control.delete("faults")
    assert draw(raw).status_code == 200


def test_moderation_of_the_prompt_is_400_content_filter(raw: Raw, control: Control) -> None:
    control.faults({"op": CREATE, "fault": "moderation_input"})
    refused = draw(raw)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "content_filter")
    assert control.bill() == []


def test_moderation_of_the_picture_is_charged_only_after_drawing(raw: Raw, control: Control) -> None:
    control.faults(
        {"op": CREATE, "nth": 1, "fault": "moderation_input", "where": "image"},
        {"op": CREATE, "nth": 2, "fault": "moderation_output"},
    )
    for stage, charged in (("input", 0), ("output", 1)):
        body = draw(raw).json()
        item = body["output"][0]
        assert (body["status"], item["status"], item["result"]) == ("completed", "failed", None)
        assert item["error"]["moderation_details"]["moderation_stage"] == stage
        assert images(control) == charged


def test_a_broken_picture_stays_broken(raw: Raw, control: Control) -> None:
    control.faults(
        {"op": CREATE, "nth": 1, "fault": "bad_base64"},
        {"op": CREATE, "nth": 2, "fault": "truncated_picture"},
    )
    bad, short = draw(raw).json(), draw(raw).json()
    for body in (bad, short):
        stored = raw.ok("GET", f"openai/v1/responses/{body['id']}")
        assert stored["output"][0]["result"] == body["output"][0]["result"]
    with pytest.raises(binascii.Error):
        base64.b64decode(bad["output"][0]["result"], validate=True)
    data = base64.b64decode(short["output"][0]["result"], validate=True)
    assert data == PICTURE[: len(data)]
    assert 0 < len(data) < len(PICTURE)
    assert images(control) == 2


def test_a_picture_broken_on_the_way_is_whole_the_next_time(raw: Raw, control: Control) -> None:
    made = draw(raw).json()
    control.faults({"op": "responses.retrieve", "fault": "truncated_picture"})
    path = f"openai/v1/responses/{made['id']}"
    first, second = (raw.ok("GET", path)["output"][0]["result"] for _ in range(2))
    assert first != second
    assert second == made["output"][0]["result"]


def test_an_empty_result_is_completed_without_a_picture(raw: Raw, control: Control) -> None:
    control.faults(
        {"op": CREATE, "nth": 1, "fault": "empty_result"},
        {"op": CREATE, "nth": 2, "fault": "empty_result", "charged": True},
    )
    free, charged = draw(raw).json(), draw(raw).json()
    assert [item["type"] for item in free["output"]] == ["message"]
    assert charged["output"][0]["result"] is None
    assert images(control) == 1


def test_a_time_out_is_the_gateway_s_and_not_the_service_s(raw: Raw, control: Control) -> None:
    control.faults({"op": CREATE, "fault": "error_after", "status": 408})
    answer = draw(raw)
    assert answer.json() == {"error": {"code": "Timeout", "message": "The operation was timeout."}}
    assert (answer.status_code, answer.headers.get("api-supported-versions")) == (408, None)
    assert images(control) == 1


def test_a_response_can_fail_or_be_stuck(raw: Raw, control: Control) -> None:
    control.faults(
        {"op": CREATE, "nth": 1, "fault": "fail_response", "code": "rate_limit_exceeded", "message": "Wait."},
        {"op": CREATE, "nth": 2, "fault": "stuck"},
    )
    failed = raw.finished(draw(raw, background=True).json()["id"])
    told = {"code": "rate_limit_exceeded", "message": "Wait."}
    assert (failed["status"], failed["error"]) == ("failed", told)
    stuck = draw(raw, background=True).json()
    time.sleep(0.1)
    assert raw.ok("GET", f"openai/v1/responses/{stuck['id']}")["status"] == "queued"
    assert raw.ok("POST", f"openai/v1/responses/{stuck['id']}/cancel")["status"] == "cancelled"
    assert images(control) == 0


@pytest.mark.parametrize("number", [0, 3, 6])
def test_a_cut_stream_ends_in_a_transport_error_before_that_event(
    raw: Raw, control: Control, number: int
) -> None:
    control.faults({"op": CREATE, "fault": "cut_stream", "event": number})
    with pytest.raises(httpx2.TransportError):
        draw(raw, stream=True)


def test_a_stream_can_end_cleanly_without_its_last_event(raw: Raw, control: Control) -> None:
    control.faults({"op": CREATE, "fault": "clean_early_close", "event": 3})
    seen = events(draw(raw, stream=True, background=True).text)
    assert len(seen) == 3
    response_id = seen[0]["response"]["id"]
    assert raw.finished(response_id)["status"] == "completed"
    path = f"openai/v1/responses/{response_id}?stream=true&starting_after=2"
    assert events(raw.call("GET", path).text)[-1]["type"] == "response.completed"


def test_slowness_delays_the_reply(raw: Raw, control: Control) -> None:
    control.faults({"op": "files.list", "fault": "slow", "delay_s": 0.3})
    started = time.monotonic()
    raw.ok("GET", "openai/v1/files")
    assert time.monotonic() - started >= 0.3


def test_the_sdk_retries_a_lost_create_and_pays_three_times(client: openai.OpenAI, control: Control) -> None:
    """The reason for max_retries=0 on everything that spends, kept here as a fact."""
    control.faults({"op": CREATE, "fault": "drop_after_accept", "nth": [1, 2]})
    eager = client.with_options(max_retries=2)
    eager.responses.create(model="gpt-4.1", input="draw", tools=[IMAGE])
    assert images(control) == 3
    retries = [
        one["retry_count"] for one in control.get("requests")["requests"] if one["operation"] == CREATE
    ]
    assert retries == ["0", "1", "2"]


def test_rules_strike_by_number_and_by_seeded_chance(raw: Raw, control: Control) -> None:
    def pattern() -> list[int]:
        return [raw.call("GET", "openai/v1/files").status_code for _ in range(12)]

    control.faults({"op": "files.*", "nth": [2, 5], "fault": "error_before"})
    assert [number for number, status in enumerate(pattern(), 1) if status == 500] == [2, 5]
    rule = {"op": "files.list", "probability": 0.5, "seed": 7, "fault": "error_before"}
    control.faults(rule)
    first = pattern()
    control.faults(rule)
    assert pattern() == first
    assert {200, 500} == set(first)


@pytest.mark.parametrize(
    "rule",
    [
        {"op": "x"},
        {"op": "x", "fault": "nope"},
        {"fault": "late"},
        {"op": "x", "fault": "late", "nth": 0},
        {"op": "x", "fault": "late", "delay_s": "y"},
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(
    ready: Any, http: httpx2.Client, control: Control, rule: Any
) -> None:
    del control
    headers = {"Authorization": f"Bearer {ready.token}"}
    answer = http.post(f"{ready.control}/faults", headers=headers, json={"faults": [rule]})
    assert answer.status_code == 400


def test_mcp_calls_wait_for_approval_and_then_run(raw: Raw) -> None:
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            import json

            message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append(message["method"])
            content = [{"type": "text", "text": "three"}]
            tools: Any = [{"name": "add", "inputSchema": {}}]
            result: Any = {"tools": tools, "content": content}
            body = json.dumps({"jsonrpc": "2.0", "id": message.get("id"), "result": result})
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            self.wfile.write(f"event: message\ndata: {body}\n\n".encode())

        def log_message(self, format: str, *args: object) -> None:
            """Keep quiet."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            tool = {
                "type": "mcp",
                "server_label": "m",
                "server_url": f"http://127.0.0.1:{server.server_port}/",
            }
            first = raw.respond("list:m mcp:m.add", tools=[tool])
            request = first["output"][-1]
            assert [item["type"] for item in first["output"]] == ["mcp_list_tools", "mcp_approval_request"]
            assert "tools/call" not in asked
            answer = {"type": "mcp_approval_response", "approval_request_id": request["id"], "approve": True}
            again = [answer, {"role": "user", "content": "list:m mcp:m.add"}]
            second = raw.respond("", input=again, tools=[tool], previous_response_id=first["id"])
            call = second["output"][0]
            assert (call["type"], call["output"], call["approval_request_id"]) == (
                "mcp_call",
                "three",
                request["id"],
            )
            third = raw.respond("mcp:m.add", tools=[tool], previous_response_id=second["id"])
            assert third["output"][-1]["type"] == "mcp_approval_request"
        finally:
            server.shutdown()
            thread.join()


def test_a_route_leads_an_mcp_server_to_its_stand_in(raw: Raw, control: Control) -> None:
    address = "https://mcp.example/api"
    control.post("settings", {"mcp_routes": {address: "http://127.0.0.1:9/none"}})
    tool = {"type": "mcp", "server_label": "m", "server_url": address}
    body = raw.respond("list:m", tools=[tool])
    assert "does not answer" in body["output"][0]["error"]
    assert body["tools"][0]["server_url"] == address


def test_mcp_hosts_beyond_loopback_are_not_called(raw: Raw) -> None:
    tool = {
        "type": "mcp",
        "server_label": "m",
        "server_url": "http://169.254.169.254/",
        "require_approval": "never",
    }
    body = raw.respond("list:m mcp:m.add", tools=[tool])
    assert "may not call" in body["output"][0]["error"]
    assert body["output"][1]["error"]["code"] == 403
