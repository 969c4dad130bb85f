"""How responses are posted: in the way the endpoint takes, changed by a definite no alone, paid once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from assetmill.agents.gateway import WAYS, Frame, OnFrame, Response, ResponseRequest, Way
from assetmill.endpoints import EndpointProbe
from assetmill.errors import (
    ConversationGone,
    OutcomeUnknown,
    OutputUnreachable,
    Rejected,
    ServiceError,
    StageFailed,
)
from assetmill.plan.calls import BoundInput
from assetmill.records import RunId
from assetmill.stage.engine import run_stage
from assetmill.store.memory import MemoryStore
from tests.assetmill.stage.processes import ON_THE_LINE, RUN, Crash, Start, failing
from tests.doubles import Body, ScriptedGateway, always, image_item, png, stage_call

NO_BACKGROUND = Rejected("Background mode is not supported with an agent.", "invalid_payload", 400)
NO_STREAM = Rejected("ImageGen as a tool is not supported in streaming mode.", "invalid_payload", 400)
BARE: Body = {**image_item(png()), "result": None}


def ways(gateway: ScriptedGateway) -> list[Way]:
    return [post.way for post in gateway.posts]


def refusing(gateway: ScriptedGateway, refusals: dict[Way, Rejected]) -> list[Way]:
    """Refuse ways; return the list in which every post is noted, refused or not."""
    tried: list[Way] = []

    def before(request: ResponseRequest) -> None:
        tried.append(request.way)
        if request.way in refusals:
            raise refusals[request.way]

    gateway.before = before
    return tried


def test_a_response_is_posted_in_the_background_first(process: Start, gateway: ScriptedGateway) -> None:
    run_stage(stage_call(), process(), RUN)
    assert ways(gateway) == ["background"]


def test_a_refused_way_is_followed_by_the_next_and_paid_once(
    process: Start, gateway: ScriptedGateway
) -> None:
    tried = refusing(gateway, {"background": NO_BACKGROUND, "stream": NO_STREAM})
    record = run_stage(stage_call(), process(), RUN)
    assert tried == ["background", "stream", "foreground"]
    assert (record.attempt, len(gateway.posts)) == (3, 1)


def test_partial_pictures_are_paid_only_where_a_stream_brought_them(
    process: Start, gateway: ScriptedGateway
) -> None:
    tool = {**stage_call().tools[0], "partial_images": 2}
    streams = list[bool]()

    def before(request: ResponseRequest) -> None:
        streams.append(request.is_streamed)
        if request.is_streamed:
            raise NO_STREAM

    gateway.before = before
    record = run_stage(stage_call(tools=(tool,)), process(streaming=True), RUN)
    assert streams == [True, False]
    assert record.usage.images == 1
    assert record.usage.partial_images == 0


def test_what_was_refused_is_remembered_by_every_process(process: Start, gateway: ScriptedGateway) -> None:
    tried = refusing(gateway, {"background": NO_BACKGROUND})
    run_stage(stage_call(), process(), RUN)
    other = process()
    run_stage(stage_call(prompt="another"), other, RUN)
    assert tried == ["background", "stream", "stream"]
    (seen,) = other.ledger.abilities(gateway.endpoint)
    assert (seen.ability, seen.holds) == ("background", False)
    assert "not supported with an agent" in seen.evidence


def test_a_refusal_is_believed_for_a_week(process: Start, gateway: ScriptedGateway) -> None:
    tried = refusing(gateway, {"background": NO_BACKGROUND})
    run_stage(stage_call(), process(), RUN)
    later = process()
    clock = later.clock
    later.clock = lambda: clock() + 8 * 24 * 3600.0
    run_stage(stage_call(prompt="another"), later, RUN)
    assert tried == ["background", "stream", "background", "stream"]


def test_a_way_that_was_silently_dropped_is_not_used_again(process: Start, gateway: ScriptedGateway) -> None:
    gateway.echo = {"background": False}
    services = process()
    run_stage(stage_call(), services, RUN)
    gateway.echo = {}
    run_stage(stage_call(prompt="another"), services, RUN)
    assert ways(gateway) == ["background", "stream"]


@pytest.mark.parametrize(
    "error",
    [
        OutcomeUnknown("Background mode is not supported", "", 500),
        Rejected("no such model", "model_not_found", 400),
        Rejected("Background mode is for other roles", "forbidden", 403),
    ],
)
def test_nothing_but_a_definite_no_to_the_form_changes_the_way(
    process: Start, gateway: ScriptedGateway, error: ServiceError
) -> None:
    gateway.before = failing(error)
    services = process()
    with pytest.raises(Exception, match=r"not supported|no such|other roles|shows nothing"):
        run_stage(stage_call(), services, RUN)
    assert services.abilities.way() == "background"
    assert gateway.posts == []


def test_a_refusal_of_every_way_ends(process: Start, gateway: ScriptedGateway) -> None:
    last = Rejected("Neither background nor foreground nor stream", "invalid_payload", 400)
    tried = refusing(gateway, {way: last for way in WAYS})
    with pytest.raises(StageFailed, match="Neither"):
        run_stage(stage_call(), process(), RUN)
    assert tried[:2] == ["background", "stream"]
    assert gateway.posts == []


def test_a_way_that_the_profile_fixes_and_the_endpoint_refuses_ends(
    process: Start, gateway: ScriptedGateway
) -> None:
    """There is no other form to go on with: the refusal is shown, not met again and again."""
    tried = refusing(gateway, {"background": NO_BACKGROUND})
    with pytest.raises(StageFailed, match="Background mode is not supported"):
        run_stage(stage_call(), process(way="background"), RUN)
    assert tried == ["background"]


def test_a_refusal_of_partial_pictures_leaves_the_way_and_pays_once(
    process: Start, gateway: ScriptedGateway
) -> None:
    """In the background a stream is but a view: without it the same way goes on."""
    tried: list[tuple[Way, bool]] = []

    def before(request: ResponseRequest) -> None:
        tried.append((request.way, request.is_streamed))
        if request.is_streamed:
            raise NO_STREAM

    gateway.before = before
    shown = {**stage_call().tools[0], "partial_images": 1}
    record = run_stage(stage_call(tools=(shown,)), process(), RUN)
    assert tried == [("background", True), ("background", False)]
    assert (record.attempt, len(gateway.posts)) == (2, 1)


def test_metadata_that_is_refused_is_left_out(process: Start, gateway: ScriptedGateway) -> None:
    def before(request: ResponseRequest) -> None:
        if request.metadata:
            raise Rejected("Not allowed when agent is specified. (metadata)", "invalid_payload", 400)

    gateway.before = before
    run_stage(stage_call(), process(), RUN)
    assert [post.metadata for post in gateway.posts] == [{}]


@pytest.mark.parametrize("way", WAYS)
def test_a_lost_answer_is_found_by_the_conversation_s_list_in_every_way(
    process: Start, gateway: ScriptedGateway, way: Way
) -> None:
    gateway.after = failing(OutcomeUnknown("the line was cut"))
    services = process()
    services.settings = services.settings.model_copy(
        update={"foundry": services.settings.foundry.model_copy(update={"way": way})}
    )
    assert run_stage(stage_call(), services, RUN).attempt == 1
    assert ways(gateway) == [way]


@pytest.mark.parametrize("way", ["stream", "foreground"])
def test_silence_on_the_line_is_waited_for_as_long_as_it_may_run(
    process: Start, gateway: ScriptedGateway, way: Way
) -> None:
    """A response that is not in the background may be listed only when it is over."""
    services = process()
    services.settings = services.settings.model_copy(
        update={"foundry": services.settings.foundry.model_copy(update={"way": way})}
    )
    began, accept = services.clock(), gateway.accept

    def late(request: ResponseRequest) -> None:
        accept(request)
        raise OutcomeUnknown("the line was cut")

    lists = gateway.list_responses

    def listing(conversation_id: str) -> tuple[Response, ...]:
        return lists(conversation_id) if services.clock() - began > 500.0 else ()

    gateway.before, gateway.list_responses = late, listing
    assert run_stage(stage_call(), services, RUN).attempt == 1
    assert len(gateway.posts) == 1


@pytest.mark.parametrize("way", ["stream", "foreground"])
def test_a_fence_waits_for_what_its_owner_posted_late(
    process: Start, gateway: ScriptedGateway, way: Way
) -> None:
    """The machine slept between the intent and the post: the answer is lost, the list shows it at its end."""
    services = process(policy="fence", way=way)
    probe = EndpointProbe(endpoint=gateway.endpoint, kept=ON_THE_LINE, created_at=1.0, way=way)
    services.ledger.write_probe(probe)
    ends: list[float] = []
    made: list[Response] = []

    def late(request: ResponseRequest) -> None:
        services.wait(1_000.0)
        made.append(gateway.accept(request))
        ends.append(services.clock() + 500.0)
        raise OutcomeUnknown("the line was cut")

    def listing(conversation_id: str) -> tuple[Response, ...]:
        is_over = ends and conversation_id and services.clock() > ends[0]
        return tuple(made) if is_over else ()

    gateway.before, gateway.list_responses = late, listing
    record = run_stage(stage_call(), services, RUN)
    assert (record.attempt, len(gateway.posts)) == (1, 1)


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
