"""A definite no: a quota's is waited out, moderation's is final, and none costs anything."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from assetmill.agents.pacing import PROBE_S
from assetmill.errors import (
    AccountBlocked,
    NotSent,
    OutputUnusable,
    PromptBlocked,
    QuotaExhausted,
    Rejected,
    SpendingClosed,
    StageBlocked,
    StageFailed,
    Throttled,
)
from assetmill.plan.calls import ExpectedOutput
from assetmill.records import Approval, RunId
from assetmill.stage.engine import run_stage
from assetmill.stage.failures import lifting
from tests.assetmill.stage.processes import RUN, Crash, Start, failing
from tests.doubles import ScriptedGateway, stage_call


def test_a_quota_refusal_is_waited_out(process: Start, gateway: ScriptedGateway) -> None:
    gateway.before = failing(*(Throttled("slow down", "rate_limit", 429, 1.0) for _ in range(5)))
    record = run_stage(stage_call(), process(), RUN)
    assert record.attempt == 6
    assert len(gateway.posts) == 1


def test_the_limits_that_an_answer_names_are_kept_from_then_on(
    process: Start, gateway: ScriptedGateway
) -> None:
    gateway.rates = {"x-ratelimit-limit-requests": "2", "x-ratelimit-limit-images": "9"}
    services = process()
    began = services.clock()
    for number in range(3):
        run_stage(stage_call(prompt=f"draw {number}"), services, RUN)
    assert services.clock() - began >= 60.0
    assert len(gateway.posts) == 3


@pytest.mark.parametrize("asked_s", [0.5, 20.0, PROBE_S])
def test_a_quota_is_waited_for_as_long_as_the_service_asks(
    process: Start, gateway: ScriptedGateway, asked_s: float
) -> None:
    gateway.before = failing(Throttled("slow down", "rate_limit", 429, asked_s))
    services = process()
    began = services.clock()
    run_stage(stage_call(), services, RUN)
    assert services.clock() - began >= asked_s


def test_of_a_long_wait_one_request_asks_whether_the_quota_is_back(
    process: Start, gateway: ScriptedGateway
) -> None:
    gateway.before = failing(*(Throttled("slow down", "rate_limit", 429, 1_500.0) for _ in range(3)))
    services = process()
    began = services.clock()
    assert run_stage(stage_call(), services, RUN).attempt == 4
    assert services.clock() - began == pytest.approx(3 * PROBE_S)


def test_others_go_on_as_soon_as_a_probe_is_answered(process: Start, gateway: ScriptedGateway) -> None:
    services = process()
    services.pacer.refused("gpt-image-1.5", {"requests": 1.0, "images": 1.0}, 1_500.0)
    began = services.clock()
    for number in range(5):
        run_stage(stage_call(prompt=f"draw {number}"), services, RUN)
    assert services.clock() - began == pytest.approx(PROBE_S, abs=1.0)


def test_a_batch_is_told_of_a_refused_quota_and_its_end(process: Start, gateway: ScriptedGateway) -> None:
    services = process()
    services.pacer.refused("gpt-image-1.5", {"requests": 1.0, "images": 1.0}, 1_500.0)
    run_stage(stage_call(), services, RUN)
    assert [text.partition(" until ")[0] for text in services.notices] == [
        "the service refuses gpt-image-1.5"
    ]


def test_a_refused_quota_is_not_waited_for_beyond_the_deadline(
    process: Start, gateway: ScriptedGateway
) -> None:
    services = process()
    refuse = services.pacer.refused
    wait = services.wait

    def refuse_again(seconds: float) -> None:
        # Another stage's probe is refused each time before this one's turn.
        refuse("gpt-image-1.5", {"requests": 1.0, "images": 1.0}, 100_000.0)
        wait(seconds)

    services.wait = refuse_again
    refuse("gpt-image-1.5", {"requests": 1.0, "images": 1.0}, 100_000.0)
    began = services.clock()
    with pytest.raises(StageFailed, match="refused until"):
        run_stage(stage_call(), services, RUN)
    assert services.clock() - began == pytest.approx(services.settings.foundry.stage_deadline_s, abs=60.0)


def test_a_later_run_asks_again_whatever_an_earlier_one_was_told(
    process: Start, gateway: ScriptedGateway
) -> None:
    gateway.before = failing(Throttled("slow down", "rate_limit", 429, 90_000.0))
    with pytest.raises(StageFailed, match="it asks to wait until"):
        run_stage(stage_call(), process(), RUN)
    assert run_stage(stage_call(), process(), RunId("run-2")).attempt == 2


def test_a_person_lifts_a_wait_that_a_run_is_in(process: Start, gateway: ScriptedGateway) -> None:
    gateway.before = failing(Throttled("slow down", "rate_limit", 429, PROBE_S))
    services, call = process(), stage_call()
    began, wait = services.clock(), services.wait

    def lift(seconds: float) -> None:
        wait(seconds)
        if services.clock() - began > 10.0:
            said = Approval(subject=lifting(1), is_granted=True, decided_by="Ada", created_at=0.0)
            services.ledger.write_approval(call.pipeline, call.fingerprint, said)

    services.wait = lift
    assert run_stage(call, services, RUN).attempt == 2
    assert services.clock() - began < 40.0


@pytest.mark.parametrize("asked_s", [0.0, -5.0, 1_795_895_925_000.0, 3 * 365 * 86_400.0, float("nan")])
def test_a_wait_that_cannot_be_meant_is_a_mistake_and_ones_own_is_taken(
    process: Start, gateway: ScriptedGateway, asked_s: float
) -> None:
    gateway.before = failing(*(Throttled("slow down", "rate_limit", 429, asked_s) for _ in range(3)))
    services = process()
    began = services.clock()
    assert run_stage(stage_call(), services, RUN).attempt == 4
    assert 6.0 <= services.clock() - began <= 60.0


def test_no_money_left_fails_at_once_and_stops_all_others(process: Start, gateway: ScriptedGateway) -> None:
    gateway.before = failing(QuotaExhausted("check your plan", "insufficient_quota", 429))
    services = process()
    began = services.clock()
    with pytest.raises(StageFailed, match="quota is used up"):
        run_stage(stage_call(), services, RUN)
    with pytest.raises(SpendingClosed, match="quota is used up"):
        run_stage(stage_call(prompt="another"), services, RUN)
    assert services.clock() == began
    assert gateway.posts == []


def test_a_quota_beyond_the_deadline_fails_at_once(process: Start, gateway: ScriptedGateway) -> None:
    gateway.before = failing(Throttled("slow down", "rate_limit", 429, 7_200.0))
    services = process()
    began = services.clock()
    with pytest.raises(StageFailed, match="gave up after 1 tries"):
        run_stage(stage_call(), services, RUN)
    assert services.clock() == began


def test_a_crash_while_waiting_for_a_quota_leaves_no_doubt(process: Start, gateway: ScriptedGateway) -> None:
    gateway.before = failing(Throttled("slow down", "rate_limit", 429, 60.0))
    services = process()
    wait = services.wait

    def die(seconds: float) -> None:
        if seconds >= 15.0:
            raise Crash
        wait(seconds)

    services.wait = die
    with pytest.raises(Crash):
        run_stage(stage_call(), services, RUN)
    other = process()
    began = other.clock()
    assert run_stage(stage_call(), other, RunId("run-2")).attempt == 2
    assert other.clock() - began >= 59.0
    assert len(gateway.posts) == 1


def test_an_unreachable_service_is_given_up_before_any_spend(
    process: Start, gateway: ScriptedGateway
) -> None:
    gateway.before = failing(*(NotSent("connection refused") for _ in range(9)))
    with pytest.raises(StageFailed, match="gave up after 3 tries"):
        run_stage(stage_call(), process(), RUN)
    assert gateway.posts == []


def test_a_free_call_that_fails_is_made_again(process: Start, gateway: ScriptedGateway) -> None:
    create, left = gateway.create_conversation, [NotSent("503"), Throttled("busy", "", 429, 5.0)]

    def flaky(metadata: Mapping[str, str]) -> str:
        if left:
            raise left.pop()
        return create(metadata)

    gateway.create_conversation = flaky
    assert run_stage(stage_call(), process(), RUN).attempt == 1


def test_a_next_run_tries_again_after_a_failure(process: Start, gateway: ScriptedGateway) -> None:
    gateway.before = failing(Rejected("no such model", "model_not_found", 400))
    services = process()
    with pytest.raises(StageFailed, match="no such model"):
        run_stage(stage_call(), services, RUN)
    with pytest.raises(StageFailed, match="no such model"):
        run_stage(stage_call(), services, RUN)
    assert run_stage(stage_call(), services, RunId("run-2")).attempt == 2


@pytest.mark.parametrize(
    ("error", "scope"),
    [
        (PromptBlocked("violence", "content_filter", 400), "prompt"),
        (AccountBlocked("blocked", "account_blocked", 403), "account"),
    ],
)
def test_a_block_is_named_and_not_rerolled(
    process: Start, gateway: ScriptedGateway, error: Rejected, scope: str
) -> None:
    gateway.before = failing(error)
    with pytest.raises(StageBlocked) as blocked:
        run_stage(stage_call(), process(), RUN)
    assert blocked.value.scope == scope
    assert gateway.posts == []


@pytest.mark.parametrize("kind", [StageBlocked, OutputUnusable])
def test_a_repeated_failure_keeps_its_kind(
    process: Start, gateway: ScriptedGateway, kind: type[Exception]
) -> None:
    if kind is StageBlocked:
        gateway.before = failing(PromptBlocked("violence", "content_filter", 400))
    call = stage_call(outputs=(ExpectedOutput("picture", "hero.png", width=999),))
    for _ in range(2):
        with pytest.raises(kind):
            run_stage(call, process(), RUN)
