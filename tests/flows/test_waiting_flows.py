"""A flow run whose pictures wait for reviewers, on a real Prefect server: its state and its event."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun

from assetmill.records import RunId
from assetmill.stage.services import Services
from assetmill.store.memory import MemoryStore
from flows.run_batch import run_batch
from flows.run_pipeline import run_pipeline
from tasks import events
from tasks.connections import provided
from tests.batchworks import products
from tests.doubles import ScriptedGateway
from tests.marks import WITH_PREFECT
from tests.millworks import PICTURE, painter, services_on, settings_in
from tests.reviewyard import desk_for, say

pytestmark = WITH_PREFECT

HERO = f"""
name: hero
parameters:
  product: {{title: Product}}
stages:
  - name: draw
    prompt: Draw {{{{ product }}}}.
    approval: required{PICTURE % "hero"}
"""


@pytest.fixture
def gateway() -> ScriptedGateway:
    return painter()


@pytest.fixture
def services(tmp_path: Path, gateway: ScriptedGateway, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    monkeypatch.setenv("ASSETMILL_REVIEW_URL", "https://review.example")
    settings = settings_in(tmp_path, hero=HERO)
    settings = settings.model_copy(update={"review": settings.review.model_copy(
        update={"url": "https://review.example"})})  # fmt: skip
    services = services_on(settings, MemoryStore(), gateway)
    with provided(services, "local"):
        yield services
    services.close()


def flow_run(flow_run_id: str | None) -> FlowRun:
    async def read() -> FlowRun:
        async with get_client() as client:
            return await client.read_flow_run(flow_run_id)  # pyright: ignore[reportArgumentType]

    return asyncio.run(read())


def ended(flow: Coroutine[Any, Any, object]) -> Any:
    """Run a flow and return its facts, which Prefect takes out of a state."""
    return asyncio.run(flow)


def test_a_run_that_waits_ends_as_waiting_and_asks_its_reviewers(
    services: Services, gateway: ScriptedGateway, sent: dict[str, dict[str, Any]]
) -> None:
    desk = desk_for(services)
    told = ended(run_pipeline("hero", {"product": "a mug"}, "local"))
    manifest = services.ledger.read_manifest(RunId(told["run_id"]))
    assert manifest
    state = flow_run(manifest.flow_run_id).state
    assert state
    assert (told["status"], state.name, state.is_final()) == ("waiting", "Waiting", True)
    assert set(sent) == {"assetmill.run.waiting", events.REVIEW}
    request = sent[events.REVIEW]
    assert (request["waiting"], request["link"]) == (1, "https://review.example")
    assert request["command"] == f"assetmill open {told['run_id']}"
    say(desk, "approved", manifest.assets()[0])
    sent.clear()
    assert ended(run_pipeline("hero", {"product": "a mug"}, "local"))["status"] == "completed"
    assert set(sent) == {"assetmill.run.completed"}
    assert len(gateway.posts) == 1


def test_a_batch_that_waits_ends_as_waiting_and_asks_once(
    services: Services, sent: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    desk_for(services)
    told = ended(run_batch("hero", products(tmp_path, "a mug", "a lamp"), profile="local"))
    assert told["status"] == "waiting"
    assert set(sent) == {"assetmill.batch.waiting", events.REVIEW}
    assert list(sent[events.REVIEW]["asked"]) == ["row 2: draw", "row 3: draw"]
