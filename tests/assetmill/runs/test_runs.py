"""A run without Prefect: what becomes of its stages, what it cost, and what the next run makes of it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from assetmill.agents.gateway import Finding, Response, ResponseRequest
from assetmill.errors import (
    InvalidSettings,
    InvalidSpec,
    RunFailed,
    RunStopped,
    StageBlocked,
    StageInDoubt,
)
from assetmill.plan.plan import ShownPlan
from assetmill.records import RunId, RunManifest
from assetmill.runs.planning import plan_pipeline
from assetmill.runs.run import begin_run, check_outcome
from assetmill.stage.engine import run_stage
from assetmill.stage.services import Services
from assetmill.store.memory import MemoryStore
from assetmill.store.run_ids import make_run_id
from tests.doubles import Body, ScriptedGateway, always
from tests.millworks import CHAIN, SQUARE, painter, run_here, services_on, settings_in, wide


@pytest.fixture
def gateway() -> ScriptedGateway:
    return painter()


@pytest.fixture
def services(tmp_path: Path, gateway: ScriptedGateway) -> Iterator[Services]:
    settings = settings_in(tmp_path, chain=CHAIN, wide=wide(3), many=wide(60, "many"))
    services = services_on(settings, MemoryStore(), gateway)
    yield services
    services.close()


class Killed(BaseException):
    """A process is about to go: nothing of it comes after."""


def states(manifest: RunManifest) -> list[str]:
    return [entry.status for entry in manifest.stages]


def test_a_second_run_makes_nothing_and_says_what_it_reused(
    services: Services, gateway: ScriptedGateway
) -> None:
    first, second = run_here(services, "chain"), run_here(services, "chain")
    assert states(first) == ["done", "done"]
    assert states(second) == ["reused", "reused"]
    assert len(gateway.posts) == 2
    assert second.spent_usd == 0.0
    assert first.spent_usd is not None
    assert first.spent_usd > 0
    assert second.assets() == first.assets()


def test_a_run_that_changes_nothing_asks_the_store_ten_times_at_most(services: Services) -> None:
    run_here(services, "many")
    before = services.backend.requests
    assert set(states(run_here(services, "many"))) == {"reused"}
    assert services.backend.requests - before <= 10


def test_what_depends_on_a_failure_is_skipped_and_the_rest_goes_on(
    services: Services, gateway: ScriptedGateway
) -> None:
    gateway.script = always()
    manifest = run_here(services, "chain")
    assert states(manifest) == ["failed", "skipped"]
    assert manifest.status == "failed"
    with pytest.raises(RunFailed, match="2 of 2 stages did not finish"):
        check_outcome(manifest)
    assert states(run_here(services, "wide")) == ["failed"] * 3


def first_only(request: ResponseRequest) -> list[Body]:
    return [SQUARE] if "first" in request.agent.name else []


def test_the_next_run_goes_on_where_one_failed(services: Services, gateway: ScriptedGateway) -> None:
    gateway.script = first_only
    assert states(run_here(services, "chain")) == ["done", "failed"]
    gateway.script = always(SQUARE)
    assert states(run_here(services, "chain")) == ["reused", "done"]
    assert len(gateway.posts) == 3


def test_a_blocked_account_ends_the_run_at_once(services: Services) -> None:
    def blocked(*_: object) -> None:
        raise StageBlocked("s000", "the account is blocked", scope="account")

    manifest = run_here(services, "wide", blocked)  # pyright: ignore[reportArgumentType]
    assert states(manifest) == ["failed", "cancelled", "cancelled"]


def test_a_stage_in_doubt_is_told_apart_from_a_failure(services: Services) -> None:
    def doubtful(*_: object) -> None:
        raise StageInDoubt("s000", "no evidence either way")

    assert set(states(run_here(services, "wide", doubtful))) == {"in_doubt"}  # pyright: ignore[reportArgumentType]


def test_a_stopped_run_begins_nothing_new_and_says_so(services: Services, gateway: ScriptedGateway) -> None:
    run = begin_run("wide", {}, services, str(uuid.uuid4()))
    services.stop.set()
    assert [run.begin(label) for label in run.stages] == [None] * 3
    manifest = run.seal()
    assert (manifest.status, gateway.posts) == ("cancelled", [])
    with pytest.raises(RunStopped) as stopped:
        check_outcome(manifest)
    assert stopped.value.run_id == manifest.run_id
    assert stopped.value.exit_code == 130


def test_a_stage_that_was_paid_for_and_stopped_has_an_unknown_cost(
    services: Services, gateway: ScriptedGateway
) -> None:
    def stop(_: ResponseRequest) -> None:
        services.stop.set()

    def follow(*_: object, **__: object) -> Response:
        services.wait(0)
        raise AssertionError("unreachable: the run is being stopped")

    gateway.after, gateway.follow_response = stop, follow
    manifest = run_here(services, "wide")
    assert states(manifest) == ["cancelled"] * 3
    assert [entry.spent_usd for entry in manifest.stages] == [None, 0.0, 0.0]
    assert manifest.spent_usd is None


def test_the_plan_that_was_shown_is_the_one_that_runs_once(services: Services) -> None:
    plan = plan_pipeline("wide", {}, services.settings, services.ledger)
    services.shown = ShownPlan("wide", {}, plan)
    assert begin_run("wide", {}, services, str(uuid.uuid4())).plan is plan
    assert begin_run("wide", {}, services, str(uuid.uuid4())).plan is not plan


def test_a_plan_that_was_shown_for_something_else_is_not_run(services: Services) -> None:
    services.shown = ShownPlan("wide", {}, plan_pipeline("wide", {}, services.settings, services.ledger))
    assert begin_run("chain", {"subject": "a cup"}, services, str(uuid.uuid4())).plan.name == "chain"


def test_bad_parameters_are_named_before_anything_is_written(services: Services) -> None:
    with pytest.raises(InvalidSpec, match="unknown parameter 'subjct'"):
        begin_run("chain", {"subjct": "x"}, services, str(uuid.uuid4()))
    assert services.ledger.runs() == []


def test_a_missing_model_deployment_is_named_before_anything_is_spent(
    services: Services, gateway: ScriptedGateway
) -> None:
    gateway.examine = lambda models: (Finding("model deployment", "problem", f"{models[0]} is not deployed"),)
    with pytest.raises(InvalidSettings, match=r"gpt-5\.6-luna is not deployed"):
        begin_run("chain", {}, services, str(uuid.uuid4()))
    assert (services.ledger.runs(), gateway.posts) == ([], [])


def test_run_ids_sort_by_the_time_of_their_start() -> None:
    flow_run_id = str(uuid.uuid4())
    made = [make_run_id(flow_run_id, at) for at in (1.0, 1.002, 1.8e9, 1.8e9 + 0.01, 4e9)]
    assert made == sorted(set(made))
    assert make_run_id(flow_run_id, 1.0, 2) == RunId(f"{made[0]}_2")


def test_a_stage_at_work_when_its_run_is_sealed_has_an_unknown_cost(
    services: Services, gateway: ScriptedGateway
) -> None:
    gateway.after = raising(Killed())
    run = begin_run("chain", {}, services, str(uuid.uuid4()))
    first, *_ = run.stages
    call = run.begin(first)
    assert call
    with pytest.raises(Killed):
        run_stage(call, services, run.run_id)
    manifest = run.manifest()
    assert states(manifest) == ["cancelled", "cancelled"]
    assert [entry.spent_usd for entry in manifest.stages] == [None, 0.0]
    assert manifest.spent_usd is None


def raising(error: BaseException) -> Callable[[ResponseRequest], None]:
    def fail(_: ResponseRequest) -> None:
        raise error

    return fail
