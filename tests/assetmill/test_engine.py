"""The money protocol on doubles: every way a post can end, and never a second one without proof."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from assetmill.agents.gateway import OnFrame, Response, ResponseRequest
from assetmill.calls import BoundInput, BoundKnowledge, ExpectedOutput
from assetmill.engine import run_stage
from assetmill.errors import (
    AccountBlocked,
    BudgetExceeded,
    ConversationGone,
    HandleExpired,
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
from assetmill.records import BlobRef, RunId, StageRecord
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


@pytest.mark.parametrize(("doubt", "attempt"), [("retry", 2), ("give_up", None)])
def test_a_profile_may_settle_a_doubt_after_its_deadline(
    process: Callable[..., Services], gateway: ScriptedGateway, doubt: str, attempt: int | None
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


def test_the_limits_that_an_answer_names_are_kept_from_then_on(
    process: Callable[..., Services], gateway: ScriptedGateway
) -> None:
    gateway.rates = {"x-ratelimit-limit-requests": "2", "x-ratelimit-limit-images": "9"}
    services = process()
    began = services.clock()
    for number in range(3):
        run_stage(stage_call(prompt=f"draw {number}"), services, RUN)
    assert services.clock() - began >= 60.0
    assert len(gateway.posts) == 3


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


@pytest.mark.parametrize("asked_s", [0.5, 121.0, 900.0])
def test_a_quota_is_waited_for_as_long_as_the_service_asks(
    process: Callable[..., Services], gateway: ScriptedGateway, asked_s: float
) -> None:
    gateway.before = failing(Throttled("slow down", "rate_limit", 429, asked_s))
    services = process()
    began = services.clock()
    run_stage(stage_call(), services, RUN)
    assert services.clock() - began >= asked_s


def test_a_quota_beyond_the_deadline_fails_at_once(
    process: Callable[..., Services], gateway: ScriptedGateway
) -> None:
    gateway.before = failing(Throttled("slow down", "rate_limit", 429, 7_200.0))
    services = process()
    began = services.clock()
    with pytest.raises(StageFailed, match="gave up after 1 tries"):
        run_stage(stage_call(), services, RUN)
    assert services.clock() == began


def test_a_crash_while_waiting_for_a_quota_leaves_no_doubt(
    process: Callable[..., Services], gateway: ScriptedGateway
) -> None:
    gateway.before = failing(Throttled("slow down", "rate_limit", 429, 60.0))
    services = process()
    wait = services.wait

    def die(seconds: float) -> None:
        if seconds >= 60.0:
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


def test_a_refused_attempt_gives_its_reservation_back(
    process: Callable[..., Services], gateway: ScriptedGateway
) -> None:
    expected = estimate(stage_call())
    assert expected is not None
    gateway.before = failing(*(Throttled("slow down", "rate_limit", 429, 1.0) for _ in range(5)))
    services = process(Ceiling("project", expected.ceiling * 1.5))
    assert run_stage(stage_call(), services, RUN).attempt == 6


def test_silence_from_the_service_is_given_up_after_some_fences(
    process: Callable[..., Services], gateway: ScriptedGateway
) -> None:
    gateway.before = failing(*(OutcomeUnknown("502") for _ in range(9)))
    with pytest.raises(StageFailed, match="gave up after 3 tries"):
        run_stage(stage_call(), process(policy="fence"), RUN)
    assert gateway.posts == []


def test_a_free_call_that_fails_is_made_again(
    process: Callable[..., Services], gateway: ScriptedGateway
) -> None:
    create, left = gateway.create_conversation, [NotSent("503"), Throttled("busy", "", 429, 5.0)]

    def flaky(metadata: Mapping[str, str]) -> str:
        if left:
            raise left.pop()
        return create(metadata)

    gateway.create_conversation = flaky
    assert run_stage(stage_call(), process(), RUN).attempt == 1


def test_a_response_that_is_not_listed_yet_is_waited_for(
    process: Callable[..., Services], gateway: ScriptedGateway
) -> None:
    follow, left = gateway.follow_response, [HandleExpired("no such response", "not_found", 404)]

    def late(response_id: str, *, deadline_s: float, on_frame: OnFrame | None) -> Response:
        if left:
            raise left.pop()
        return follow(response_id, deadline_s=deadline_s, on_frame=on_frame)

    gateway.follow_response = late
    assert run_stage(stage_call(), process(settle_s=20.0), RUN).attempt == 1
    assert len(gateway.posts) == 1


def test_responses_that_cannot_be_listed_leave_a_doubt(
    process: Callable[..., Services], gateway: ScriptedGateway
) -> None:
    def gone(conversation_id: str) -> tuple[Response, ...]:
        raise HandleExpired("no such conversation", "not_found", 404)

    gateway.before = failing(OutcomeUnknown("reset"))
    gateway.list_responses = gone
    with pytest.raises(StageInDoubt, match="cannot be listed"):
        run_stage(stage_call(), process(policy="fence"), RUN)


def test_a_container_that_was_emptied_may_disappear(
    process: Callable[..., Services], gateway: ScriptedGateway
) -> None:
    """The process dies between the harvest and the commit, and comes back when the container is gone."""
    code = {"type": "code_interpreter_call", "container_id": "cntr_1"}
    gateway.script = always(image_item(png()), code)
    gateway.containers["cntr_1"]["cfile_1"] = ("sums.csv", b"a,b\n")
    services = process(lease_s=1e-9)

    def die(record: StageRecord) -> StageRecord:
        raise Crash

    services.ledger.commit = die
    with pytest.raises(Crash):
        run_stage(stage_call(), services, RUN)
    gateway.containers.clear()
    record = run_stage(stage_call(), process(), RunId("run-2"))
    assert [asset.name for asset in record.outputs] == ["hero.png", "sums.csv"]


def test_a_container_that_is_gone_costs_only_what_was_asked_of_it(
    process: Callable[..., Services], gateway: ScriptedGateway
) -> None:
    code = {"type": "code_interpreter_call", "container_id": "cntr_gone"}
    gateway.script = always(image_item(png()), code)
    assert len(run_stage(stage_call(), process(), RUN).outputs) == 1
    wanted = (ExpectedOutput("picture", "hero.png"), ExpectedOutput("data", "sums.csv"))
    with pytest.raises(OutputUnusable, match="its container is gone"):
        run_stage(stage_call(outputs=wanted), process(), RUN)


@pytest.mark.parametrize("kind", [StageBlocked, OutputUnusable])
def test_a_repeated_failure_keeps_its_kind(
    process: Callable[..., Services], gateway: ScriptedGateway, kind: type[Exception]
) -> None:
    if kind is StageBlocked:
        gateway.before = failing(PromptBlocked("violence", "content_filter", 400))
    call = stage_call(outputs=(ExpectedOutput("picture", "hero.png", width=999),))
    for _ in range(2):
        with pytest.raises(kind):
            run_stage(call, process(), RUN)
