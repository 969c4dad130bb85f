"""A person's word on a stage in doubt: the service is asked first, and nothing can arrive after it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from assetmill.agents.gateway import AgentVersion, Response, ResponseRequest
from assetmill.cli.resolve import resolve
from assetmill.errors import (
    HandleExpired,
    InvalidInput,
    NotFound,
    OutcomeUnknown,
    OutputUnreachable,
    StageFailed,
    StageInDoubt,
    Throttled,
)
from assetmill.fingerprint import digest
from assetmill.plan.calls import ExpectedOutput
from assetmill.records import RunId, RunStart
from assetmill.settings import Foundry, Settings
from assetmill.stage.engine import run_stage
from assetmill.stage.services import Services
from assetmill.store.memory import MemoryStore
from tests.doubles import ScriptedGateway, always, code_item, png, stage_call

CALL = stage_call()
RUN = RunId("run-1")
_FOUNDRY = {"endpoint": "https://scripted.invalid", "settle_s": 5.0, "lease_s": 60.0}


class Desk:
    """A stage in doubt, and the command on the same store and service."""

    call = CALL

    def __init__(self, path: Path) -> None:
        self.gateway, self.backend, self.path = ScriptedGateway(), MemoryStore(), path
        self.first = self.gateway
        self.now, self.way = 1_000_000.0, "auto"
        start: dict[str, object] = {
            "run_id": RUN,
            "pipeline": CALL.pipeline,
            "parameters": {},
            "profile": "test",
        }
        start |= {"spec_digest": digest(b""), "spec_path": "x.yaml", "stages": (), "started_at": 1.0}
        self.services().ledger.write_start(RunStart.model_validate(start))

    def services(self, owner: str = "elsewhere:1:a") -> Services:
        settings = Settings(
            profile="test",
            home=self.path,
            configs=self.path,
            foundry=Foundry.model_validate({**_FOUNDRY, "way": self.way}),
        )
        services = Services(
            settings, self.backend, lambda _s, _w: self.gateway, owner=owner, clock=lambda: self.now
        )
        services.wait = self._wait
        return services

    def _wait(self, seconds: float) -> None:
        self.now += seconds

    def into_doubt(self) -> None:
        def lose(_: ResponseRequest) -> None:
            self.gateway.before = lambda _: None
            raise OutcomeUnknown("reset")

        self.gateway.before = lose
        with pytest.raises(StageInDoubt, match=f"decide with `assetmill resolve {RUN} {CALL.stage}`"):
            run_stage(self.call, self.services(), RUN)

    def run(self, *choice: str) -> Result:
        return CliRunner().invoke(
            resolve, [RUN, CALL.stage, *choice], standalone_mode=False, catch_exceptions=True
        )


@pytest.fixture
def desk(counter: Desk) -> Desk:
    counter.into_doubt()
    return counter


@pytest.fixture
def counter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A desk where nothing has happened yet."""
    made = Desk(tmp_path)

    @contextmanager
    def opened(_: Settings) -> Generator[Services]:
        yield made.services("here:1:b")

    def settings(_: str | None) -> Settings:
        return made.services().settings

    # Its run was killed: it has no manifest, and what it began is known by its intents alone.
    module = "assetmill.cli.resolve"
    for name, stand_in in (("open_services", opened), ("load_settings", settings)):
        monkeypatch.setattr(f"{module}.{name}", stand_in)
    return made


def conversation(desk: Desk) -> str:
    attempt = desk.services().ledger.newest_attempt(CALL.pipeline, CALL.fingerprint)
    assert attempt is not None
    return attempt.turns[0].intent.conversation_id


def test_a_worker_that_may_still_post_is_not_decided_over(desk: Desk) -> None:
    result = desk.run("--retry")
    assert isinstance(result.exception, InvalidInput)
    assert "may be at work" in str(result.exception)
    assert conversation(desk) in desk.gateway.conversations


def test_a_retry_closes_the_conversation_first(desk: Desk) -> None:
    desk.now += 100.0
    assert desk.run("--retry").return_value == 0
    assert conversation(desk) not in desk.gateway.conversations
    assert run_stage(CALL, desk.services(), RunId("run-2")).attempt == 2
    assert len(desk.gateway.posts) == 1


def test_of_a_killed_run_all_that_it_began_is_decided_where_no_stage_is_named(desk: Desk) -> None:
    desk.now += 100.0
    asked = CliRunner().invoke(resolve, [RUN, "--retry"], standalone_mode=False)
    assert asked.return_value == 0, asked.exception
    assert run_stage(CALL, desk.services(), RunId("run-2")).attempt == 2
    again = CliRunner().invoke(resolve, [RUN, "--retry"], standalone_mode=False)
    assert "nothing of it is to be decided" in str(again.exception)


def test_what_was_given_up_is_not_paid_for_again(desk: Desk) -> None:
    desk.now += 100.0
    assert desk.run("--give-up").return_value == 0
    with pytest.raises(StageFailed, match="given up"):
        run_stage(CALL, desk.services(), RunId("run-2"))
    assert desk.gateway.posts == []


@pytest.mark.parametrize("choice", ["--retry", "--give-up", "--wait"])
def test_a_response_that_turned_up_is_kept_whatever_is_chosen(desk: Desk, choice: str) -> None:
    desk.now += 100.0
    arrive_late(desk)
    assert desk.run(choice).return_value == 0
    assert run_stage(CALL, desk.services(), RunId("run-2")).attempt == 1
    assert len(desk.gateway.posts) == 1


def test_what_runs_on_the_line_is_waited_for_after_the_conversation_is_closed(
    counter: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its owner may have posted just before, however old its intent is."""
    counter.way = "foreground"
    counter.into_doubt()
    counter.now += 90_000.0
    arrive_late(counter)
    came_at, lists = counter.now, counter.gateway.list_responses

    def listing(conversation_id: str) -> tuple[Response, ...]:
        return lists(conversation_id) if counter.now > came_at + 500.0 else ()

    def keep(_: str) -> None:
        return

    monkeypatch.setattr(counter.gateway, "list_responses", listing)
    monkeypatch.setattr(counter.gateway, "delete_conversation", keep)
    assert counter.run("--retry").return_value == 0
    assert run_stage(CALL, counter.services(), RunId("run-2")).attempt == 1
    assert len(counter.gateway.posts) == 1


PAIR = stage_call(
    tools=({"type": "code_interpreter"},),
    outputs=(
        ExpectedOutput("picture", "small.png", pattern="small.png"),
        ExpectedOutput("picture", "square.png", pattern="square.png"),
    ),
)


@pytest.fixture
def torn(counter: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A stage that was paid for, of whose two files the service holds one back."""
    gateway = counter.gateway
    gateway.script = always(code_item())
    gateway.containers["cntr_1"] = {"cfile_1": ("small.png", png()), "cfile_2": ("square.png", png(9, 9))}
    gateway.refused_files["cfile_2"] = HandleExpired("no such file", "not_found", 404)
    with pytest.raises(OutputUnreachable):
        run_stage(PAIR, counter.services(), RUN)

    def find_stage(*_: object) -> tuple[str, str]:
        return PAIR.pipeline, PAIR.fingerprint

    monkeypatch.setattr("assetmill.cli.stage_places.find_stage", find_stage)
    return counter


def test_what_there_is_can_be_taken_for_the_whole(torn: Desk) -> None:
    assert torn.run("--accept-partial").return_value == 0
    record = run_stage(PAIR, torn.services(), RunId("run-2"))
    assert [(asset.name, asset.role) for asset in record.outputs] == [("small.png", "output")]
    assert record.decision is not None
    assert record.decision.kind == "partial"
    assert "square.png" in record.decision.reason
    assert len(torn.gateway.posts) == 1


def test_a_torn_stage_can_be_given_up(torn: Desk) -> None:
    assert torn.run("--give-up").return_value == 0
    with pytest.raises(StageFailed, match="given up"):
        run_stage(PAIR, torn.services(), RunId("run-2"))
    assert len(torn.gateway.posts) == 1


def test_a_torn_stage_is_paid_again_when_a_person_says_so(torn: Desk) -> None:
    assert torn.run("--retry").return_value == 0
    torn.gateway.refused_files.clear()
    # What comes after all is taken first, for nothing.
    assert run_stage(PAIR, torn.services(), RunId("run-2")).attempt == 1
    assert len(torn.gateway.posts) == 1


def test_the_first_decision_about_a_torn_stage_counts(torn: Desk) -> None:
    assert torn.run("--give-up").return_value == 0
    result = torn.run("--retry")
    assert isinstance(result.exception, InvalidInput)
    assert "first decision counts" in str(result.exception)


@pytest.mark.parametrize(("choice", "attempt"), [("--retry", 2), ("--give-up", None)])
def test_an_attempt_that_hangs_on_the_service_can_be_ended(
    counter: Desk, choice: str, attempt: int | None
) -> None:
    def hang(*_: object, **__: object) -> Response:
        raise OutcomeUnknown("still in_progress")

    gateway = counter.gateway
    follow, gateway.follow_response = gateway.follow_response, hang
    read = gateway.get_response
    gateway.get_response = lambda response_id: replace(read(response_id), status="in_progress")
    with pytest.raises(StageFailed, match="in_progress"):
        run_stage(CALL, counter.services(), RUN)
    gateway.follow_response = follow
    counter.now += 100.0
    assert counter.run(choice).return_value == 0
    gateway.get_response = read
    if attempt is None:
        with pytest.raises(StageFailed, match="given up"):
            run_stage(CALL, counter.services(), RunId("run-2"))
    else:
        assert run_stage(CALL, counter.services(), RunId("run-2")).attempt == attempt


@pytest.mark.parametrize("choice", ["--retry", "--give-up"])
def test_what_the_service_has_finished_meanwhile_is_not_thrown_away(
    counter: Desk, choice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(counter, monkeypatch)
    counter.now += 100.0
    assert counter.run(choice).return_value == 0
    assert run_stage(CALL, counter.services(), RunId("run-2")).attempt == 1
    assert len(counter.gateway.posts) == 1


def begin(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a run end after the service has taken its request."""

    def die(*_: object, **__: object) -> Response:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(desk.gateway, "follow_response", die)
        with pytest.raises(Killed):
            run_stage(CALL, desk.services(), RUN)


@pytest.fixture(params=["taken", "in doubt"])
def moved(counter: Desk, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A stage whose run was killed, and a profile that has another endpoint since."""
    if request.param == "taken":
        begin(counter, monkeypatch)
    else:
        counter.into_doubt()
        arrive_late(counter)
    counter.now += 90_000.0
    counter.first, counter.gateway = counter.gateway, ScriptedGateway()
    counter.gateway.endpoint = "https://moved.invalid/api/projects/test"
    return counter


def test_what_another_endpoint_does_not_show_is_not_paid_again(moved: Desk) -> None:
    with pytest.raises(StageInDoubt, match=r"went to https://scripted\.invalid.*--unasked"):
        run_stage(CALL, moved.services(), RunId("run-2"))
    assert moved.gateway.posts == []
    moved.gateway = moved.first
    assert run_stage(CALL, moved.services(), RunId("run-3")).attempt == 1
    assert len(moved.first.posts) == 1


def test_another_spelling_of_an_endpoint_is_no_other_endpoint(
    counter: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = counter.gateway.endpoint
    counter.gateway.endpoint = plain.replace("scripted.invalid", "Scripted.invalid:443") + "/"
    begin(counter, monkeypatch)
    counter.now += 90_000.0
    counter.gateway.endpoint = plain
    assert run_stage(CALL, counter.services(), RunId("run-2")).attempt == 1
    assert len(counter.gateway.posts) == 1


@pytest.mark.parametrize("choice", [["--retry"], ["--give-up"], ["--wait"], ["--wait", "--unasked"]])
def test_nothing_is_decided_at_another_endpoint(moved: Desk, choice: list[str]) -> None:
    result = moved.run(*choice)
    assert isinstance(result.exception, InvalidInput)
    assert "use the profile of that endpoint" in str(result.exception)
    moved.gateway = moved.first
    assert run_stage(CALL, moved.services(), RunId("run-3")).attempt == 1


def test_a_stage_is_paid_again_when_its_endpoint_is_no_more_and_a_person_says_so(moved: Desk) -> None:
    assert moved.run("--retry", "--unasked").return_value == 0
    assert run_stage(CALL, moved.services(), RunId("run-2")).attempt == 2
    assert len(moved.gateway.posts) == 1


def test_a_stage_whose_endpoint_is_no_more_can_be_given_up(moved: Desk) -> None:
    assert moved.run("--give-up", "--unasked").return_value == 0
    with pytest.raises(StageFailed, match="given up"):
        run_stage(CALL, moved.services(), RunId("run-2"))


def test_an_endpoint_that_is_there_is_asked(desk: Desk) -> None:
    desk.now += 100.0
    arrive_late(desk)
    result = desk.run("--retry", "--unasked")
    assert isinstance(result.exception, InvalidInput)
    assert "the profile's own" in str(result.exception)
    assert run_stage(CALL, desk.services(), RunId("run-2")).attempt == 1


class Killed(BaseException):
    """What ends a process at once."""


def arrive_late(desk: Desk) -> None:
    """Let the lost POST arrive after all, as the service would see it."""
    attempt = desk.services().ledger.newest_attempt(CALL.pipeline, CALL.fingerprint)
    assert attempt is not None
    intent = attempt.turns[0].intent
    marks = {"assetmill_fingerprint": CALL.fingerprint, "assetmill_attempt": "1", "assetmill_turn": "1"}
    desk.gateway.accept(ResponseRequest(AgentVersion("a", "1"), intent.conversation_id, (), marks))


def test_a_wait_for_a_quota_is_lifted_and_nothing_else_is(counter: Desk) -> None:
    def refuse(_: ResponseRequest) -> None:
        counter.gateway.before = lambda _: None
        raise Throttled("slow down", "rate_limit", 429, 90_000.0)

    counter.gateway.before = refuse
    with pytest.raises(StageFailed):
        run_stage(CALL, counter.services(), RUN)
    assert counter.run("--retry-now").return_value == 0
    began = counter.now
    assert run_stage(CALL, counter.services(), RunId("run-2")).attempt == 2
    assert counter.now - began < 1.0
    assert isinstance(counter.run("--retry-now").exception, NotFound)


def test_a_stage_at_which_a_killed_run_began_nothing_is_refused_with_what_it_began(desk: Desk) -> None:
    result = CliRunner().invoke(resolve, [RUN, "other", "--retry"], standalone_mode=False)
    assert isinstance(result.exception, NotFound)
    assert f"of run {RUN}: it began {CALL.stage}" in str(result.exception)
