"""The gateway before a served project: each way of posting, and every byte that passes in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from foundry_emulator.testing.scripted import PICTURE

from assetmill.agents.gateway import WAYS, Frame, Response, Way
from assetmill.agents.outputs import read_response
from assetmill.errors import OutcomeUnknown, PromptBlocked, ServiceError, Throttled
from assetmill.records import Lane
from tests.assetmill.agents.served import (
    CREATE,
    ITEMS,
    READ,
    Change,
    Served,
    cut_before,
    patch,
    pictures,
    refusal,
    text_of,
)
from tests.assetmill.agents.wire import Body, Wire, body, events, request, response

pytestmark = pytest.mark.xdist_group("served")
CREATED: Body = {"type": "response.created", "response": response("in_progress")}
DONE, COMPLETED = "response.output_item.done", "response.completed"
KEEPALIVE: Body = {"type": "keepalive"}
ON_THE_LINE = {"hide_results": True, "finish_without_caller": True}
"""Settings under which a stream's response goes on without its caller, and is read without its picture."""


def told(*events: Body | str) -> str:
    """Write events as a stream sends them."""
    shown = [event if isinstance(event, str) else json.dumps(event) for event in events]
    return "".join(f"event: event\ndata: {data}\n\n" for data in shown)


def follow(
    served: Served, way: Way, *plan: Change, settings: Mapping[str, Any] | None = None
) -> tuple[Response, list[Frame]]:
    request = served.request(way=way)
    served.project.settings(**settings or {})
    served.plan(*plan)
    return served.follow(request)


@pytest.mark.parametrize(
    ("way", "sent"),
    [("background", {"background": True}), ("stream", {"stream": True}), ("foreground", {})],
)
def test_each_way_says_what_it_is_and_nothing_else(wire: Wire, way: Way, sent: Body) -> None:
    wire.on("POST", "/responses", events(CREATED) if way == "stream" else body(response()))
    wire.gateway.create_response(request(way), lambda _: None)
    (posted,) = wire.sent("POST", "/responses")
    assert {name: posted.get(name) for name in ("background", "stream") if name in posted} == sent
    assert posted["conversation"] == "conv_1"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("lane", "sent"), [("now", None), ("flex", "flex")])
def test_a_lane_is_named_in_every_way_and_the_normal_one_never(
    wire: Wire, way: Way, lane: Lane, sent: str | None
) -> None:
    wire.on("POST", "/responses", events(CREATED) if way == "stream" else body(response()))
    wire.gateway.create_response(replace(request(way), lane=lane), lambda _: None)
    (posted,) = wire.sent("POST", "/responses")
    assert posted.get("service_tier") == sent


@pytest.mark.parametrize("way", WAYS)
def test_a_picture_comes_in_every_way(served: Served, way: Way) -> None:
    assert pictures(follow(served, way)[0]) == [PICTURE]


def test_a_picture_of_a_stream_is_used_where_the_read_lacks_it(served: Served) -> None:
    alive = [{"at": at, "insert": KEEPALIVE} for at in (0, 1)]
    found, frames = follow(served, "stream", patch(CREATE, events=alive), settings=ON_THE_LINE)
    assert pictures(found) == [PICTURE]
    assert [(frame.data, frame.is_final) for frame in frames][-1] == (PICTURE, True)


def test_a_picture_that_only_the_last_event_brings_is_used(served: Served) -> None:
    without = patch(CREATE, events=[{"type": DONE, "drop": True}])
    found, _ = follow(served, "stream", without, patch(READ, merge={"output": []}))
    assert pictures(found) == [PICTURE]


def test_partial_pictures_are_told_and_take_no_result_s_place(served: Served) -> None:
    cut = cut_before(CREATE, "response.image_generation_call.completed")
    found, frames = follow(served, "stream", cut, settings=ON_THE_LINE)
    assert pictures(found) == [None]
    assert [(frame.data, frame.is_final) for frame in frames] == [(PICTURE, False)] * 2


def test_a_stream_that_is_cut_is_looked_up_and_never_posted_again(served: Served) -> None:
    waiting = patch(READ, nth=[2, 3], merge={"status": "in_progress"})
    settings = {"finish_without_caller": True}
    found, _ = follow(served, "stream", cut_before(CREATE, DONE), waiting, settings=settings)
    assert pictures(found) == [PICTURE]
    assert served.project.calls[READ] >= 4


def test_what_a_stream_said_last_counts_where_the_service_forgot_it(served: Served) -> None:
    found, _ = follow(served, "stream", refusal(READ, "not_found", 404))
    assert pictures(found) == [PICTURE]


def test_an_error_event_explains_a_response_that_failed_without_a_word(served: Served) -> None:
    failed: Body = {"status": "failed", "error": None, "output": []}
    said = {"type": "error", "error": {"code": "rate_limit_exceeded", "message": "slow down"}}
    end: Body = {"type": COMPLETED, "insert": said, "merge": {"type": "response.failed", "response": failed}}
    found, _ = follow(served, "stream", patch(CREATE, events=[end]), patch(READ, merge=failed))
    produced = read_response(found.body)
    assert (produced.wording.meaning(), produced.error) == ("limit", "slow down")


@pytest.mark.parametrize(
    ("stream", "expected"),
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
    served: Served, stream: list[Any], expected: type[ServiceError]
) -> None:
    with pytest.raises(ServiceError) as raised:
        follow(served, "stream", patch(CREATE, text=told(*stream)))
    assert type(raised.value) is expected


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "answer",
    [
        {"op": CREATE, "fault": "drop_after_accept"},
        refusal(CREATE, "Timeout", 408, "The operation was timeout."),
        refusal(CREATE, "server_error", 500),
        patch(CREATE, text='{"id": null, "status": "completed"}'),
        patch(CREATE, text="[1]"),
        patch(CREATE, text="<html>"),
    ],
    ids=["dropped", "timeout", "failing", "no ID", "no object", "a page of a proxy"],
)
def test_no_answer_is_an_open_outcome_in_every_way_and_is_sent_once(
    served: Served, way: Way, answer: Change
) -> None:
    with pytest.raises(OutcomeUnknown):
        follow(served, way, answer)


def test_missing_pictures_are_looked_for_in_every_way_in_turn(served: Served) -> None:
    posted = served.request(is_streamed=True)
    made, _ = served.follow(posted)
    call_id = made.body["output"][0]["id"]
    served.project.settings(hide_results=True)
    nothing = patch(ITEMS, merge={"data": []})
    served.plan(nothing, refusal(READ, "server_error", 500))
    assert served.gateway.find_pictures(made.response_id, posted.conversation_id, {call_id}) == ()
    for plan in ((nothing,), (refusal(READ, "not_found", 404),)):
        served.plan(*plan)
        (found,) = served.gateway.find_pictures(made.response_id, posted.conversation_id, {call_id})
        assert found["result"] == text_of(PICTURE)


@pytest.mark.parametrize("whose", [{}, {"response_id": "resp_0"}])
def test_what_a_response_was_given_is_none_of_its_pictures(served: Served, whose: Body) -> None:
    posted = served.request()
    made, _ = served.follow(posted)
    given = {"type": "image_generation_call", "result": text_of(PICTURE), **whose, "id": "ig_given"}
    own = {**given, "response_id": made.response_id, "id": "ig_renamed"}
    served.project.settings(hide_results=True)
    served.plan(patch(ITEMS, merge={"data": [given, own]}))
    call_id = made.body["output"][0]["id"]
    (found,) = served.gateway.find_pictures(made.response_id, posted.conversation_id, {call_id})
    assert found["id"] == "ig_renamed"
