"""One trace for a flow run, whoever carries out its parts."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.flow_engine import run_flow
from prefect.telemetry.run_telemetry import LABELS_TRACEPARENT_KEY

from assetmill.agents.gateway import ResponseRequest
from assetmill.errors import Rejected, RunFailed, Throttled
from assetmill.stage.services import Services
from assetmill.store.memory import MemoryStore
from flows.run_batch import run_batch
from flows.run_pipeline import run_pipeline
from tasks.connections import provided
from tasks.spread import TASK_RUNNER
from tests.assetmill.traces.collector import FAILED, Collector, attributes, collecting
from tests.batchworks import products
from tests.doubles import ScriptedGateway
from tests.marks import WITH_PREFECT
from tests.millworks import PICTURE, painter, services_on, settings_in

pytestmark = WITH_PREFECT
CARD = f"""
name: card
parameters:
  product: {{title: Product}}
stages:
  - name: scene
    prompt: Draw {{{{ product }}}}.{PICTURE % "scene"}
"""
THEIRS = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with collecting(monkeypatch) as server:
        yield server


@pytest.fixture
def gateway() -> ScriptedGateway:
    return painter()


@pytest.fixture
def services(tmp_path: Path, gateway: ScriptedGateway) -> Iterator[Services]:
    services = services_on(settings_in(tmp_path, card=CARD), MemoryStore(), gateway)
    with provided(services, "local"):
        yield services
    services.close()


def batch(rows: str, **options: Any) -> dict[str, Any]:
    flow: Any = run_batch
    return asyncio.run(flow("card", rows, profile="local", **options))


def faults(request: ResponseRequest, seen: set[str]) -> None:
    """Refuse the lamp for good, and the mug once for its quota."""
    asked = str(request.input)
    if "lamp" in asked:
        raise Rejected("too many lamps", "invalid_request", 400)
    if "mug" in asked and "mug" not in seen:
        seen.add("mug")
        raise Throttled("slow down", "rate_limit", 429, 0.01)


def test_a_batch_with_faults_is_one_trace_with_its_rows(
    services: Services, gateway: ScriptedGateway, collector: Collector, tmp_path: Path
) -> None:
    seen: set[str] = set()
    gateway.before = lambda request: faults(request, seen)
    with pytest.raises(RunFailed):
        batch(products(tmp_path, "a mug", "a lamp", "a chair"))
    root = collector.named("batch card")
    assert {span.trace_id for span in collector.spans} == {root.trace_id}
    rows = {attributes(row)["assetmill.row"]: row for row in collector.below(root)}
    assert [attributes(rows[number])["assetmill.outcome"] for number in (2, 3, 4)] == [
        "done",
        "failed",
        "done",
    ]
    assert (root.status.code, rows[3].status.code, rows[2].status.code) == (FAILED, FAILED, 0)
    turns = {
        number: [
            attributes(turn).get("assetmill.verdict")
            for stage in collector.below(row)
            for turn in collector.below(stage)
            if turn.name.startswith("chat ")
        ]
        for number, row in rows.items()
    }
    assert turns == {2: ["refused", None], 3: ["failed"], 4: [None]}
    assert collector.figures("assetmill.rows.left")["card",] == 0


def test_a_stage_that_rows_share_stands_below_the_row_that_began_it(
    services: Services, collector: Collector, tmp_path: Path
) -> None:
    batch(products(tmp_path, "a mug", "a mug"))
    rows = collector.below(collector.named("batch card"))
    began = [len(collector.below(row)) for row in rows]
    shared = [event.name for row in rows for event in row.events]
    assert (sorted(began), shared) == ([0, 1], ["assetmill.shared"])


def test_shards_join_the_trace_of_their_batch(
    services: Services, collector: Collector, tmp_path: Path
) -> None:
    batch(products(tmp_path, *(f"thing {n}" for n in range(6))), work_pool=TASK_RUNNER, shard=3)
    root = collector.named("batch card")
    shards = collector.below(root)
    assert {shard.name for shard in shards} <= {"shard 1", "shard 2"}
    rows = [row for shard in shards for row in collector.below(shard)]
    assert sorted(attributes(row)["assetmill.row"] for row in rows) == [2, 3, 4, 5, 6, 7]
    assert all(collector.below(row) for row in rows)


def test_a_flow_run_goes_on_in_the_trace_that_its_label_names(
    services: Services, collector: Collector
) -> None:
    async def hold() -> None:
        async with get_client() as client:
            flow: Any = run_pipeline
            engine: Any = run_flow
            made = await client.create_flow_run(flow, parameters={"pipeline": "card"})
            await client.update_flow_run_labels(made.id, {LABELS_TRACEPARENT_KEY: THEIRS})
            await engine(
                flow,
                flow_run=await client.read_flow_run(made.id),
                parameters={"pipeline": "card", "profile": "local", "parameters": {"product": "a mug"}},
            )

    asyncio.run(hold())
    run = collector.named("run card")
    assert (run.trace_id.hex(), run.parent_span_id.hex()) == tuple(THEIRS.split("-")[1:3])
    assert collector.below(run)
