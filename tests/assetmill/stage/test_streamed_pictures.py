"""Pictures that a stream brought: kept as they come, used where a later read lacks them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from assetmill.agents.gateway import Frame, OnFrame, Response, ResponseRequest, Way
from assetmill.errors import (
    ConversationGone,
    OutcomeUnknown,
    OutputUnreachable,
)
from assetmill.plan.calls import BoundInput
from assetmill.records import RunId
from assetmill.stage.engine import run_stage
from assetmill.store.memory import MemoryStore
from tests.assetmill.stage.processes import RUN, Crash, Start, failing
from tests.doubles import Body, ScriptedGateway, always, image_item, png, stage_call

BARE: Body = {**image_item(png()), "result": None}


def streaming(
    gateway: ScriptedGateway,
    *frames: Frame,
    then: BaseException | None = None,
    read: Callable[[str], Response] | None = None,
) -> None:
    """Let the follow-up of a response bring pictures, and perhaps die."""
    left = [then] if then else []
    get = read or gateway.get_response

    def follow(response_id: str, *, deadline_s: float, on_frame: OnFrame | None) -> Response:
        for frame in frames if on_frame else ():
            on_frame(frame)  # type: ignore[misc]
        if left:
            raise left.pop()
        return get(response_id)

    gateway.follow_response = follow


def test_a_picture_that_a_stream_brought_survives_a_crash_and_a_read_without_it(
    process: Start, gateway: ScriptedGateway
) -> None:
    gateway.script = always(BARE)
    streaming(gateway, Frame(0, png(), "ig_1", is_final=True), then=Crash())
    with pytest.raises(Crash):
        run_stage(stage_call(), process(), RUN)
    streaming(gateway)
    services = process()
    record = run_stage(stage_call(), services, RunId("run-2"))
    assert services.blobs.get(record.outputs[0].blob) == png()
    assert len(gateway.posts) == 1
    assert gateway.searches == []


def test_a_partial_picture_survives_a_crash_and_is_no_result(
    process: Start, gateway: ScriptedGateway
) -> None:
    gateway.script = always(BARE)
    streaming(gateway, Frame(0, png(8, 8), "ig_1"), then=Crash())
    with pytest.raises(Crash):
        run_stage(stage_call(), process(), RUN)
    streaming(gateway)
    with pytest.raises(OutputUnreachable):
        run_stage(stage_call(), process(), RunId("run-2"))
    attempt = process().ledger.newest_attempt("poster", stage_call().fingerprint)
    assert attempt is not None
    assert attempt.verdict is not None
    assert [asset.role for asset in attempt.verdict.kept] == ["frame"]


def test_a_picture_without_bytes_is_asked_for_in_every_run_and_never_paid_again(
    process: Start, gateway: ScriptedGateway
) -> None:
    gateway.script = always(BARE)
    for number in range(3):
        with pytest.raises(OutputUnreachable, match="its bytes came in no way"):
            run_stage(stage_call(), process(), RunId(f"run-{number}"))
    assert len(gateway.posts) == 1
    response_id = gateway.searches[0]
    assert len(gateway.searches) >= 3
    gateway.pictures[response_id] = [image_item(png())]
    services = process()
    record = run_stage(stage_call(), services, RunId("run-9"))
    assert services.blobs.get(record.outputs[0].blob) == png()
    assert len(gateway.posts) == 1


def test_the_picture_that_was_given_is_not_taken_for_the_one_that_was_drawn(
    process: Start, gateway: ScriptedGateway
) -> None:
    gateway.script = always(BARE)
    services = process()
    given = services.blobs.put(png(colour="red"), "image/png")
    call = stage_call(inputs=(BoundInput("mug.png", "picture", given),))
    with pytest.raises(OutputUnreachable):
        run_stage(call, services, RUN)
    gateway.pictures[gateway.searches[0]] = [image_item(png(colour="red"), "ig_given")]
    with pytest.raises(OutputUnreachable, match="its bytes came in no way"):
        run_stage(call, process(), RunId("run-2"))
    gateway.pictures[gateway.searches[0]] += [image_item(png(), "ig_renamed")]
    services = process()
    record = run_stage(call, services, RunId("run-3"))
    assert services.blobs.get(record.outputs[0].blob) == png()
    assert len(gateway.posts) == 1


def test_an_earlier_turn_s_picture_is_taken_from_the_store_where_the_read_lacks_it(
    process: Start, gateway: ScriptedGateway, backend: MemoryStore
) -> None:
    def script(request: ResponseRequest) -> list[Body]:
        if len(gateway.posts) == 1:
            return [
                image_item(png()),
                {"type": "function_call", "call_id": "c", "name": "x", "arguments": ""},
            ]
        return []

    gateway.script = script
    get = gateway.get_response

    def forgetful(response_id: str) -> Response:
        found = get(response_id)
        items = [{**item, "result": None} if "result" in item else item for item in found.body["output"]]
        return Response(found.response_id, found.status, {**found.body, "output": items})

    streaming(gateway, read=get)
    gateway.get_response = forgetful
    services = process()
    record = run_stage(stage_call(), services, RUN)
    assert services.blobs.get(record.outputs[0].blob) == png()


def test_only_what_is_not_yet_a_turn_s_is_adopted(process: Start, gateway: ScriptedGateway) -> None:
    """A list that is newest first, and one that shows the marks of another post."""
    left: list[Any] = [OutcomeUnknown("cut")]

    def after(request: ResponseRequest) -> None:
        if request.metadata.get("assetmill_turn") == "2" and left:
            raise left.pop()

    lists = gateway.list_responses

    def newest_first(conversation_id: str) -> tuple[Response, ...]:
        stranger = Response("resp_x", "completed", {"metadata": {"assetmill_fingerprint": "other"}})
        return (stranger, *reversed(lists(conversation_id)))

    def script(_: ResponseRequest) -> list[Body]:
        if len(gateway.posts) == 1:
            return [{"type": "function_call", "call_id": "c", "name": "x", "arguments": "{}"}]
        return [image_item(png())]

    gateway.script, gateway.after, gateway.list_responses = script, after, newest_first
    record = run_stage(stage_call(), process(), RUN)
    assert len({made.response_id for made in record.made_by}) == 2
    assert len(gateway.posts) == 2


def test_a_conversation_that_is_gone_is_still_another_s_doing(
    process: Start, gateway: ScriptedGateway
) -> None:
    gateway.before = failing(ConversationGone("gone", "", 404))
    with pytest.raises(Exception, match="sent or not"):
        run_stage(stage_call(), process(), RUN)


@pytest.mark.parametrize(("way", "other"), [("background", "stream"), ("stream", "background")])
def test_whether_a_cut_stream_goes_on_is_learnt_for_each_way(
    process: Start, gateway: ScriptedGateway, way: Way, other: Way
) -> None:
    streaming(gateway, read=lambda name: replace(gateway.get_response(name), reattached=False))
    run_stage(stage_call(), process(way=way), RUN)
    run_stage(stage_call(prompt="another"), process(way=way), RUN)
    run_stage(stage_call(prompt="a third"), process(way=other), RUN)
    assert [post.may_reattach for post in gateway.posts] == [True, False, True]


def test_where_a_later_read_lacks_pictures_they_are_posted_as_a_stream(
    process: Start, gateway: ScriptedGateway
) -> None:
    """The bytes that come in the stream are kept: what is read later has none."""
    services, streams = process(), list[bool]()
    gateway.before = lambda request: streams.append(request.is_streamed or request.way == "stream")
    run_stage(stage_call(), services, RUN)
    services.abilities.learn("picture_read", holds=False, evidence="a read of the response that drew it")
    run_stage(stage_call(prompt="another mug"), services, RUN)
    run_stage(stage_call(prompt="words", tools=(), outputs=()), services, RUN)
    assert streams == [False, True, False]
