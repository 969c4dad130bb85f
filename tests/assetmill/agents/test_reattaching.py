"""A stream that was cut goes on where it was cut, by a GET, or is asked for where it cannot."""

from __future__ import annotations

from typing import Any

import pytest
from foundry_emulator.testing.scripted import PICTURE

from assetmill.agents.gateway import Frame, Response
from tests.assetmill.agents.served import CREATE, READ, Change, Served, patch, pictures, refusal, text_of
from tests.doubles import png

pytestmark = pytest.mark.xdist_group("served")
FIRST, SECOND = png(9, 9), png(10, 10)
PARTIALS_AT = 6
"""Where a background stream tells of its first partial picture."""
CUT_EARLY = patch(CREATE, events=[{"at": 1, "cut": True}])
CUT_BETWEEN = patch(
    CREATE,
    events=[
        {"at": PARTIALS_AT, "merge": {"partial_image_b64": text_of(FIRST)}},
        {"at": PARTIALS_AT + 1, "cut": True},
    ],
)
SECOND_ALONE = patch(
    READ,
    nth=1,
    events=[{"at": 0, "merge": {"partial_image_b64": text_of(SECOND)}}, {"at": 1, "cut": True}],
)
WITHOUT_RESULT = patch(READ, nth=3, patch=[{"op": "replace", "path": "/output/0/result", "value": None}])


def follow(served: Served, *plan: Change, **changes: Any) -> tuple[Response, list[Frame]]:
    """Post a stream that the service lets be read again, and follow it."""
    request = served.request(is_streamed=True, **changes)
    served.plan(*plan)
    return served.follow(request)


def shown(frames: list[Frame]) -> list[bytes]:
    return [frame.data for frame in frames]


def reads(served: Served) -> int:
    return served.project.calls[READ]


def test_a_cut_stream_goes_on_after_its_last_event_and_frames_keep_their_order(served: Served) -> None:
    found, frames = follow(served, CUT_BETWEEN, SECOND_ALONE, WITHOUT_RESULT)
    assert shown(frames) == [FIRST, SECOND, PICTURE]
    assert (found.reattached, reads(served)) == (True, 3)
    assert pictures(found) == [PICTURE]


def test_events_that_were_seen_are_not_told_twice(served: Served) -> None:
    """A service that begins anew, whatever event it was asked to go on after."""
    from_the_start = patch(READ, nth=1, events=[{"at": 0, "merge": {"sequence_number": PARTIALS_AT}}])
    _, frames = follow(served, CUT_BETWEEN, from_the_start)
    assert shown(frames) == [FIRST, PICTURE]


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (refusal(READ, "invalid_request_error", 400, "Streaming is not enabled.", nth=1), False),
        (refusal(READ, "not_found", 404, nth=1), False),
        (refusal(READ, "server_error", 500, nth=[1, 2, 3, 4, 5]), None),
        ({"op": READ, "fault": "drop_before", "nth": [1, 2, 3, 4, 5]}, None),
        (patch(READ, nth=1, events=[{"at": 0, "cut": True}]), None),
        (patch(READ, nth=1, text="{}"), None),
    ],
    ids=["refused", "not found", "failing", "cut before", "cut at once", "no stream"],
)
def test_whatever_refuses_leads_back_to_asking(served: Served, answer: Change, verdict: bool | None) -> None:
    found, _ = follow(served, CUT_EARLY, answer)
    assert (found.status, found.reattached) == ("completed", verdict)
    assert pictures(found) == [PICTURE]


def test_an_endpoint_that_was_seen_to_refuse_is_not_asked(served: Served) -> None:
    found, _ = follow(served, CUT_EARLY, may_reattach=False)
    assert (found.status, found.reattached) == ("completed", None)


def test_a_stream_that_came_to_its_end_is_not_attached_to(served: Served) -> None:
    found, frames = follow(served)
    assert (found.reattached, reads(served)) == (None, 1)
    assert shown(frames) == [PICTURE] * 3


def test_a_stream_without_numbers_is_not_attached_to(served: Served) -> None:
    bare = {"at": 0, "merge": {"sequence_number": None}}
    found, _ = follow(served, patch(CREATE, events=[bare, {"at": 1, "cut": True}]))
    assert (found.status, found.reattached) == ("completed", None)
