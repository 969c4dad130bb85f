"""The money protocol on doubles: every way a post can end, and never a second one without proof."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from assetmill.agents.gateway import ResponseRequest
from assetmill.calls import BoundInput, BoundKnowledge, ExpectedOutput
from assetmill.engine import run_stage
from assetmill.errors import (
    AccountBlocked,
    BudgetExceeded,
    ConversationGone,
    NotSent,
    OutcomeUnknown,
    OutputUnusable,
    PromptBlocked,
    Rejected,
    RunStopped,
    StageBlocked,
    StageFailed,
    StageInDoubt,
    Throttled,
)
from assetmill.fingerprint import digest
from assetmill.money.budget import Ceiling
from assetmill.money.prices import estimate
from assetmill.records import BlobRef, RunId
from assetmill.services import Services
from assetmill.settings import Foundry, Settings
from assetmill.store.memory import MemoryStore
from tests.doubles import ScriptedGateway, always, image_item, message_item, png, stage_call

RUN = RunId("run-1")


class Crash(BaseException):
    """The process dies here."""


@pytest.fixture
def gateway() -> ScriptedGateway:
    return ScriptedGateway()


@pytest.fixture
def backend() -> Iterator[MemoryStore]:
    store = MemoryStore()
    yield store
    store.close()


@pytest.fixture
def process(gateway: ScriptedGateway, backend: MemoryStore, tmp_path: Path) -> Callable[..., Services]:
    """Return what starts a new process on the same store and the same service."""

    now = Now()

    def start(*ceilings: Ceiling, **changes: object) -> Services:
        foundry = Foundry.model_validate({"settle_s": 0.01, "lease_s": 0.05, **changes})
        settings = Settings(profile="test", home=tmp_path, configs=tmp_path, foundry=foundry)
        services = Services(settings, backend, lambda _settings, _wait: gateway, ceilings, clock=now.get)
        services.wait = lambda seconds: _pass(services, now, seconds)
        return services

    return start


class Now:
    """A clock that moves only when somebody waits."""

    def __init__(self) -> None:
        self.seconds = 1_000_000.0

    def get(self) -> float:
        return self.seconds


def _pass(services: Services, now: Now, seconds: float) -> None:
    if services.stop.is_set():
        raise RunStopped("stopped")
    now.seconds += seconds
    time.sleep(0)


def failing(*errors: BaseException) -> Callable[[ResponseRequest], None]:
    """Raise each error once, then let everything pass."""
    left = list(errors)

    def fail(_: ResponseRequest) -> None:
        if left:
            raise left.pop(0)

    return fail


def test_a_stage_is_paid_once_and_its_bytes_are_kept(
    process: Callable[..., Services], gateway: ScriptedGateway
) -> None:
    services = process()
    record = run_stage(stage_call(), services, RUN)
    assert [asset.name for asset in record.outputs] == ["hero.png"]
    assert services.blobs.get(record.outputs[0].blob) == png()
    assert record.made_by[0].response_id.startswith("resp_")
    assert len(gateway.posts) == 1


def test_a_finished_stage_is_never_asked_for_again(
    process: Callable[..., Services], gateway: ScriptedGateway
) -> None:
    first = run_stage(stage_call(), process(), RUN)
    gateway.before = failing(AssertionError("a second spend"))
    assert run_stage(stage_call(), process(), RunId("run-2")) == first
    assert len(gateway.posts) == 1


def test_the_intent_is_stored_before_the_post(
    process: Callable[..., Services], gateway: ScriptedGateway, backend: MemoryStore
) -> None:
    seen: list[int] = []
    gateway.before = lambda _: seen.append(len(list(backend.list("v1/i/"))))
    run_stage(stage_call(), process(), RUN)
    assert seen == [1]


def test_the_receipt_is_stored_before_the_first_poll(
    process: Callable[..., Services], gateway: ScriptedGateway, backend: MemoryStore
) -> None:
    receipts: list[int] = []
    follow = gateway.follow_response

    def watching(response_id: str, **options: object) -> object:
        receipts.append(len(list(backend.list("v1/c/"))))
        return follow(response_id, deadline_s=1, on_frame=None)

    gateway.follow_response = watching  # type: ignore[assignment]
    run_stage(stage_call(), process(), RUN)
    assert receipts == [1]


def test_a_lost_answer_is_adopted_not_repeated(
    process: Callable[..., Services], gateway: ScriptedGateway
) -> None:
    gateway.after = failing(OutcomeUnknown("the connection was reset"))
    record = run_stage(stage_call(), process(), RUN)
    assert len(gateway.posts) == 1
    assert record.attempt == 1


@pytest.mark.parametrize("policy", ["hold", "fence"])
def test_a_crash_after_the_answer_is_adopted_by_the_next_run(
    process: Callable[..., Services], gateway: ScriptedGateway, policy: str
) -> None:
    gateway.after = failing(Crash())
    with pytest.raises(Crash):
        run_stage(stage_call(), process(policy=policy, lease_s=1e-9), RUN)
    run_stage(stage_call(), process(policy=policy), RunId("run-2"))
    assert len(gateway.posts) == 1


def test_hold_leaves_a_crash_before_the_post_in_doubt(
    process: Callable[..., Services], gateway: ScriptedGateway
) -> None:
    gateway.before = failing(Crash())
    with pytest.raises(Crash):
        run_stage(stage_call(), process(lease_s=1e-9), RUN)
    with pytest.raises(StageInDoubt, match="shows nothing"):
        run_stage(stage_call(), process(), RunId("run-2"))
    assert gateway.posts == []


def test_fence_goes_on_after_a_crash_before_the_post(
    process: Callable[..., Services], gateway: ScriptedGateway
) -> None:
    gateway.before = failing(Crash())
    with pytest.raises(Crash):
        run_stage(stage_call(), process(policy="fence", lease_s=1e-9), RUN)
    record = run_stage(stage_call(), process(policy="fence"), RunId("run-2"))
    assert record.attempt == 2
    assert len(gateway.posts) == 1


def test_a_late_post_of_a_fenced_worker_spends_nothing(
    process: Callable[..., Services], gateway: ScriptedGateway
) -> None:
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


def test_a_quota_refusal_is_waited_out(process: Callable[..., Services], gateway: ScriptedGateway) -> None:
    gateway.before = failing(*(Throttled("slow down", "rate_limit", 429, 1.0) for _ in range(5)))
    record = run_stage(stage_call(), process(), RUN)
    assert record.attempt == 6
    assert len(gateway.posts) == 1


def test_an_unreachable_service_is_given_up_before_any_spend(
    process: Callable[..., Services], gateway: ScriptedGateway
) -> None:
    gateway.before = failing(*(NotSent("connection refused") for _ in range(9)))
    with pytest.raises(StageFailed, match="gave up after 3 tries"):
        run_stage(stage_call(), process(), RUN)
    assert gateway.posts == []


def test_a_next_run_tries_again_after_a_failure(
    process: Callable[..., Services], gateway: ScriptedGateway
) -> None:
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
    process: Callable[..., Services], gateway: ScriptedGateway, error: Rejected, scope: str
) -> None:
    gateway.before = failing(error)
    with pytest.raises(StageBlocked) as blocked:
        run_stage(stage_call(), process(), RUN)
    assert blocked.value.scope == scope
    assert gateway.posts == []


def test_a_picture_that_is_not_as_asked_is_kept(
    process: Callable[..., Services], gateway: ScriptedGateway, backend: MemoryStore
) -> None:
    services = process()
    call = stage_call(outputs=(ExpectedOutput("picture", "hero.png", width=999),))
    with pytest.raises(OutputUnusable, match="64 px wide, not 999"):
        run_stage(call, services, RUN)
    attempt = services.ledger.newest_attempt(call.pipeline, call.fingerprint)
    assert attempt is not None
    assert attempt.verdict is not None
    assert services.blobs.get(attempt.verdict.kept[0].blob) == png()


def test_every_picture_of_a_response_is_kept(
    process: Callable[..., Services], gateway: ScriptedGateway
) -> None:
    gateway.script = always(image_item(png(colour="red"), "ig_1"), image_item(png(colour="blue"), "ig_2"))
    record = run_stage(stage_call(), process(), RUN)
    assert [(asset.name, asset.role) for asset in record.outputs] == [
        ("hero.png", "output"),
        ("image-2.png", "candidate"),
    ]


@pytest.mark.parametrize("result", ["@@@not base64@@@", "", "AAAA"])
def test_a_damaged_picture_fails_the_stage_and_stays_in_the_raw_response(
    process: Callable[..., Services], gateway: ScriptedGateway, result: str
) -> None:
    services = process()
    gateway.script = always({**image_item(png()), "result": result})
    with pytest.raises((StageFailed, OutputUnusable)):
        run_stage(stage_call(), services, RUN)
    call = stage_call()
    raw = services.ledger.read_raw(call.pipeline, call.fingerprint, 1, 1)
    assert b'"ig_1"' in raw


def test_two_threads_of_one_process_share_one_spend(
    process: Callable[..., Services], gateway: ScriptedGateway
) -> None:
    services = process()
    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(run_stage, stage_call(), services, RUN) for _ in range(8)]
    records = [future.result() for future in futures]
    assert len(gateway.posts) == 1
    assert len({record.made_by for record in records}) == 1


def test_two_processes_share_one_spend(process: Callable[..., Services], gateway: ScriptedGateway) -> None:
    with ThreadPoolExecutor(6) as pool:
        futures = [pool.submit(run_stage, stage_call(), process(lease_s=60), RUN) for _ in range(6)]
    records = [future.result() for future in futures]
    assert len(gateway.posts) == 1
    assert len({record.made_by for record in records}) == 1


def test_a_conversation_deleted_by_somebody_else_is_read_again(
    process: Callable[..., Services], gateway: ScriptedGateway
) -> None:
    gateway.before = failing(ConversationGone("conversation not found", "not_found", 404))
    with pytest.raises(StageInDoubt):
        run_stage(stage_call(), process(), RUN)
    assert gateway.posts == []


def test_inputs_and_knowledge_are_uploaded_once(
    process: Callable[..., Services], gateway: ScriptedGateway, tmp_path: Path
) -> None:
    path = tmp_path / "rules.md"
    path.write_bytes(b"# rules")
    ref = BlobRef(digest=digest(b"# rules"), size_bytes=7, media_type="text/markdown")
    file = BoundInput("rules.md", "container_file", ref, path=str(path))
    knowledge = BoundKnowledge("brand", digest(b"all"), (file,))
    tools = ({"type": "file_search", "knowledge": ["brand"]}, {"type": "code_interpreter"})
    gateway.script = always(message_item("done"))
    services = process()
    for prompt in ("one", "two"):
        call = stage_call(prompt=prompt, tools=tools, inputs=(file,), knowledge=(knowledge,), outputs=())
        assert run_stage(call, services, RUN).text == "done"
    assert gateway.uploads == ["rules.md"]
    assert len(gateway.stores) == 1
    assert services.blobs.get(ref) == b"# rules"


def test_a_ceiling_stops_what_might_exceed_it_before_the_spend(
    process: Callable[..., Services], gateway: ScriptedGateway
) -> None:
    """Forty stages at once, each of which may cost a fifth of the ceiling."""
    ceiling_usd = estimate(stage_call()).ceiling  # type: ignore[union-attr]
    services = process(Ceiling("run/r", 5 * ceiling_usd))
    gateway.after = failing(*(OutcomeUnknown("lost") for _ in range(5)))

    def run(number: int) -> str:
        try:
            run_stage(stage_call(prompt=f"draw {number}"), services, RUN)
        except BudgetExceeded as error:
            return str(error)
        return "done"

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(run, range(40)))
    spent_usd = services.budget.committed_usd("run/r")
    assert spent_usd <= 5 * ceiling_usd
    assert len(gateway.posts) == outcomes.count("done") >= 5
    assert "of the ceiling of" in next(text for text in outcomes if text != "done")


def test_a_refused_attempt_gives_its_money_back(
    process: Callable[..., Services], gateway: ScriptedGateway
) -> None:
    ceiling_usd = estimate(stage_call()).ceiling  # type: ignore[union-attr]
    gateway.before = failing(Throttled("slow down", "", 429, 1.0), Throttled("slow down", "", 429, 1.0))
    record = run_stage(stage_call(), process(Ceiling("run/r", 1.1 * ceiling_usd)), RUN)
    assert record.attempt == 3


def test_a_stopped_run_spends_nothing_more(
    process: Callable[..., Services], gateway: ScriptedGateway
) -> None:
    services = process()
    services.stop.set()
    with pytest.raises(RunStopped):
        run_stage(stage_call(), services, RUN)
    assert gateway.posts == []
