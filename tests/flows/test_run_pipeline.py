"""The flow on a real Prefect server, its agents in memory: order, width, failures, what Prefect shows."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect import State
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId

from assetmill.agents.gateway import ResponseRequest
from assetmill.errors import InvalidSpec, NotSent, RunFailed, RunStopped
from assetmill.records import RunId, RunManifest
from assetmill.stage.services import Services
from assetmill.store.memory import MemoryStore
from flows.run_pipeline import run_pipeline
from tasks import stage_groups
from tasks.connections import provided
from tasks.flow_runs import stages_name
from tasks.stage_groups import StageGroup
from tests.doubles import Body, ScriptedGateway
from tests.marks import WITH_PREFECT
from tests.millworks import CHAIN, PICTURE, SQUARE, painter, services_on, settings_in, wide

pytestmark = WITH_PREFECT

FORK = f"""
name: fork
stages:
  - name: bad
    prompt: Draw nothing.{PICTURE % "bad"}
  - name: after-bad
    prompt: Draw it again.{PICTURE % "after"}
    inputs: [{{from: bad}}]
  - name: good
    prompt: Draw a mug.{PICTURE % "good"}
  - name: after-good
    prompt: Draw it again.{PICTURE % "again"}
    inputs: [{{from: good}}]
"""


@pytest.fixture
def gateway() -> ScriptedGateway:
    return painter()


@pytest.fixture
def services(tmp_path: Path, gateway: ScriptedGateway) -> Iterator[Services]:
    settings = settings_in(tmp_path, chain=CHAIN, fork=FORK, wide=wide(12))
    services = services_on(settings, MemoryStore(), gateway)
    with provided(services, "local"):
        yield services
    services.close()


def run(pipeline: str, **parameters: Any) -> dict[str, Any]:
    told: Any = asyncio.run(run_pipeline(pipeline, parameters, "local"))
    return told


def manifest_of(services: Services, run_id: str) -> RunManifest:
    manifest = services.ledger.read_manifest(RunId(run_id))
    assert manifest is not None
    return manifest


def states(manifest: RunManifest) -> dict[str, str]:
    return {entry.stage: entry.status for entry in manifest.stages}


def test_a_run_is_sealed_under_the_id_of_its_flow_run(services: Services) -> None:
    told = run("chain")
    manifest = manifest_of(services, told["run_id"])
    assert states(manifest) == {"first": "done", "second": "done"}
    assert told["assets"] == [asset.asset_id for asset in manifest.assets()]
    assert manifest.flow_run_id is not None
    assert told["run_id"].endswith(manifest.flow_run_id.replace("-", "")[-8:])


def test_a_second_run_calls_the_service_zero_times(services: Services, gateway: ScriptedGateway) -> None:
    run("chain")
    paid = len(gateway.posts)
    gateway.examine = lambda models: pytest.fail("a run that makes nothing asked the service")
    told = run("chain")
    assert states(manifest_of(services, told["run_id"])) == {"first": "reused", "second": "reused"}
    assert (len(gateway.posts), told["spent_usd"]) == (paid, 0.0)


def test_a_failure_leaves_what_does_not_depend_on_it_running(
    services: Services, gateway: ScriptedGateway
) -> None:
    def script(request: ResponseRequest) -> list[Body]:
        return [] if request.agent.name.endswith("-bad") else [SQUARE]

    gateway.script = script
    with pytest.raises(RunFailed) as failed:
        run("fork")
    found = states(manifest_of(services, failed.value.run_id))
    assert found == {"bad": "failed", "after-bad": "skipped", "good": "done", "after-good": "done"}


def test_a_flow_run_that_nobody_watches_does_not_pay_a_third_time(
    services: Services, gateway: ScriptedGateway
) -> None:
    def script(request: ResponseRequest) -> list[Body]:
        return [] if request.agent.name.endswith("-bad") else [SQUARE]

    gateway.script = script
    reasons: list[str | None] = []
    for _ in range(4):
        with pytest.raises(RunFailed) as failed:
            run("fork")
        entry = next(one for one in manifest_of(services, failed.value.run_id).stages if one.stage == "bad")
        reasons.append(entry.error)
    assert sum(post.agent.name.endswith("-bad") for post in gateway.posts) == 2
    assert all("--pay-again" in str(reason) for reason in reasons[2:])


def test_stages_run_beside_each_other_up_to_the_profiles_width(
    services: Services, gateway: ScriptedGateway
) -> None:
    width = Width(gateway)
    run("wide")
    assert 3 <= width.most <= services.settings.run.concurrency
    assert len(gateway.posts) == 12


def test_many_stages_are_shown_as_tasks_for_a_few_and_run_as_ever(
    services: Services, gateway: ScriptedGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage_groups, "SHOWN_STAGES", 11)
    monkeypatch.setattr(stage_groups, "GROUP_STAGES", 5)
    monkeypatch.setattr("tasks.policies.SPEND_PAUSES_S", (0.0, 0.0))
    lost = threading.Semaphore(2)
    shown: list[tuple[str, str, str]] = []

    def wait(group: StageGroup, real: Callable[[StageGroup], State[Any]] = StageGroup.wait) -> State[Any]:
        state = real(group)
        shown.append((stages_name(group.labels), str(state.name), str(state.message)))
        return state

    monkeypatch.setattr(StageGroup, "wait", wait)

    def create(metadata: object, real: Callable[..., str] = gateway.create_conversation) -> str:
        if lost.acquire(blocking=False):
            raise NotSent("connection refused")
        return real(metadata)

    def script(request: ResponseRequest) -> list[Body]:
        return [] if request.agent.name.endswith("-s007") else [SQUARE]

    gateway.create_conversation, gateway.script = create, script
    with pytest.raises(RunFailed) as failed:
        run("wide")
    manifest = manifest_of(services, failed.value.run_id)
    assert [entry.status for entry in manifest.stages] == ["done"] * 7 + ["failed"] + ["done"] * 4
    assert len(gateway.posts) == 12
    assert sorted(shown) == [
        ("s000 to s004 (5 stages)", "Completed", "5 done"),
        ("s005 to s009 (5 stages)", "Failed", f"4 done, 1 failed; first s007: {manifest.stages[7].error}"),
        ("s010 to s011 (2 stages)", "Completed", "2 done"),
    ]


class Width:
    """Holds every post for a moment and remembers how many were held at once."""

    def __init__(self, gateway: ScriptedGateway) -> None:
        self.now, self.most, self._lock = 0, 0, threading.Lock()
        gateway.before = self.enter

    def enter(self, _: ResponseRequest) -> None:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(0.3)
        with self._lock:
            self.now -= 1


def test_a_service_that_was_not_reached_is_asked_again_by_prefect(
    services: Services, gateway: ScriptedGateway
) -> None:
    asked: list[str] = []

    def create(metadata: object, real: Callable[..., str] = gateway.create_conversation) -> str:
        asked.append("")
        if len(asked) == 1:
            raise NotSent("connection refused")
        return real(metadata)

    gateway.create_conversation = create
    told = run("chain")
    assert states(manifest_of(services, told["run_id"])) == {"first": "done", "second": "done"}
    assert len(gateway.posts) == 2


def test_a_stopped_run_is_sealed_and_the_next_goes_on(services: Services, gateway: ScriptedGateway) -> None:
    def stop(request: ResponseRequest) -> None:
        if "second" in request.agent.name:
            services.stop.set()
            services.wait(0)

    gateway.before = stop
    with pytest.raises(RunStopped) as stopped:
        run("chain")
    assert stopped.value.run_id is not None
    assert states(manifest_of(services, stopped.value.run_id)) == {"first": "done", "second": "cancelled"}


def test_bad_input_ends_a_flow_run_before_anything_is_written(services: Services) -> None:
    with pytest.raises(InvalidSpec, match="unknown parameter"):
        run("chain", nonsense="x")
    assert services.ledger.runs() == []


def test_prefect_calls_a_run_by_its_pipeline_and_parameters(services: Services) -> None:
    manifest = manifest_of(services, run("chain", subject="a boat")["run_id"])

    async def name() -> str:
        async with get_client() as client:
            return (await client.read_flow_run(UUID(str(manifest.flow_run_id)))).name

    assert asyncio.run(name()) == "chain subject=a boat"


def test_prefect_shows_one_report_and_one_progress_bar(services: Services) -> None:
    manifest = manifest_of(services, run("chain")["run_id"])

    async def read() -> dict[str | None, Any]:
        async with get_client() as client:
            wanted = ArtifactFilterFlowRunId(any_=[manifest.flow_run_id])  # pyright: ignore[reportArgumentType]
            found = await client.read_artifacts(artifact_filter=ArtifactFilter(flow_run_id=wanted))
            return {artifact.type: artifact.data for artifact in found}

    artifacts = asyncio.run(read())
    assert artifacts["progress"] == 100.0
    assert "| first | done |" in artifacts["markdown"]
    assert "![](data:image/webp;base64," in artifacts["markdown"]
    assert set(artifacts) == {"progress", "markdown"}
