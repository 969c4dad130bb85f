"""A stream that was cut goes on where it was cut, by a GET, or is asked for where it cannot."""

from __future__ import annotations

import base64

import httpx2
import pytest

from assetmill.agents.gateway import Frame, Response
from assetmill.agents.outputs import read_response
from tests.assetmill.agents.wire import Answer, Body, Wire, body, events, request, response
from tests.doubles import image_item, png

PICTURE = png()
ITEM = image_item(PICTURE)
CREATED: Body = {"type": "response.created", "response": response("in_progress")}
DONE: Body = {"type": "response.output_item.done", "item": ITEM}
COMPLETED: Body = {"type": "response.completed", "response": response(output=[ITEM])}
REFUSED = body({"error": {"code": "invalid_request_error", "message": "Streaming is not enabled."}}, 400)


def partial(number: int) -> Body:
    """Make the event of a partial picture; each is one pixel larger than the one before."""
    return {
        "type": "response.image_generation_call.partial_image",
        "partial_image_index": number,
        "partial_image_b64": base64.b64encode(png(8 + number, 8)).decode(),
        "item_id": "ig_1",
    }


class Service:
    """Answers a read with the response, and a read of its stream in turn as it is told."""

    def __init__(self, wire: Wire, state: Answer, *streams: Answer | Exception) -> None:
        self.state, self.streams = state, list(streams)
        self.after: list[str] = []
        wire.on("GET", "/responses/resp_1", self.answer)

    def answer(self, asked: httpx2.Request) -> httpx2.Response:
        if asked.url.params.get("stream") != "true":
            return self.state(asked)
        self.after.append(asked.url.params["starting_after"])
        answer = self.streams.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer(asked)


def numbered(start: int, *told: Body, cut: bool = False) -> Answer:
    """Answer with events numbered from `start` on."""
    return events(*({**event, "sequence_number": start + n} for n, event in enumerate(told)), cut=cut)


def follow(wire: Wire, *, may_reattach: bool = True) -> tuple[Response, list[Frame]]:
    """Post a stream and follow it."""
    frames: list[Frame] = []
    first = wire.gateway.create_response(request("stream", may_reattach=may_reattach), lambda _: None)
    found = wire.gateway.follow_response(first.response_id, deadline_s=5.0, on_frame=frames.append)
    assert len(wire.sent("POST", "/responses")) == 1
    return found, frames


def shown(frames: list[Frame]) -> list[bytes]:
    return [frame.data for frame in frames]


def test_a_cut_stream_goes_on_after_its_last_event_and_frames_keep_their_order(wire: Wire) -> None:
    wire.on("POST", "/responses", numbered(0, CREATED, partial(0), cut=True))
    service = Service(
        wire,
        body(response(output=[{**ITEM, "result": None}])),
        numbered(2, partial(1), cut=True),
        numbered(3, partial(2), DONE, COMPLETED),
    )
    found, frames = follow(wire)
    assert service.after == ["1", "2"]
    assert shown(frames) == [png(8, 8), png(9, 8), png(10, 8), PICTURE]
    assert found.reattached is True
    assert [image.decode() for image in read_response(found.body).images] == [PICTURE]


def test_events_that_were_seen_are_not_told_twice(wire: Wire) -> None:
    wire.on("POST", "/responses", numbered(0, CREATED, partial(0), cut=True))
    Service(
        wire, body(response(output=[ITEM])), numbered(0, CREATED, partial(0), partial(1), DONE, COMPLETED)
    )
    _, frames = follow(wire)
    assert shown(frames) == [png(8, 8), png(9, 8), PICTURE]


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (REFUSED, False),
        (body({"error": {"code": "not_found", "message": "no stream"}}, 404), False),
        (body({"error": {"code": "server_error", "message": "x"}}, 500), None),
        (httpx2.ReadTimeout("slow"), None),
        (numbered(0, CREATED), None),
        (body(response("in_progress")), None),
    ],
)
def test_whatever_refuses_leads_back_to_asking(
    wire: Wire, answer: Answer | Exception, verdict: bool | None
) -> None:
    wire.on("POST", "/responses", numbered(0, CREATED, cut=True))
    service = Service(wire, body(response(output=[ITEM])), *[answer] * 5)
    found, _ = follow(wire)
    assert found.status == "completed"
    assert found.reattached is verdict
    assert set(service.after) == {"0"}


def test_an_endpoint_that_was_seen_to_refuse_is_not_asked(wire: Wire) -> None:
    wire.on("POST", "/responses", numbered(0, CREATED, cut=True))
    service = Service(wire, body(response(output=[ITEM])))
    found, _ = follow(wire, may_reattach=False)
    assert (found.status, found.reattached, service.after) == ("completed", None, [])


def test_a_stream_that_came_to_its_end_is_not_attached_to(wire: Wire) -> None:
    wire.on("POST", "/responses", numbered(0, CREATED, COMPLETED))
    service = Service(wire, body(response(output=[ITEM])))
    found, _ = follow(wire)
    assert (found.reattached, service.after) == (None, [])


def test_a_stream_without_numbers_is_not_attached_to(wire: Wire) -> None:
    bare = {**CREATED, "sequence_number": None}
    wire.on("POST", "/responses", events(bare, cut=True))
    service = Service(wire, body(response(output=[ITEM])))
    found, _ = follow(wire)
    assert (found.reattached, service.after) == (None, [])
