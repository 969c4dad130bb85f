"""Image models that are called themselves, on the wire: what is sent, what comes of each answer."""

from __future__ import annotations

import base64
import dataclasses
import json
from typing import Any

import httpx2
import pytest

from assetmill.agents.gateway import DrawRequest, GivenPicture
from assetmill.agents.outputs import read_response, read_usage
from assetmill.errors import (
    AccountBlocked,
    ModelRetired,
    OutcomeUnknown,
    PromptBlocked,
    Rejected,
    ServiceAway,
    Throttled,
)
from tests.assetmill.agents.served import Change, Served, patch, refusal
from tests.assetmill.agents.wire import Wire, body
from tests.doubles import png

pytestmark = pytest.mark.xdist_group("served")
GENERATE = "image_models.generate"
PICTURE = png(64, 48)
MAI, EDITS = "/mai/v1/images/generations", "/mai/v1/images/edits"
FLUX = "/providers/blackforestlabs/v1/flux-2-pro"
USAGE = {"num_output_tokens": 3, "num_input_text_tokens": 10, "num_input_image_tokens": 5}
REPLY = {
    "created": 7,
    "model": "m",
    "usage": USAGE,
    "data": [{"b64_json": base64.b64encode(PICTURE).decode()}],
}


def asked(route: str = "mai", *pictures: GivenPicture, **changes: Any) -> DrawRequest:
    path = "flux-2-pro" if route == "bfl" else ""
    size = None if pictures and route == "mai" else (64, 48)
    return DrawRequest("call_1", route, path, "mugs", "a mug", size, "png", pictures, **changes)


def test_a_mai_model_is_told_width_and_height_and_its_report_is_read(wire: Wire) -> None:
    wire.on("POST", MAI, body(REPLY, 200, **{"apim-request-id": "req-9", "x-ratelimit-limit-requests": "2"}))
    found = wire.gateway.draw(asked())
    (request,) = wire.requests
    assert str(request.url) == "https://wire.invalid/mai/v1/images/generations"
    assert request.headers["authorization"] == "Bearer token"
    assert json.loads(request.content) == {"model": "mugs", "prompt": "a mug", "width": 64, "height": 48}
    (image,) = read_response(found.body).images
    assert (image.decode(), image.size) == (PICTURE, "64x48")
    usage = read_usage(found.body)
    assert (usage.image_output_tokens, usage.image_input_tokens, usage.image_text_input_tokens) == (3, 15, 10)
    assert (usage.input_tokens, usage.output_tokens) == (0, 0)
    assert found.rates == {"x-ratelimit-limit-requests": "2"}
    assert found.body["told"] == {
        "created": 7, "model": "m", "usage": USAGE, "request_id": "req-9", "pictures": [{}],
    }  # fmt: skip


def test_an_edit_goes_as_a_form_without_a_size(wire: Wire) -> None:
    wire.on("POST", EDITS, body(REPLY))
    wire.gateway.draw(asked("mai", GivenPicture("mug.png", PICTURE, "image/png")))
    (request,) = wire.requests
    assert request.headers["content-type"].startswith("multipart/form-data")
    assert b'name="image"; filename="mug.png"' in request.content
    assert PICTURE in request.content
    assert b"width" not in request.content


def test_flux_is_given_its_pictures_in_base64(wire: Wire) -> None:
    wire.on("POST", FLUX, body({"data": REPLY["data"]}))
    given = GivenPicture("mug.png", PICTURE, "image/png")
    found = wire.gateway.draw(asked("bfl", given, given))
    (request,) = wire.requests
    assert request.url.params["api-version"] == "preview"
    text = base64.b64encode(PICTURE).decode()
    assert json.loads(request.content) == {
        "model": "mugs", "prompt": "a mug", "width": 64, "height": 48, "output_format": "png",
        "num_images": 1, "input_image": text, "input_image_2": text,
    }  # fmt: skip
    assert read_usage(found.body).image_output_tokens is None


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ("flux-2-flex", {"width": 64, "height": 48, "num_images": 1}),
        ("flux-pro-1.1", {"width": 64, "height": 48}),
        ("flux-kontext-pro", {"aspect_ratio": "4:3"}),
    ],
)
def test_each_flux_model_is_told_the_shape_in_its_own_fields(
    wire: Wire, path: str, shape: dict[str, Any]
) -> None:
    wire.on("POST", f"/providers/blackforestlabs/v1/{path}", body({"data": REPLY["data"]}))
    wire.gateway.draw(dataclasses.replace(asked("bfl"), path=path))
    (request,) = wire.requests
    rest = {"model": "mugs", "prompt": "a mug", "output_format": "png"}
    assert json.loads(request.content) == {**rest, **shape}


def refused(code: str, status: int, message: str = "no", **headers: str) -> Change:
    return refusal(GENERATE, code, status, message, headers=headers)


def instead(status: int, text: str) -> Change:
    return patch(GENERATE, instead=True, status=status, text=text)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (refused("content_filter", 400), PromptBlocked),
        (refused("429", 429, "slow down", **{"retry-after": "7"}), Throttled),
        (refused("DeploymentNotFound", 404), ModelRetired),
        (refused("410", 410), ModelRetired),
        (refused("404", 404, "Resource not found"), Rejected),
        (refused("unsupported_request_value", 400), Rejected),
        (refused("Forbidden", 403, "Your resource has been temporarily blocked: abuse"), AccountBlocked),
        (refused("server_error", 500), OutcomeUnknown),
        (refused("timeout", 408), OutcomeUnknown),
        (instead(400, '"<html>"'), OutcomeUnknown),
        (instead(502, "null"), OutcomeUnknown),
        (instead(202, '{"id": "job-1", "status": "queued"}'), OutcomeUnknown),
        (instead(307, "{}"), OutcomeUnknown),
        (instead(200, '{"created": 1}'), OutcomeUnknown),
        (instead(200, '{"data": [{"b64_js'), OutcomeUnknown),
        ({"op": GENERATE, "fault": "drop_before"}, OutcomeUnknown),
    ],
)
def test_only_a_refusal_in_the_services_own_words_is_one(
    served: Served, answer: Change, kind: type[Exception]
) -> None:
    served.plan(answer)
    with pytest.raises(kind) as caught:
        served.gateway.draw(asked())
    assert type(caught.value) is kind
    assert served.project.calls == {GENERATE: 1}
    assert not isinstance(caught.value, Throttled) or caught.value.retry_after_s == 7


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (httpx2.ConnectError("refused"), ServiceAway),
        (httpx2.ConnectTimeout("slow"), ServiceAway),
        (httpx2.ReadTimeout("slow"), OutcomeUnknown),
        (httpx2.RemoteProtocolError("cut"), OutcomeUnknown),
        (RuntimeError("who knows"), OutcomeUnknown),
    ],
)
def test_a_line_that_fails_before_it_is_there_has_sent_nothing(
    wire: Wire, failure: Exception, kind: type[Exception]
) -> None:
    wire.on("POST", MAI, failure)
    with pytest.raises(kind) as caught:
        wire.gateway.draw(asked())
    assert type(caught.value) is kind
    assert len(wire.requests) == 1


def test_a_picture_that_moderation_held_back_says_why(wire: Wire) -> None:
    held = {
        "b64_json": None,
        "content_filter_results": {"violence": {"filtered": True}, "hate": {"filtered": False}},
    }
    wire.on("POST", MAI, body({**REPLY, "data": [held]}))
    (image,) = read_response(wire.gateway.draw(asked()).body).images
    assert (image.blocked_at, image.categories, image.is_charged) == ("output", ("violence",), True)


@pytest.mark.parametrize(("status", "served"), [(405, True), (404, False), (401, None), (500, None)])
def test_a_route_is_asked_for_without_drawing(wire: Wire, status: int, served: bool | None) -> None:
    wire.on("GET", MAI, body({}, status))
    assert wire.gateway.has_route("mai", "") is served
    assert [request.method for request in wire.requests] == ["GET"]


def test_a_direct_call_has_no_conversation_to_delete(wire: Wire) -> None:
    wire.gateway.delete_conversation("")
    assert wire.requests == []
