"""How responses are posted: in the way the endpoint takes, changed by a definite no alone, paid once."""

from __future__ import annotations

import pytest

from assetmill.agents.gateway import WAYS, Response, ResponseRequest, Way
from assetmill.endpoints import EndpointProbe
from assetmill.errors import (
    OutcomeUnknown,
    Rejected,
    ServiceError,
    StageFailed,
)
from assetmill.stage.engine import run_stage
from tests.assetmill.stage.processes import ON_THE_LINE, RUN, Start, failing
from tests.doubles import ScriptedGateway, stage_call

NO_BACKGROUND = Rejected("Background mode is not supported with an agent.", "invalid_payload", 400)
NO_STREAM = Rejected("ImageGen as a tool is not supported in streaming mode.", "invalid_payload", 400)


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
