"""A post without an answer: adopted, waited for, fenced or left in doubt, and never simply repeated."""

from __future__ import annotations

import pytest

from assetmill.agents.gateway import OnFrame, Response, ResponseRequest
from assetmill.errors import (
    ConversationGone,
    HandleExpired,
    OutcomeUnknown,
    StageFailed,
    StageInDoubt,
)
from assetmill.outages import clock_time
from assetmill.records import RunId
from assetmill.stage.engine import run_stage
from tests.assetmill.stage.processes import RUN, Crash, Start, failing
from tests.doubles import ScriptedGateway, stage_call


def test_a_lost_answer_is_adopted_not_repeated(process: Start, gateway: ScriptedGateway) -> None:
    gateway.after = failing(OutcomeUnknown("the connection was reset"))
    record = run_stage(stage_call(), process(), RUN)
    assert len(gateway.posts) == 1
    assert record.attempt == 1


@pytest.mark.parametrize("policy", ["hold", "fence"])
def test_a_crash_after_the_answer_is_adopted_by_the_next_run(
    process: Start, gateway: ScriptedGateway, policy: str
) -> None:
    gateway.after = failing(Crash())
    with pytest.raises(Crash):
        run_stage(stage_call(), process(policy=policy, lease_s=1e-9), RUN)
    run_stage(stage_call(), process(policy=policy), RunId("run-2"))
    assert len(gateway.posts) == 1


def test_hold_leaves_a_crash_before_the_post_in_doubt(process: Start, gateway: ScriptedGateway) -> None:
    gateway.before = failing(Crash())
    with pytest.raises(Crash):
        run_stage(stage_call(), process(lease_s=1e-9), RUN)
    with pytest.raises(StageInDoubt, match="shows nothing"):
        run_stage(stage_call(), process(), RunId("run-2"))
    assert gateway.posts == []


@pytest.mark.parametrize(("doubt", "attempt"), [("retry", 2), ("give_up", None)])
def test_a_profile_may_settle_a_doubt_after_its_deadline(
    process: Start, gateway: ScriptedGateway, doubt: str, attempt: int | None
) -> None:
    gateway.before = failing(Crash())
    with pytest.raises(Crash):
        run_stage(stage_call(), process(lease_s=1e-9), RUN)
    with pytest.raises(StageInDoubt):
        run_stage(stage_call(), process(doubt=doubt), RunId("run-2"))
    late = process(doubt=doubt)
    late.wait(25 * 3600.0)
    if attempt:
        assert run_stage(stage_call(), late, RunId("run-3")).attempt == attempt
    else:
        with pytest.raises(StageFailed, match="change something about it"):
            run_stage(stage_call(), late, RunId("run-3"))
    assert len(gateway.posts) == (1 if attempt else 0)


def test_fence_goes_on_after_a_crash_before_the_post(process: Start, gateway: ScriptedGateway) -> None:
    gateway.before = failing(Crash())
    with pytest.raises(Crash):
        run_stage(stage_call(), process(policy="fence", lease_s=1e-9), RUN)
    record = run_stage(stage_call(), process(policy="fence"), RunId("run-2"))
    assert record.attempt == 2
    assert len(gateway.posts) == 1


def test_a_long_wait_for_an_outcome_is_told_with_its_end(
    process: Start, gateway: ScriptedGateway, caplog: pytest.LogCaptureFixture
) -> None:
    """On the line it is minutes until a lost post can be told from one that comes late."""
    gateway.before = failing(OutcomeUnknown("502"))
    services = process(policy="fence", settle_s=5.0)
    ends: list[str] = []
    shown: set[str] = set()
    advance = services.wait

    def wait(seconds: float) -> None:
        shown.add(services.waits.told())
        advance(seconds)
        if seconds > 60.0:
            ends.append(clock_time(services.clock()))

    services.wait = wait
    with caplog.at_level("INFO"):
        assert run_stage(stage_call(), services, RUN).attempt == 2
    told = [record.getMessage() for record in caplog.records if "was sent or not" in record.getMessage()]
    if services.settings.foundry.way == "background":
        assert (told, ends) == ([], [])
    else:
        asked, closed = told
        assert asked.endswith(f"asked for until {ends[-2]}")
        assert closed.endswith(f"looked for once more until {ends[-1]}")
        said = {f"finds out what became of 1 request until {end}" for end in (ends[-2], ends[-1])}
        assert said <= shown
    assert services.waits.told() == ""


def test_a_late_post_of_a_fenced_worker_spends_nothing(process: Start, gateway: ScriptedGateway) -> None:
    """The sleeper wakes up after another worker has fenced it, finished, and committed."""

    def sleep_while_another_works(_: ResponseRequest) -> None:
        gateway.before = lambda _: None
        other = process(policy="fence")
        other.alone = process().alone  # type: ignore[method-assign]
        run_stage(stage_call(), other, RunId("run-2"))

    gateway.before = sleep_while_another_works
    sleeper = process(policy="fence", lease_s=1e-9)
    record = run_stage(stage_call(), sleeper, RUN)
    assert len(gateway.posts) == 1
    assert record.run_id == "run-2"


def test_a_conversation_deleted_by_somebody_else_is_read_again(
    process: Start, gateway: ScriptedGateway
) -> None:
    gateway.before = failing(ConversationGone("conversation not found", "not_found", 404))
    with pytest.raises(StageInDoubt):
        run_stage(stage_call(), process(), RUN)
    assert gateway.posts == []


def test_silence_from_the_service_is_given_up_after_some_fences(
    process: Start, gateway: ScriptedGateway
) -> None:
    gateway.before = failing(*(OutcomeUnknown("502") for _ in range(9)))
    # On the line each takes twenty minutes, and a stage has half an hour.
    with pytest.raises(StageFailed, match=r"gave up after [23] tries"):
        run_stage(stage_call(), process(policy="fence"), RUN)
    assert gateway.posts == []


def test_a_response_that_is_not_listed_yet_is_waited_for(process: Start, gateway: ScriptedGateway) -> None:
    follow, left = gateway.follow_response, [HandleExpired("no such response", "not_found", 404)]

    def late(response_id: str, *, deadline_s: float, on_frame: OnFrame | None) -> Response:
        if left:
            raise left.pop()
        return follow(response_id, deadline_s=deadline_s, on_frame=on_frame)

    gateway.follow_response = late
    assert run_stage(stage_call(), process(settle_s=20.0), RUN).attempt == 1
    assert len(gateway.posts) == 1


@pytest.mark.parametrize(("policy", "waits"), [("hold", True), ("fence", False)])
def test_a_response_that_reads_do_not_show_is_given_up_only_by_what_the_endpoint_keeps(
    process: Start, gateway: ScriptedGateway, policy: str, *, waits: bool
) -> None:
    """Under hold nobody has seen how long reads lag: what was paid for may come half an hour later."""
    follow = gateway.follow_response

    def unknown(response_id: str, *, deadline_s: float, on_frame: OnFrame | None) -> Response:
        raise HandleExpired("no such response", "not_found", 404)

    gateway.follow_response = unknown
    with pytest.raises(StageFailed, match="does not show the response yet" if waits else "forgotten"):
        run_stage(stage_call(), process(policy=policy, settle_s=20.0), RUN)
    gateway.follow_response = follow
    record = run_stage(stage_call(), process(policy=policy), RunId("run-2"))
    assert (record.attempt, len(gateway.posts)) == ((1, 1) if waits else (2, 2))


def test_a_response_that_is_never_shown_is_forgotten_at_last(
    process: Start, gateway: ScriptedGateway
) -> None:
    def unknown(response_id: str, *, deadline_s: float, on_frame: OnFrame | None) -> Response:
        raise HandleExpired("no such response", "not_found", 404)

    gateway.follow_response = unknown
    services = process(stage_deadline_s=600.0)
    with pytest.raises(StageFailed, match="yet"):
        run_stage(stage_call(), services, RUN)
    services.wait(600.0)
    with pytest.raises(StageFailed, match="forgotten"):
        run_stage(stage_call(), services, RunId("run-2"))


def test_responses_that_cannot_be_listed_leave_a_doubt(process: Start, gateway: ScriptedGateway) -> None:
    def gone(conversation_id: str) -> tuple[Response, ...]:
        raise HandleExpired("no such conversation", "not_found", 404)

    gateway.before = failing(OutcomeUnknown("reset"))
    gateway.list_responses = gone
    with pytest.raises(StageInDoubt, match="cannot be listed"):
        run_stage(stage_call(), process(policy="fence"), RUN)
