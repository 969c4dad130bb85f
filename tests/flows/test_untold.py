"""Runs that did without Prefect, on its page once it is there for another."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    FlowRunFilter,
    FlowRunFilterName,
)
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_URL, temporary_settings

from assetmill.batches.ledger import BatchLedger
from assetmill.batches.reports import markdown
from assetmill.batches.unchanged import run_unchanged_batch
from assetmill.local.flow_runs import tell_prefect_later
from assetmill.local.own_prefect import free_port
from assetmill.local.untold import tell_untold
from assetmill.runs.unchanged import run_unchanged, untold_runs
from assetmill.stage.services import Services
from assetmill.store.memory import MemoryStore
from tests.batchworks import plan_batch, run_rows, write_rows
from tests.marks import WITH_PREFECT
from tests.millworks import PICTURE, painter, run_here, services_on, settings_in

pytestmark = WITH_PREFECT

PIPELINE = f"""
name: told-later
stages:
  - name: draw
    prompt: Draw a mug.{PICTURE % "mug"}
"""

BATCH = f"""
name: told-later-batch
parameters:
  thing: {{title: Thing}}
stages:
  - name: draw
    prompt: Draw {{{{ thing }}}}.{PICTURE % "thing"}
"""


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    pipelines = {"told-later": PIPELINE, "told-later-batch": BATCH}
    services = services_on(settings_in(tmp_path, **pipelines), MemoryStore(), painter())
    yield services
    services.close()


def flow_runs(name: str = "told-later") -> list[FlowRun]:
    async def read() -> list[FlowRun]:
        named = FlowRunFilter(name=FlowRunFilterName(any_=[name]))
        async with get_client() as client:
            return await client.read_flow_runs(flow_run_filter=named)

    return asyncio.run(read())


def reports_of(flow_run: FlowRun) -> list[object]:
    async def read() -> list[object]:
        its = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[flow_run.id]))
        async with get_client() as client:
            return [found.data for found in await client.read_artifacts(artifact_filter=its)]

    return asyncio.run(read())


def test_a_run_that_changed_nothing_is_shown_once(services: Services) -> None:
    run_here(services, "told-later")
    made = run_unchanged("told-later", {}, services)
    assert (made.status, flow_runs()) == ("completed", [])
    assert tell_untold(services) == 1
    (shown,) = flow_runs()
    assert shown.state
    assert (shown.state.name, shown.idempotency_key) == ("Completed", made.run_id)
    assert made.run_id in (shown.state.message or "")
    assert untold_runs(services.settings) == ()
    assert tell_untold(services) == 0


def test_a_batch_that_changed_nothing_is_shown_once(services: Services, tmp_path: Path) -> None:
    rows = write_rows(tmp_path, [{"thing": "mug"}])
    done = run_rows(services, rows, "told-later-batch")
    made = run_unchanged_batch(plan_batch(services, rows, "told-later-batch"), services)
    assert BatchLedger(services.backend).newest_manifest(done.batch_id) == done  # it stored nothing
    assert tell_untold(services) == 1
    (shown,) = flow_runs(f"batch {done.batch_id} of told-later-batch")
    assert shown.state
    assert (shown.state.name, shown.idempotency_key) == ("Completed", made.run_id)
    assert (shown.parameters["rows"], shown.tags) == (rows, [f"batch:{done.batch_id}"])
    assert reports_of(shown) == [markdown(made)]
    assert tell_untold(services) == 0


def test_a_prefect_that_is_gone_is_told_another_time(services: Services) -> None:
    run_here(services, "told-later")
    made = run_unchanged("told-later", {}, services)
    with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{free_port()}/api"}):
        tell_prefect_later(services)
    assert untold_runs(services.settings) == (made.run_id,)
    tell_prefect_later(services)
    assert untold_runs(services.settings) == ()
