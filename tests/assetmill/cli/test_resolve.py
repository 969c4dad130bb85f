"""A person's word on a stage in doubt: the service is asked first, and nothing can arrive after it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from assetmill.agents.gateway import AgentVersion, ResponseRequest
from assetmill.cli.resolve import resolve
from assetmill.errors import InvalidInput, OutcomeUnknown, StageFailed, StageInDoubt
from assetmill.fingerprint import digest
from assetmill.records import RunId, RunStart
from assetmill.settings import Foundry, Settings
from assetmill.stage.engine import run_stage
from assetmill.stage.services import Services
from assetmill.store.memory import MemoryStore
from tests.doubles import ScriptedGateway, stage_call

CALL = stage_call()
RUN = RunId("run-1")


class Desk:
    """A stage in doubt, and the command on the same store and service."""

    def __init__(self, path: Path) -> None:
        self.gateway, self.backend, self.path = ScriptedGateway(), MemoryStore(), path
        self.now = 1_000_000.0
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
            foundry=Foundry(endpoint="https://scripted.invalid", settle_s=5.0, lease_s=60.0),
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
        with pytest.raises(StageInDoubt):
            run_stage(CALL, self.services(), RUN)

    def run(self, choice: str) -> Result:
        return CliRunner().invoke(
            resolve, [RUN, CALL.stage, choice], standalone_mode=False, catch_exceptions=True
        )


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    made = Desk(tmp_path)

    @contextmanager
    def opened(_: Settings) -> Generator[Services]:
        yield made.services("here:1:b")

    def settings(_: str | None) -> Settings:
        return made.services().settings

    def find_stage(*_: object) -> tuple[str, str]:
        return CALL.pipeline, CALL.fingerprint

    module = "assetmill.cli.resolve"
    for name, stand_in in (
        ("open_services", opened),
        ("load_settings", settings),
        ("find_stage", find_stage),
    ):
        monkeypatch.setattr(f"{module}.{name}", stand_in)
    made.into_doubt()
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


def arrive_late(desk: Desk) -> None:
    """Let the lost POST arrive after all, as the service would see it."""
    attempt = desk.services().ledger.newest_attempt(CALL.pipeline, CALL.fingerprint)
    assert attempt is not None
    intent = attempt.turns[0].intent
    marks = {"assetmill_fingerprint": CALL.fingerprint, "assetmill_attempt": "1", "assetmill_turn": "1"}
    desk.gateway.accept(ResponseRequest(AgentVersion("a", "1"), intent.conversation_id, (), marks))
