"""The gateway on the wire: each way of posting, and every byte that passes in it."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import httpx2
import pytest

from assetmill.agents.gateway import WAYS, Frame, Response, Way
from assetmill.agents.outputs import read_response
from assetmill.errors import HandleExpired, OutcomeUnknown, PromptBlocked, ServiceError, Throttled
from assetmill.records import Lane
from tests.assetmill.agents.wire import Body, Wire, body, events, page_of_a_proxy, request, response
from tests.doubles import image_item, png

PICTURE = png()
ITEM = image_item(PICTURE)
BARE: Body = {**ITEM, "result": None}
CREATED: Body = {"type": "response.created", "response": response("in_progress")}
DONE: Body = {"type": "response.output_item.done", "output_index": 0, "item": ITEM}
COMPLETED: Body = {"type": "response.completed", "response": response(output=[BARE])}
KEEPALIVE: Body = {"type": "keepalive"}


def post(wire: Wire, way: Way, frames: list[Frame] | None = None) -> Response:
    """Post and follow, as the engine does."""
    ids: list[str] = []
    first = wire.gateway.create_response(request(way), ids.append)
    assert ids == [first.response_id]
    kept = frames if frames is not None else []
    return wire.gateway.follow_response(first.response_id, deadline_s=5.0, on_frame=kept.append)


def pictures(found: Response) -> list[bytes | None]:
    return [image.decode() for image in read_response(found.body).images]


@pytest.mark.parametrize(
    ("way", "sent"),
    [("background", {"background": True}), ("stream", {"stream": True}), ("foreground", {})],
)
def test_each_way_says_what_it_is_and_nothing_else(wire: Wire, way: Way, sent: Body) -> None:
    answer = events(CREATED, DONE, COMPLETED) if way == "stream" else body(response(output=[ITEM]))
    wire.on("POST", "/responses", answer)
    wire.on("GET", "/responses/resp_1", body(response(output=[ITEM])))
    assert pictures(post(wire, way)) == [PICTURE]
    (posted,) = wire.sent("POST", "/responses")
    assert {name: posted.get(name) for name in ("background", "stream") if name in posted} == sent
    assert posted["conversation"] == "conv_1"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("lane", "sent"), [("now", None), ("flex", "flex")])
def test_a_lane_is_named_in_every_way_and_the_normal_one_never(
    wire: Wire, way: Way, lane: Lane, sent: str | None
) -> None:
    wire.on("POST", "/responses", events(CREATED, COMPLETED) if way == "stream" else body(response()))
    wire.gateway.create_response(replace(request(way), lane=lane), lambda _: None)
    (posted,) = wire.sent("POST", "/responses")
    assert posted.get("service_tier") == sent


def test_a_picture_of_a_stream_is_used_where_the_read_lacks_it(wire: Wire) -> None:
    wire.on("POST", "/responses", events(KEEPALIVE, CREATED, KEEPALIVE, DONE, COMPLETED))
    wire.on("GET", "/responses/resp_1", body(response(output=[BARE])))
    frames: list[Frame] = []
    assert pictures(post(wire, "stream", frames)) == [PICTURE]
    assert [(frame.data, frame.call_id, frame.is_final) for frame in frames] == [(PICTURE, "ig_1", True)]


def test_a_picture_that_only_the_last_event_brings_is_used(wire: Wire) -> None:
    last = {"type": "response.completed", "response": response(output=[ITEM])}
    wire.on("POST", "/responses", events(CREATED, last))
    wire.on("GET", "/responses/resp_1", body(response(output=[])))
    assert pictures(post(wire, "stream")) == [PICTURE]


def test_partial_pictures_are_told_and_take_no_result_s_place(wire: Wire) -> None:
    partial = {
        "type": "response.image_generation_call.partial_image",
        "partial_image_index": 0,
        "partial_image_b64": base64.b64encode(png(8, 8)).decode(),
        "item_id": "ig_1",
    }
    wire.on("POST", "/responses", events(CREATED, partial, cut=True))
    wire.on("GET", "/responses/resp_1", body(response(output=[BARE])))
    frames: list[Frame] = []
    assert pictures(post(wire, "stream", frames)) == [None]
    assert [(frame.data, frame.is_final) for frame in frames] == [(png(8, 8), False)]


def test_a_stream_that_is_cut_is_looked_up_and_never_posted_again(wire: Wire) -> None:
    wire.on("POST", "/responses", events(CREATED, cut=True))
    wire.on("GET", "/responses/resp_1", body(response("in_progress")), body(response(output=[ITEM])))
    assert pictures(post(wire, "stream")) == [PICTURE]
    assert len(wire.sent("POST", "/responses")) == 1


def test_what_a_stream_said_last_counts_where_the_service_forgot_it(wire: Wire) -> None:
    last = {"type": "response.completed", "response": response(output=[ITEM])}
    wire.on("POST", "/responses", events(CREATED, last))
    assert pictures(post(wire, "stream")) == [PICTURE]


def test_an_error_event_explains_a_response_that_failed_without_a_word(wire: Wire) -> None:
    said = {"type": "error", "error": {"code": "rate_limit_exceeded", "message": "slow down"}}
    wire.on(
        "POST",
        "/responses",
        events(CREATED, {"type": "response.failed", "response": response("failed")}, said),
    )
    wire.on("GET", "/responses/resp_1", body(response("failed", error=None)))
    found = read_response(post(wire, "stream").body)
    assert found.wording.meaning() == "limit"
    assert found.error == "slow down"


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ([{"type": "error", "error": {"code": "content_filter", "message": "no"}}], PromptBlocked),
        ([KEEPALIVE, {"type": "error", "error": {"code": "rate_limit_exceeded", "message": "x"}}], Throttled),
        ([{"type": "error", "code": "rate_limit_exceeded", "message": "x"}], Throttled),
        ([{"type": "error", "error": {"code": "server_error", "message": "x"}}], OutcomeUnknown),
        ([KEEPALIVE], OutcomeUnknown),
        ([], OutcomeUnknown),
        (["no json"], OutcomeUnknown),
    ],
)
def test_a_stream_that_names_no_response_means_what_it_says(
    wire: Wire, told: list[Any], expected: type[ServiceError]
) -> None:
    wire.on("POST", "/responses", events(*told))
    with pytest.raises(ServiceError) as raised:
        post(wire, "stream")
    assert type(raised.value) is expected
    assert len(wire.sent("POST", "/responses")) == 1


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "answer",
    [
        httpx2.ReadTimeout("slow"),
        body({"error": {"code": "Timeout", "message": "The operation was timeout."}}, 408),
        body({"error": {"code": "server_error", "message": "x"}}, 500),
        body({"id": None, "status": "completed"}),
        body([1]),
        page_of_a_proxy,
    ],
)
def test_no_answer_is_an_open_outcome_in_every_way_and_is_sent_once(
    wire: Wire, way: Way, answer: Any
) -> None:
    wire.on("POST", "/responses", answer)
    with pytest.raises(OutcomeUnknown):
        post(wire, way)
    assert len(wire.sent("POST", "/responses")) == 1


def test_missing_pictures_are_looked_for_in_every_way_in_turn(wire: Wire) -> None:
    assert wire.gateway.find_pictures("resp_1", "conv_1", {str(BARE["id"])}) == ()
    wire.on("GET", "/responses/resp_1", body(response(output=[BARE])), events(CREATED, DONE))
    wire.on("GET", "/conversations/conv_1/items", body({"data": [BARE], "has_more": False}))
    (found,) = wire.gateway.find_pictures("resp_1", "conv_1", {str(BARE["id"])})
    assert found["result"] == ITEM["result"]
    replay = wire.requests[-1].url.params
    assert (replay["stream"], replay["starting_after"]) == ("true", "0")
    wire.on("GET", "/responses/resp_1", body(response(output=[BARE])))
    wire.on("GET", "/conversations/conv_1/items", body({"data": [ITEM], "has_more": False}))
    (found,) = wire.gateway.find_pictures("resp_1", "conv_1", {str(BARE["id"])})
    assert found["result"] == ITEM["result"]


@pytest.mark.parametrize("told", [{}, {"response_id": "resp_0"}])
def test_what_a_response_was_given_is_none_of_its_pictures(wire: Wire, told: Body) -> None:
    given = {**ITEM, "id": "ig_given", **told}
    own = {**ITEM, "response_id": "resp_1", "id": "ig_renamed"}
    wire.on("GET", "/responses/resp_1", body(response(output=[BARE])), events(CREATED, DONE))
    wire.on("GET", "/conversations/conv_1/items", body({"data": [given, own], "has_more": False}))
    (found,) = wire.gateway.find_pictures("resp_1", "conv_1", {str(BARE["id"])})
    assert found["id"] == "ig_renamed"


def entry(name: str, at: int | None = 1, conversation: object = "conv_1") -> Body:
    named = {"conversation": {"id": conversation}} if conversation else {}
    return {"id": name, "status": "completed", "created_at": at, **named}


def page(*entries: object, more: bool = False) -> Any:
    return body({"object": "list", "data": list(entries), "has_more": more})


def listed(wire: Wire, *pages: Any) -> list[str]:
    wire.on("GET", "/responses", *pages)
    return [one.response_id for one in wire.gateway.list_responses("conv_1")]


def test_strangers_in_a_list_are_none_of_ours(wire: Wire) -> None:
    assert listed(wire, page(entry("a", conversation="conv_2"), entry("b"))) == ["b"]
    assert listed(wire, page(entry("b", conversation=None))) == ["b"]
    with pytest.raises(HandleExpired, match="none of conv_1"):
        listed(wire, page(entry("a", conversation="conv_2")))


def test_a_list_is_put_in_the_order_of_its_times(wire: Wire) -> None:
    assert listed(wire, page(entry("new", 9), entry("mid", 5), entry("old", 1))) == ["old", "mid", "new"]
    assert listed(wire, page(entry("z", 5), entry("b", 1), entry("a", 1))) == ["a", "b", "z"]
    assert listed(wire, page(entry("a", 1), entry("b", 1))) == ["a", "b"]
    assert listed(wire, page(entry("a", None), entry("b", 1))) == ["a", "b"]


def test_a_list_that_brings_nothing_new_is_over(wire: Wire) -> None:
    assert listed(wire, page(entry("a"), more=True)) == ["a"]
    assert len(wire.requests) == 2
    assert listed(wire, page(entry("a"), more=True), page(entry("b"), more=True), page(more=True)) == [
        "a",
        "b",
    ]


def test_an_entry_that_is_none_costs_no_other(wire: Wire) -> None:
    assert listed(wire, page(None, 1, {}, {"id": 7}, {"id": "a"})) == ["a"]
    assert listed(wire, body({"data": None})) == []
    assert listed(wire, body([])) == []
