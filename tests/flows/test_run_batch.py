"""The batch flow on a real Prefect server, its agents in memory."""

from __future__ import annotations

import asyncio
import logging.handlers
import queue
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    FlowRunFilter,
    FlowRunFilterId,
)
from prefect.client.schemas.objects import FlowRun

from assetmill.agents.gateway import ResponseRequest
from assetmill.batches.begun import BegunBatches
from assetmill.batches.ledger import BatchLedger
from assetmill.batches.opening import Batch, InvalidRows, store_start
from assetmill.batches.records import BatchManifest
from assetmill.batches.so_far import BatchLooks, BatchSoFar
from assetmill.errors import AccountBlocked, InvalidSettings, Rejected, RunFailed
from assetmill.stage.services import Services
from assetmill.store.memory import MemoryStore
from flows.run_batch import run_batch
from flows.run_shard import run_shard
from tasks import policies
from tasks.connections import provided, unattended
from tasks.flow_runs import names_of
from tasks.shards import is_refused
from tasks.spread import TASK_RUNNER
from tests.batchworks import CARD, plan_batch, products, states, write_rows
from tests.doubles import ScriptedGateway
from tests.marks import WITH_PREFECT
from tests.millworks import painter, services_on, settings_in

pytestmark = WITH_PREFECT


@pytest.fixture
def gateway() -> ScriptedGateway:
    return painter()


@pytest.fixture
def services(tmp_path: Path, gateway: ScriptedGateway) -> Iterator[Services]:
    services = services_on(settings_in(tmp_path, card=CARD), MemoryStore(), gateway)
    with provided(services, "local"):
        yield services
    services.close()


def run(rows: str, **options: Any) -> dict[str, Any]:
    begin: Any = run_batch
    return asyncio.run(begin("card", rows, profile="local", **options))


def newest(services: Services) -> BatchManifest:
    manifest = BatchLedger(services.backend).newest_of("card")
    assert manifest is not None
    return manifest


def test_a_batch_is_a_flow_run_with_a_task_for_every_group(services: Services, tmp_path: Path) -> None:
    told = run(products(tmp_path, *(f"thing {n}" for n in range(18))))
    manifest = newest(services)
    assert (told["status"], set(states(manifest))) == ("completed", {"done"})
    # Its rows are kept: what it was asked for is known without the table.
    start = BatchLedger(services.backend).newest_start(manifest.batch_id)
    assert start is not None
    assert start.row_count == 18

    async def read() -> tuple[FlowRun, list[str], dict[str | None, Any]]:
        async with get_client() as client:
            ids: Any = [manifest.flow_run_id]
            found = await client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=ids)))
            shown = await client.read_artifacts(
                artifact_filter=ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=ids))
            )
            names = [re.sub("-[0-9a-f]{3}$", "", one.name) for one in found]
            flow_run = await client.read_flow_run(cast(Any, manifest.flow_run_id))
            return flow_run, names, {one.type: one.data for one in shown}

    flow_run, tasks, artifacts = asyncio.run(read())
    name = manifest.batch_id
    assert (flow_run.name, flow_run.tags) == (f"batch {name} of card", [f"batch:{name}"])
    # Task runs arrive as events, a moment later.
    assert set(tasks) <= {"rows 18-19", "rows 2-17", "seal-batch"}
    assert artifacts["progress"] == 100.0
    assert "| 2 | row 2 | done |" in artifacts["markdown"]


def test_a_batch_is_marked_before_it_spends_and_until_it_is_sealed(
    services: Services, gateway: ScriptedGateway, tmp_path: Path
) -> None:
    begun, marked = BegunBatches(services.backend), list[str]()
    gateway.before = lambda _request: marked.extend(one.start.batch_id for one in begun.newest(1, "card"))
    told = run(products(tmp_path, "a mug"))
    assert marked == [told["batch_id"]] * 3
    assert begun.newest(1) == []


def test_a_batch_says_how_far_it_is_while_its_group_is_at_work(
    services: Services, gateway: ScriptedGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No page tells of a row until the last one of its group has ended."""
    monkeypatch.setattr(policies, "BATCH_BEAT_S", 0.01)
    begun, looks = BegunBatches(services.backend), BatchLooks(services.backend)
    told = list[BatchSoFar]()

    def look(request: ResponseRequest) -> None:
        """Hold the last row back until what came before is told of."""
        if "a lamp together" in str(request.input):
            (found,) = begun.newest(1)
            while not (now := looks.look(found)).done:
                time.sleep(0.01)
            told.append(now)

    gateway.before = look
    run(products(tmp_path, "a mug", "a lamp"))
    (now,) = told
    assert (now.is_going, now.done, now.shown) == (True, 1, ())
    assert now.spent_usd is not None
    assert 0 < now.spent_usd < (newest(services).spent_usd or 0.0)


def test_a_second_batch_calls_the_service_zero_times(
    services: Services, gateway: ScriptedGateway, tmp_path: Path
) -> None:
    rows = products(tmp_path, "a mug", "a lamp")
    run(rows)
    paid = len(gateway.posts)
    gateway.examine = lambda models: pytest.fail("a batch that makes nothing asked the service")
    assert run(rows)["spent_usd"] == 0.0
    assert len(gateway.posts) == paid


def test_rows_that_are_left_fail_the_flow_run_and_not_each_other(
    services: Services, gateway: ScriptedGateway, tmp_path: Path, sent: dict[str, dict[str, Any]]
) -> None:
    def refuse(request: ResponseRequest) -> None:
        if "lamp" in str(request.input):
            raise Rejected("too many lamps", "invalid_request", 400)

    gateway.before = refuse
    with pytest.raises(RunFailed, match="1 of 2 rows"):
        run(products(tmp_path, "a mug", "a lamp"))
    assert states(newest(services)) == ["done", "failed"]
    assert sent["assetmill.batch.incomplete"]["rows"] == {"done": 1, "failed": 1}


def test_an_outage_is_an_event_when_it_begins_and_when_it_is_over(
    services: Services, sent: dict[str, dict[str, Any]]
) -> None:
    outage = services.outages.of("store", "the store s3://bucket")
    outage.begin("connection refused")
    assert sent["assetmill.store.away"]["reason"] == "connection refused"
    outage.over()
    assert sent.keys() == {"assetmill.store.away", "assetmill.store.back"}


def test_a_worker_logs_an_outage_with_its_run_whichever_thread_meets_it(
    services: Services, sent: dict[str, dict[str, Any]]
) -> None:
    kept: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    handler = logging.handlers.QueueHandler(kept)

    @flow
    def meets() -> None:
        with unattended(services.settings) as opened:
            thread = threading.Thread(
                target=lambda: opened.outages.of("store", "the store").begin("connection refused")
            )
            thread.start()
            thread.join()

    logger = logging.getLogger("prefect.flow_runs")
    logger.addHandler(handler)
    try:
        meets()
    finally:
        logger.removeHandler(handler)
    records = [kept.get() for _ in range(kept.qsize())]
    (told,) = [record for record in records if "the store is away since" in record.getMessage()]
    assert told.__dict__["flow_run_id"]
    assert sent.keys() == {"assetmill.store.away"}


def test_tasks_are_called_by_the_names_of_their_rows() -> None:
    assert names_of(["spring mug", "row 3", "autumn vase"], 2, 4) == "spring mug to autumn vase (rows 2-4)"
    assert names_of(["spring mug"], 2, 2) == "spring mug (row 2)"
    assert names_of(["row 2", "row 3"], 2, 3) == "rows 2-3"


def test_a_blocked_account_is_said(services: Services, gateway: ScriptedGateway, tmp_path: Path) -> None:
    def refuse(_: ResponseRequest) -> None:
        raise AccountBlocked("the resource is blocked", "account_blocked", 403)

    gateway.before = refuse
    with pytest.raises(Exception, match="the account is blocked"):
        run(products(tmp_path, "a mug", "a lamp"))
    assert newest(services).status == "stopped"


def test_bad_rows_and_a_pool_that_is_not_there_spend_nothing(
    services: Services, gateway: ScriptedGateway, tmp_path: Path
) -> None:
    with pytest.raises(InvalidRows):
        run(write_rows(tmp_path, [{"product": "x" * 30}]))
    with pytest.raises(InvalidSettings, match=r"prefect work-pool create nowhere.*assetmill deploy"):
        run(products(tmp_path, "a mug"), work_pool="nowhere")
    assert gateway.posts == []


def test_rows_of_a_shard_that_fails_say_why(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def change_on_the_way(batch: Batch) -> None:
        store_start(batch)
        path = batch.pipeline.path
        path.write_text(path.read_text() + "# changed\n")

    monkeypatch.setattr("tasks.spread.store_start", change_on_the_way)
    with pytest.raises(RunFailed, match="2 of 2 rows"):
        run(products(tmp_path, "a mug", "a lamp"), work_pool=TASK_RUNNER)
    manifest = newest(services)
    assert states(manifest) == ["failed"] * 2
    assert "is not the file that batch" in str(manifest.rows[0].reason)


def test_a_shard_that_this_machine_cannot_begin_is_refused(services: Services, tmp_path: Path) -> None:
    batch = plan_batch(services, products(tmp_path, "a mug"))
    store_start(batch)
    batch.pipeline.path.write_text(batch.pipeline.path.read_text() + "# changed\n")
    asked = {"first": 0, "last": 1, "halt_run": "run", "profile": "local"}
    state = asyncio.run(cast(Any, run_shard)(batch.batch_id, batch.content, **asked, return_state=True))

    async def read() -> FlowRun:
        async with get_client() as client:
            return await client.read_flow_run(state.state_details.flow_run_id)

    told = asyncio.run(read())
    assert is_refused(told)
    assert str(told.state and told.state.message).endswith("bring this machine up to date")
    # Automations go by it.
    assert told.state_name == "Failed"


def test_shards_run_on_the_flows_own_task_runner(
    services: Services, gateway: ScriptedGateway, tmp_path: Path
) -> None:
    told = run(products(tmp_path, *(f"thing {n}" for n in range(5))), work_pool=TASK_RUNNER, shard=2)
    manifest = newest(services)
    assert (told["status"], states(manifest)) == ("completed", ["done"] * 5)
    # A scene and a poster for each row, and one room for all of them, though three shards wanted it.
    assert len(gateway.posts) == 11


def test_shards_run_on_a_dask_cluster(services: Services, gateway: ScriptedGateway, tmp_path: Path) -> None:
    """Dask rather than Ray: its cluster runs in this process too, and its wheel is a hundredth of Ray's."""
    dask: Any = pytest.importorskip("prefect_dask", reason="the extra `dask` is not installed")
    cluster = {"n_workers": 1, "threads_per_worker": 2, "processes": False, "dashboard_address": None}
    runner = dask.DaskTaskRunner(cluster_kwargs=cluster)
    clustered: Any = run_batch.with_options(task_runner=runner)
    rows = products(tmp_path, *(f"thing {n}" for n in range(4)))
    told = asyncio.run(clustered("card", rows, profile="local", work_pool=TASK_RUNNER, shard=2))
    assert (told["status"], states(newest(services))) == ("completed", ["done"] * 4)
    assert len(gateway.posts) == 9
