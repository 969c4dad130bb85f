"""A recording shows what a service does, and nothing of whose it is."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assetmill.agents.evidence import Redactor
from assetmill.agents.recording import Recorder
from assetmill.errors import ServiceError
from assetmill.redaction import remember
from tests.assetmill.agents.wire import ENDPOINT, Body, Wire, body, events, request, response
from tests.doubles import image_item, png

SECRETS = ("Contoso-Sehr-Geheim-77", "jane.doe@fabrikam.example", "zebra9secretzebra", "ünïque-nämé")
HEX = "0beb64d4859e557a0069a7e133b4a881958d2935996230adaa"
RESPONSE_ID = f"resp_{HEX}"
BODY: Body = {
    "id": RESPONSE_ID,
    "object": "response",
    "status": "completed",
    "model": "gpt-4.1-mini-2025-04-14",
    "error": {"code": "RateLimitReached", "message": "Your requests to have exceeded token rate limit."},
    "metadata": {"colour": "mauve", "assetmill_probe": "1"},
    "output": [
        {"type": "message", "id": "msg_" + HEX, "content": [{"type": "output_text", "text": "ok"}]},
        image_item(png()),
    ],
    "usage": {"input_tokens": 10, "input_tokens_details": None},
}
HEADERS = {
    "x-request-id": "8f14e45f-ceea-467f-a8a3-0b1c2d3e4f5a",
    "x-ratelimit-limit-tokens": "2270000",
    "content-type": "application/json; charset=utf-8",
    "x-ms-region": "West US 2",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "recording"


@pytest.fixture
def recorder(folder: Path) -> Recorder:
    return Recorder(folder)


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch, recorder: Recorder) -> Iterator[Wire]:
    made = Wire(monkeypatch, recorder)
    yield made
    made.gateway.close()


def files(folder: Path) -> list[Body]:
    """Read a recording's exchanges in the order of their names."""
    return [json.loads(path.read_bytes()) for path in sorted(folder.rglob("*.json"))]


def texts(folder: Path) -> str:
    """Return everything that a recording holds, names included."""
    kept = [path for path in folder.rglob("*") if path.is_file()]
    return "\n".join(f"{path}\n{path.read_text('utf-8')}" for path in kept)


def places(value: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every text in a JSON value."""
    if isinstance(value, str):
        yield path
    entries = (
        cast("dict[str, object]", value).items()
        if isinstance(value, dict)
        else enumerate(cast("list[object]", value))
        if isinstance(value, list)
        else ()
    )
    for key, inner in entries:
        yield from places(inner, (*path, key))


def planted(value: Body, path: tuple[Any, ...], secret: str) -> Body:
    """Return a copy of a JSON value with a secret in the place of one text."""
    copy: Any = json.loads(json.dumps(value))
    inner = copy
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = secret
    return copy


def test_what_a_service_does_is_kept(recorded: Wire, folder: Path) -> None:
    recorded.on("GET", f"/responses/{RESPONSE_ID}", body(BODY, 200, **HEADERS))
    recorded.gateway.get_response(RESPONSE_ID)
    (told,) = files(folder)
    assert told["request"]["method"] == "GET"
    assert told["request"]["path"].startswith("/openai/v1/responses/resp_")
    shown, headers = told["body"], told["headers"]
    assert (shown["model"], shown["status"]) == ("gpt-4.1-mini-2025-04-14", "completed")
    assert shown["error"] == BODY["error"]
    assert shown["usage"] == BODY["usage"]
    assert shown["metadata"] == {"field_1": "***", "assetmill_probe": "1"}
    assert headers["x-ratelimit-limit-tokens"] == "2270000"
    assert headers["content-type"] == HEADERS["content-type"]
    measures = shown["output"][1]["result"]["base64_of"]
    assert (measures["width"], measures["height"], measures["format"]) == (64, 48, "png")
    assert measures["bytes"] == len(png())


def test_ids_become_others_of_the_same_form_everywhere_alike(recorded: Wire, folder: Path) -> None:
    recorded.on("GET", f"/responses/{RESPONSE_ID}", body(BODY, 200, **HEADERS))
    recorded.gateway.get_response(RESPONSE_ID)
    (told,) = files(folder)
    made = told["body"]["id"]
    assert made != RESPONSE_ID
    assert (len(made), made[:5], set(made[5:]) <= set("0123456789abcdef")) == (
        len(RESPONSE_ID),
        "resp_",
        True,
    )
    assert told["request"]["path"].endswith(made)
    assert HEX[18:] not in texts(folder)
    assert len(told["headers"]["x-request-id"]) == 36
    assert told["headers"]["x-request-id"] != HEADERS["x-request-id"]


@pytest.mark.parametrize("secret", SECRETS)
def test_no_text_of_any_field_or_header_is_kept_unless_it_is_known(
    recorded: Wire, folder: Path, secret: str
) -> None:
    answers = [body(planted(BODY, path, secret), 200, **HEADERS) for path in places(BODY)]
    # Headers are ASCII.
    answers += [body(BODY, 200, **{**HEADERS, name: secret}) for name in HEADERS if secret.isascii()]
    answers += [body({"error": {"code": secret, "message": f"the resource {secret} is gone"}}, 400)]
    recorded.on("GET", f"/responses/{RESPONSE_ID}", *answers)
    for _ in answers:
        try:
            recorded.gateway.get_response(RESPONSE_ID)
        except ServiceError:
            continue  # an answer without an ID is none: it was heard all the same
    assert len(files(folder)) >= len(answers)
    whole = texts(folder) + json.dumps(files(folder), ensure_ascii=False)
    for part in secret.replace("@", "-").replace(".", "-").split("-"):
        assert part.lower() not in whole.lower() or part.isdigit() or part == "example"
    assert "token" not in [
        name.lower() for one in files(folder) for name in one["request"].get("headers", {})
    ]
    assert "wire.invalid" not in whole


def test_what_is_sent_is_redacted_too(recorded: Wire, folder: Path) -> None:
    remember(["correct horse battery"])
    recorded.on("POST", "/responses", body(response()))
    data_url = "data:image/png;base64," + base64.b64encode(png()).decode()
    content = [
        {"type": "input_text", "text": "Say correct horse battery to Contoso"},
        {"type": "input_image", "image_url": data_url},
    ]
    told = request(
        "foreground",
        structured_inputs={"header_fabrikam": "Bearer zebra"},
        image_deployment="fabrikam-draws",
    )
    told = replace(told, input=({"type": "message", "role": "user", "content": content},))
    recorded.gateway.create_response(told, lambda _: None)
    (exchange,) = files(folder)
    sent = exchange["request"]["body"]
    assert sent["structured_inputs"] == {"field_1": "Bearer ***"}
    assert sent["input"][0]["content"][1]["image_url"]["data_url_of"]["length"] == len(data_url)
    assert exchange["request"]["headers"] == {"x-ms-oai-image-generation-deployment": "***-***"}
    whole = texts(folder).lower()
    assert not [word for word in ("horse", "contoso", "fabrikam", "zebra", "authorization") if word in whole]


def test_an_upload_is_told_by_its_measures(recorded: Wire, folder: Path) -> None:
    recorded.on("POST", "/files", body({"id": "assistant-JYnWL3rJwWpbtSVBAVUQG2", "created_at": 1}))
    recorded.gateway.upload_file("holiday-in-rome.png", png(), "image/png")
    (told,) = files(folder)
    form = told["request"]["body"]["multipart"]
    assert form["purpose"] == "assistants"
    assert form["file"]["filename"] == "***-in-***.png"
    assert form["file"]["bytes_of"]["width"] == 64
    assert told["body"]["id"].startswith("assistant-")


def test_a_stream_is_kept_event_by_event_and_a_cut_one_as_far_as_it_came(
    recorded: Wire, recorder: Recorder, folder: Path
) -> None:
    created: Body = {"type": "response.created", "response": response("in_progress")}
    done: Body = {"type": "response.output_item.done", "item": image_item(png())}
    recorded.on("POST", "/responses", events(created, done, cut=True))
    recorded.on("GET", "/responses/resp_1", body(response()))
    recorded.gateway.create_response(request("stream"), lambda _: None)
    recorder.close()
    recorded.gateway.follow_response("resp_1", deadline_s=1.0, on_frame=None)
    told = files(folder)[0]
    assert told["cut"] is True
    assert [event["type"] for event in told["events"]] == ["response.created"]


def test_a_whole_stream_is_told_at_its_end(recorded: Wire, folder: Path) -> None:
    created: Body = {"type": "response.created", "response": response("in_progress")}
    done: Body = {"type": "response.output_item.done", "item": image_item(png())}
    last: Body = {"type": "response.completed", "response": response(output=[image_item(png())])}
    recorded.on("POST", "/responses", events(created, done, last))
    recorded.on("GET", "/responses/resp_1", body(response()))
    recorded.gateway.create_response(request("stream"), lambda _: None)
    recorded.gateway.follow_response("resp_1", deadline_s=1.0, on_frame=None)
    told = files(folder)[0]
    assert "cut" not in told
    assert [event["type"] for event in told["events"]] == [
        "response.created",
        "response.output_item.done",
        "response.completed",
    ]
    assert told["events"][1]["item"]["result"]["base64_of"]["width"] == 64


def test_a_folder_that_cannot_be_written_fails_no_call(
    recorded: Wire, recorder: Recorder, folder: Path
) -> None:
    folder.write_text("in the way")
    recorded.on("GET", "/responses/resp_1", body(response()))
    assert recorded.gateway.get_response("resp_1").status == "completed"
    assert recorder.faults == ["exchange 1: NotADirectoryError"]


def test_a_compressed_answer_is_read(recorded: Wire, folder: Path) -> None:
    packed = gzip.compress(json.dumps(response()).encode())
    headers = {"content-encoding": "gzip", "content-type": "application/json"}
    recorded.on("GET", "/responses/resp_1", lambda _: httpx2.Response(200, content=packed, headers=headers))
    recorded.gateway.get_response("resp_1")
    assert files(folder)[0]["body"]["status"] == "completed"


def test_what_a_model_wrote_is_told_nowhere() -> None:
    call = {"type": "code_interpreter_call", "code": "print(one)", "status": "completed"}
    said = {"type": "message", "content": [{"type": "output_text", "text": "one word"}]}
    told = Redactor(b"key").json([call, said, {"code": "not_found"}])
    assert told[0] == {**call, "code": "***"}
    assert told[1]["content"][0]["text"] == "***"
    assert told[2] == {"code": "not_found"}


def test_the_endpoint_s_own_names_are_told_nowhere() -> None:
    redactor = Redactor(b"key", ("foundry-test", "agents"))
    assert redactor.text("the resource Foundry-Test") == "the resource ***"
    assert redactor.text("agents of it") == "agents of it"
    assert redactor.path(f"{ENDPOINT}/agents/assetmill-probe?api-version=v1", ENDPOINT) == (
        "/agents/assetmill-probe?api-version=v1"
    )


@given(st.text(alphabet=st.characters(categories=["L", "N"]), min_size=5, max_size=40))
def test_a_word_nobody_knows_is_never_kept(word: str) -> None:
    told = f"zq{word}"
    assert told not in Redactor(b"key").text(f"say {told}, or {told}@example")
