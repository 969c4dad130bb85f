"""A run or a batch that somebody calls off: in Prefect or by a mark in the store, nothing more is posted."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect import State
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.states import Cancelling

from assetmill.agents.gateway import ResponseRequest
from assetmill.batches.ledger import BatchLedger
from assetmill.batches.opening import store_start
from assetmill.batches.records import BatchManifest
from assetmill.cli.cancel import call_off
from assetmill.errors import RunStopped
from assetmill.records import RunId
from assetmill.stage.services import Services
from assetmill.store.memory import MemoryStore
from flows.run_batch import run_batch
from flows.run_pipeline import run_pipeline
from flows.run_shard import run_shard
from tasks.connections import provided
from tests.batchworks import ONE, plan_batch, products
from tests.doubles import ScriptedGateway
from tests.marks import WITH_PREFECT
from tests.millworks import CHAIN, painter, services_on, settings_in

pytestmark = WITH_PREFECT

ROWS = 40


class Called:
    """Calls something off when the third post is made; from then on a post takes until it is heard of."""

    def __init__(self, services: Services, call_off: Callable[[], object]) -> None:
        self._services, self._call_off, self._posts = services, call_off, 0
        self._lock = threading.Lock()
        self.after = 0

    def __call__(self, _: ResponseRequest) -> None:
        with self._lock:
            self._posts += 1
            is_third = self._posts == 3
            self.after += self._services.stop.is_set()
        if is_third:
            self._call_off()
        if self._posts >= 3:
            assert self._services.stop.wait(20), "nobody has heard of it"


@pytest.fixture
def gateway() -> ScriptedGateway:
    return painter()


@pytest.fixture
def services(tmp_path: Path, gateway: ScriptedGateway) -> Iterator[Services]:
    services = services_on(settings_in(tmp_path, one=ONE, chain=CHAIN), MemoryStore(), gateway)
    with provided(services, "local"):
        yield services
    services.close()


def newest(services: Services) -> BatchManifest:
    manifest = BatchLedger(services.backend).newest_of("one")
    assert manifest is not None
    return manifest


def running() -> FlowRun:
    async def read() -> FlowRun:
        async with get_client() as client:
            found = await client.read_flow_runs()
            return next(run for run in found if run.state and run.state.is_running())

    return asyncio.run(read())


def cancel_in_prefect() -> None:
    async def cancel() -> None:
        async with get_client() as client:
            await client.set_flow_run_state(running_now.id, Cancelling())

    running_now = running()
    asyncio.run(cancel())


def state_of(flow_run_id: str | None) -> State[Any] | None:
    async def read() -> State[Any] | None:
        async with get_client() as client:
            return (await client.read_flow_run(flow_run_id)).state  # pyright: ignore[reportArgumentType]

    return asyncio.run(read())


def mark_in_the_store(services: Services) -> None:
    assert call_off("called", services) == "batch"


@pytest.mark.parametrize("how", ["prefect", "store"])
def test_a_batch_that_is_called_off_posts_nothing_more(
    services: Services, gateway: ScriptedGateway, tmp_path: Path, how: str, sent: dict[str, dict[str, Any]]
) -> None:
    called = Called(services, cancel_in_prefect if how == "prefect" else lambda: mark_in_the_store(services))
    gateway.before = called
    flow: Any = run_batch
    rows = products(tmp_path, *(f"thing {n}" for n in range(ROWS)))
    with pytest.raises(RunStopped):
        asyncio.run(flow("one", rows, name="called", profile="local"))
    manifest = newest(services)
    assert called.after == 0
    assert len(gateway.posts) <= services.settings.run.concurrency + 3
    assert manifest.status == "stopped"
    assert (manifest.reason or "").startswith("cancelled in Prefect" if how == "prefect" else "cancelled by")
    assert len(manifest.rows) == ROWS
    # What the service was paid is told, or said to be unknown: never left out.
    assert manifest.spent_usd is None or manifest.spent_usd > 0
    state = state_of(manifest.flow_run_id)
    assert state is not None
    assert state.is_cancelled()
    assert sent.keys() == {"assetmill.batch.stopped", "assetmill.batch.cancelled"}
    assert sent["assetmill.batch.cancelled"]["reason"] == manifest.reason


def test_a_batch_that_was_called_off_goes_on_when_it_is_run_again(
    services: Services, gateway: ScriptedGateway, tmp_path: Path
) -> None:
    called = Called(services, lambda: mark_in_the_store(services))
    gateway.before = called
    flow: Any = run_batch
    rows = products(tmp_path, *(f"thing {n}" for n in range(ROWS)))
    with pytest.raises(RunStopped):
        asyncio.run(flow("one", rows, name="called", profile="local"))
    again = services_on(services.settings, services.backend, gateway)
    gateway.before = lambda _: None
    with provided(again, "local"):
        assert asyncio.run(flow("one", rows, name="called", profile="local"))["status"] == "completed"
    assert len(gateway.posts) == ROWS


@pytest.mark.parametrize("how", ["prefect", "store"])
def test_a_run_that_is_called_off_posts_nothing_more(
    services: Services, gateway: ScriptedGateway, how: str
) -> None:
    def mark() -> None:
        (run_id,) = services.ledger.runs()
        assert call_off(run_id, services) == "run"

    def stopping(_: ResponseRequest) -> None:
        cancel_in_prefect() if how == "prefect" else mark()
        assert services.stop.wait(20)

    gateway.before = stopping
    flow: Any = run_pipeline
    with pytest.raises(RunStopped):
        asyncio.run(flow("chain", profile="local"))
    manifest = services.ledger.latest_manifest("chain")
    assert manifest is not None
    assert manifest.status == "cancelled"
    assert len(gateway.posts) == 1
    state = state_of(manifest.flow_run_id)
    assert state is not None
    assert state.is_cancelled()


@pytest.mark.parametrize("mark", ["run", "all"])
def test_a_shard_that_has_not_begun_finds_the_mark(
    services: Services, gateway: ScriptedGateway, tmp_path: Path, mark: str
) -> None:
    batch = plan_batch(services, products(tmp_path, "a mug", "a lamp"), "one", name="called")
    store_start(batch)
    of_run = "run_00000000000000000000000001"
    if mark == "run":
        batch.ledger.halt("called", of_run, "cancelled in Prefect: the batch", is_cancel=True)
    else:
        batch.ledger.cancel("called", "cancelled by somebody")
    flow: Any = run_shard
    asked = {"first": 0, "last": 2, "halt_run": of_run, "profile": "local"}
    with pytest.raises(RunStopped):
        asyncio.run(flow("called", batch.content, **asked))
    assert gateway.posts == []


def test_a_drained_shard_leaves_its_rows_to_another(
    services: Services, gateway: ScriptedGateway, tmp_path: Path, sent: dict[str, dict[str, Any]]
) -> None:
    batch = plan_batch(services, products(tmp_path, "a mug", "a lamp"), "one", name="drained")
    store_start(batch)
    gateway.before = lambda _: services.stop.set()
    flow: Any = run_shard
    asked = {"first": 0, "last": 2, "halt_run": str(RunId("run_x")), "profile": "local"}
    state = asyncio.run(flow("drained", batch.content, **asked, return_state=True))
    assert state.is_crashed()
    assert state.message.startswith("drained: ")
    assert sent.keys() == {"assetmill.batch.drained"}
    pages = [batch.ledger.read_page(key) for key in batch.ledger.page_keys("drained")]
    assert all(row.state != "cancelled" for page in pages if page for row in page.rows)
