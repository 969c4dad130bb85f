"""An image model that is called itself: paid at most once, kept as it came, in doubt without a reply."""

from __future__ import annotations

from typing import Any

import pytest

from assetmill.errors import (
    BudgetExceeded,
    NotSent,
    OutcomeUnknown,
    PromptBlocked,
    StageBlocked,
    StageFailed,
    StageInDoubt,
    Throttled,
)
from assetmill.money.budget import Ceiling
from assetmill.money.spending import spending
from assetmill.plan.calls import ExpectedOutput, StageCall
from assetmill.records import RunId
from assetmill.stage.engine import run_stage
from assetmill.store.memory import MemoryStore
from tests.assetmill.stage.processes import RUN, Crash, Start, failing
from tests.doubles import ScriptedGateway, always, image_item, png, stage_call

USAGE = {
    "input_tokens": 40,
    "input_tokens_details": {"text_tokens": 40, "image_tokens": 0},
    "output_tokens": 1024,
}
COST_USD = (40 * 5.0 + 1024 * 38.0) / 1_000_000


def mug(**changes: Any) -> StageCall:
    tool = {"type": "image_model", "model": "MAI-Image-2.6", "size": "1024x1024", "output_format": "png"}
    fields: dict[str, Any] = {"model": "MAI-Image-2.6", "image_deployment": None, "tools": (tool,)}
    return stage_call(**{**fields, "outputs": (ExpectedOutput("picture", "hero.png"),), **changes})


@pytest.fixture(autouse=True)
def _reports_usage(gateway: ScriptedGateway) -> None:
    gateway.drawn_usage = dict(USAGE)
    gateway.script = always({**image_item(png(1024, 1024), ""), "size": "1024x1024"})


def test_a_picture_is_asked_for_once_and_priced_by_its_report(
    process: Start, gateway: ScriptedGateway, backend: MemoryStore
) -> None:
    services = process()
    record = run_stage(mug(), services, RUN)
    assert run_stage(mug(), process(), RunId("run-2")) == record
    (request,) = gateway.draws
    assert (request.route, request.deployment, request.prompt) == ("mai", "MAI-Image-2.6", "draw a teal mug")
    assert (request.size, request.output_format, request.pictures) == ((1024, 1024), "png", ())
    assert gateway.posts == []
    assert gateway.conversations == {}
    assert record.cost_usd == pytest.approx(COST_USD)
    assert services.blobs.get(record.outputs[0].blob) == png(1024, 1024)
    (made,) = record.made_by
    assert (made.response_id, made.agent_name, made.image_model) == (request.name, "", "MAI-Image-2.6")
    attempt = services.ledger.newest_attempt("poster", record.fingerprint)
    assert attempt
    (turn,) = attempt.turns
    assert (turn.intent.way, turn.intent.conversation_id) == ("direct", "")
    assert turn.receipt
    assert turn.receipt.told == {"created": 1, "request_id": "req-1"}


@pytest.mark.parametrize("policy", ["hold", "fence"])
@pytest.mark.parametrize("doubt", ["ask", "retry", "give_up"])
def test_a_lost_reply_waits_for_a_person_whatever_the_profile_says(
    process: Start, gateway: ScriptedGateway, policy: str, doubt: str
) -> None:
    gateway.after = failing(OutcomeUnknown("the connection was reset"))
    with pytest.raises(StageInDoubt, match="nothing can be asked again"):
        run_stage(mug(), process(policy=policy), RUN)
    late = process(policy=policy, doubt=doubt)
    late.wait(90 * 24 * 3600.0)
    with pytest.raises(StageInDoubt, match="`assetmill resolve run-2 hero` and --retry"):
        run_stage(mug(), late, RunId("run-2"))
    assert len(gateway.draws) == 1


def test_nothing_of_a_doubt_is_asked_of_the_service(process: Start, gateway: ScriptedGateway) -> None:
    def asked(*_: object, **__: object) -> Any:
        raise AssertionError("a direct call has nothing that could be asked for")

    gateway.list_responses = gateway.get_response = gateway.delete_conversation = asked
    gateway.find_pictures = gateway.follow_response = asked
    gateway.after = failing(Crash())
    with pytest.raises(Crash):
        run_stage(mug(), process(lease_s=1e-9), RUN)
    with pytest.raises(StageInDoubt):
        run_stage(mug(), process(), RunId("run-2"))


def test_a_doubt_is_shown_as_a_range_in_what_was_spent(process: Start, gateway: ScriptedGateway) -> None:
    gateway.after = failing(OutcomeUnknown("reset"))
    services = process(Ceiling("project", 1.0))
    with pytest.raises(StageInDoubt):
        run_stage(mug(), services, RUN)
    (doubt,) = spending(services.ledger, "day").open
    assert (doubt.state, doubt.usd) == ("in doubt", 0.0)
    assert doubt.high_usd is not None
    assert doubt.high_usd >= COST_USD - 40 * 5 / 1_000_000


@pytest.mark.parametrize(
    "error",
    [NotSent("refused"), Throttled("slow down", "429", 429, 0.01)],
)
def test_what_never_left_or_a_quota_refused_is_asked_again(
    process: Start, gateway: ScriptedGateway, error: Exception
) -> None:
    gateway.before = failing(error)
    assert run_stage(mug(), process(), RUN).attempt == 2
    assert len(gateway.draws) == 1


def test_a_blocked_prompt_is_sent_once(process: Start, gateway: ScriptedGateway) -> None:
    gateway.before = failing(PromptBlocked("no", "content_filter", 400, ("violence",)))
    services = process()
    with pytest.raises(StageBlocked) as caught:
        run_stage(mug(), services, RUN)
    with pytest.raises(StageBlocked):
        run_stage(mug(), services, RUN)
    assert (caught.value.scope, caught.value.categories) == ("prompt", ("violence",))
    assert gateway.draws == []


def test_a_picture_that_moderation_held_back_is_paid_for_and_typed(
    process: Start, gateway: ScriptedGateway
) -> None:
    details = {"moderation_details": {"categories": ["violence"], "moderation_stage": "output"}}
    error = {"code": "content_filter", "message": "no picture was handed over", **details}
    gateway.script = always({"type": "image_generation_call", "status": "failed", "error": error})
    services = process()
    with pytest.raises(StageBlocked) as caught:
        run_stage(mug(), services, RUN)
    assert (caught.value.scope, caught.value.categories) == ("output", ("violence",))
    verdict = services.ledger.read_verdict("poster", mug().fingerprint, 1)
    assert verdict
    assert verdict.cost_usd == pytest.approx(COST_USD)


def test_a_reply_that_is_no_picture_is_kept_as_it_came(process: Start, gateway: ScriptedGateway) -> None:
    gateway.script = always({**image_item(b"", ""), "result": "@@ not base64 @@"})
    services = process()
    with pytest.raises(StageFailed):
        run_stage(mug(), services, RUN)
    raw = services.ledger.read_raw("poster", mug().fingerprint, 1, 1)
    assert b"@@ not base64 @@" in raw


@pytest.mark.parametrize("letter", ["c", "s"])
def test_a_crash_after_the_reply_was_stored_loses_nothing(
    process: Start, gateway: ScriptedGateway, backend: MemoryStore, letter: str
) -> None:
    """From the raw reply on everything is in the store: the next run goes on without the service."""
    create = backend.create

    def dying(key: str, *arguments: Any, **options: Any) -> Any:
        if key.split("/")[1] == letter:
            raise Crash
        return create(key, *arguments, **options)

    backend.create = dying  # type: ignore[method-assign]
    with pytest.raises(Crash):
        run_stage(mug(), process(lease_s=1e-9), RUN)
    backend.create = create  # type: ignore[method-assign]
    record = run_stage(mug(), process(), RunId("run-2"))
    assert len(gateway.draws) == 1
    assert record.outputs[0].width == 1024
    assert record.cost_usd == pytest.approx(COST_USD)


def test_an_order_of_another_endpoint_is_no_evidence_either(process: Start, gateway: ScriptedGateway) -> None:
    gateway.after = failing(Crash())
    with pytest.raises(Crash):
        run_stage(mug(), process(lease_s=1e-9), RUN)
    gateway.endpoint = "https://elsewhere.invalid/api/projects/test"
    with pytest.raises(StageInDoubt, match="went to the image model itself"):
        run_stage(mug(), process(), RunId("run-2"))
    assert len(gateway.draws) == 1


def test_an_unknown_price_stops_a_stage_under_a_ceiling(process: Start, gateway: ScriptedGateway) -> None:
    tool = {"type": "image_model", "model": "MAI-Image-2.7", "size": "1024x1024", "output_format": "png"}
    with pytest.raises(BudgetExceeded, match=r"no price for MAI-Image-2\.7"):
        run_stage(mug(tools=(tool,)), process(Ceiling("project", 1.0)), RUN)
    assert gateway.draws == []
