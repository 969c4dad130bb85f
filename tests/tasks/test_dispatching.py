"""A batch's shards on a work pool whose Prefect is a double: what is handed out, what a person is told."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self
from uuid import UUID, uuid4

import httpx
import pytest
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import FlowRun, State, Worker, WorkerStatus, WorkPool
from prefect.logging import disable_run_logger
from prefect.states import Completed, Crashed, Running

from assetmill.batches.hearing import Hearing
from assetmill.batches.ledger import BatchLedger
from assetmill.batches.opening import Batch, BatchOrder, prepare_shard
from assetmill.batches.work import RowWorker
from assetmill.errors import InvalidInput
from assetmill.stage.services import Services
from assetmill.store.memory import MemoryStore
from tasks import policies
from tasks.dispatching import dispatch
from tasks.shards import DRAINED, refusal
from tests.batchworks import CARD, plan_batch, products, work_on
from tests.millworks import painter, services_on, settings_in

POOL = "p"
BEHIND_S = 1200.0
"""The clocks of workers, beside that of whoever began the batch."""


class Prefect:
    """A server with one work pool. Its workers take flow runs in turn, whenever somebody looks at them.

    Their clocks are behind ours. Those that are `stale` refuse what they take; one that is `drained` does a
    row and goes; those that are `full` take nothing; those that are `untold` end while the server is away,
    which then never hears of it. After so many looks at the pool, somebody resumes it and starts the `late`
    workers.
    """

    def __init__(
        self,
        services: Services,
        *workers: str,
        late: tuple[str, ...] = (),
        stale: tuple[str, ...] = (),
        drained: tuple[str, ...] = (),
        untold: tuple[str, ...] = (),
        full: tuple[str, ...] = (),
        is_paused: bool = False,
    ) -> None:
        self.stale, self.drained, self.untold, self.full = stale, drained, untold, full
        self.services, self.workers, self.late, self.is_paused = services, list(workers), late, is_paused
        self.flow_runs: list[FlowRun] = []
        self._ended: set[UUID] = set()
        self.looks = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def read_work_pool(self, name: str) -> WorkPool:
        self.looks += 1
        if self.looks == 4:
            self.workers += self.late
            self.is_paused = False
        return WorkPool(name=name, type="process", is_paused=self.is_paused, default_queue_id=uuid4())

    async def read_workers_for_work_pool(self, name: str) -> list[Worker]:
        return [
            Worker(name=worker, work_pool_id=uuid4(), status=WorkerStatus.ONLINE) for worker in self.workers
        ]

    async def read_deployment_by_name(self, name: str) -> FlowRun:
        assert name == f"run-shard/{POOL}"
        return FlowRun(flow_id=uuid4())

    async def create_flow_run_from_deployment(
        self,
        deployment_id: UUID,
        *,
        parameters: dict[str, Any],
        state: State[Any],
        idempotency_key: str,
        name: str,
        labels: dict[str, Any],
        tags: list[str],
    ) -> FlowRun:
        made = FlowRun(
            flow_id=uuid4(),
            name=name,
            parameters=parameters,
            state=state,
            labels=dict(labels),
            tags=tags,
        )
        self.flow_runs.append(made)
        return made

    async def read_flow_runs(self, *, flow_run_filter: FlowRunFilter) -> list[FlowRun]:
        for flow_run in self.flow_runs:
            if flow_run.state and flow_run.state.is_running() and flow_run.id not in self._ended:
                self._end_untold(flow_run)
                raise httpx.ConnectError("Prefect's database is away")
        for number, flow_run in enumerate(self.flow_runs):
            taker = self.workers[number % len(self.workers)] if self.workers else ""
            if taker and taker not in self.full and not self.is_paused and self._is_due(flow_run):
                flow_run.labels["prefect.worker.name"] = taker
                self._take(flow_run)
        return self.flow_runs

    async def set_flow_run_state(self, flow_run_id: UUID, state: State[Any], *, force: bool = False) -> None:
        (flow_run,) = (one for one in self.flow_runs if one.id == flow_run_id)
        flow_run.state = state

    def _is_due(self, flow_run: FlowRun) -> bool:
        state = flow_run.state
        if state is None or not state.is_scheduled():
            return False
        due = state.state_details.scheduled_time
        return due is not None and due <= datetime.now(UTC) - timedelta(seconds=BEHIND_S)

    def _take(self, flow_run: FlowRun) -> None:
        asked = flow_run.parameters
        if flow_run.labels["prefect.worker.name"] in self.stale:
            flow_run.state = refusal(InvalidInput("its file is another one: bring this machine up to date"))
            return
        if flow_run.labels["prefect.worker.name"] in self.untold:
            BatchLedger(self.services.backend).beat(asked["batch_id"], str(flow_run.id), 1)
            flow_run.state = Running()
            return
        order = BatchOrder("", "", name=asked["batch_id"], allows_bad_rows=True)
        rows = {"first": asked["first"], "last": asked["last"]}
        try:
            batch = prepare_shard(order, asked["content"], self.services, **rows)
        except InvalidInput as error:
            flow_run.state = refusal(error)
            return
        work: RowWorker = work_on(batch)
        rows_to_do = [plan.row for plan in batch.to_do]
        worker = str(flow_run.labels["prefect.worker.name"])
        is_drained = worker in self.drained
        work.carry_out(rows_to_do[: 1 if is_drained else None])
        work.close()
        flow_run.state = Completed()
        if is_drained:
            self.workers.remove(worker)
            flow_run.state = Crashed(message=f"{DRAINED}1 row was ended")

    def _end_untold(self, flow_run: FlowRun) -> None:
        asked = flow_run.parameters
        order = BatchOrder("", "", name=asked["batch_id"], allows_bad_rows=True)
        batch = prepare_shard(order, asked["content"], self.services, first=0, last=asked["last"])
        work = work_on(batch)
        work.carry_out([plan.row for plan in batch.plans])
        work.close()
        batch.ledger.end_beats(batch.batch_id, str(flow_run.id), 1)
        self._ended.add(flow_run.id)


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    services = services_on(settings_in(tmp_path, card=CARD), MemoryStore(), painter())
    yield services
    services.close()


@pytest.fixture(autouse=True)
def bar(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what the progress artifact has said, in place of a server that keeps it."""
    said: list[str] = []

    async def create(*, progress: float, key: str, description: str) -> UUID:
        assert key == "rows"
        said.append(f"{progress:.0f} %: {description}")
        return uuid4()

    async def update(_: UUID, *, progress: float, description: str) -> None:
        said.append(f"{progress:.0f} %: {description}")

    monkeypatch.setattr("tasks.batches.acreate_progress_artifact", create)
    monkeypatch.setattr("tasks.batches.aupdate_progress_artifact", update)
    return said


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(policies, "SHARD_POLL_S", 0.001)
    monkeypatch.setattr(policies, "REFUSAL_HELD_S", 0.0)
    return products(tmp_path, "a mug", "a lamp", "a vase", "a bowl")


def dispatched(
    prefect: Prefect, rows: str, monkeypatch: pytest.MonkeyPatch, *, is_stale: bool = False
) -> RowWorker:
    """Hand out a batch in two shards, to machines whose pipeline file is another one if `is_stale`."""
    monkeypatch.setattr("tasks.dispatching.get_client", lambda: prefect)
    batch = plan_batch(prefect.services, rows)
    if is_stale:
        batch.pipeline.path.write_text(CARD + "# changed\n")
    work = work_on(batch)
    with disable_run_logger():
        asyncio.run(dispatch(work, POOL, 2, None))
    work.close()
    return work


def states(work: RowWorker) -> list[str]:
    return [row.state for _, row in sorted(work.results.items())]


def test_nothing_is_told_of_a_pool_that_runs(
    services: Services, rows: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefect = Prefect(services, "w1", "w2")
    work = dispatched(prefect, rows, monkeypatch)
    assert (states(work), work.tally.notices) == (["done"] * 4, [])
    asked = [(run.name, run.parameters["piece"], run.parameters["last"]) for run in prefect.flow_runs]
    name = work.batch.batch_id
    assert asked == [(f"{name} shard 1", 1, 4), (f"{name} shard 2", 1, 4)]
    # By it Prefect's page shows the batch and its shards together.
    assert all(run.tags == [f"batch:{name}"] for run in prefect.flow_runs)


def test_prefects_page_shows_how_far_a_batch_on_a_pool_is(
    services: Services, rows: str, monkeypatch: pytest.MonkeyPatch, bar: list[str]
) -> None:
    work = dispatched(Prefect(services, "w1"), rows, monkeypatch)
    spent = f"spent ${work.tally.spent_usd:.4f}"
    assert bar == [
        "0 %: 0 of 4 rows, 0 of 12 stages, spent $0.0000",
        f"100 %: 4 of 4 rows, 12 of 12 stages, {spent}",
    ]


def test_a_paused_pool_is_told_of_once_and_the_batch_goes_on_when_it_is_resumed(
    services: Services, rows: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = dispatched(Prefect(services, "w1", is_paused=True), rows, monkeypatch)
    assert work.tally.notices == [
        "warning: work pool 'p' is paused: `prefect work-pool resume p` lets it go on",
        "work pool 'p' runs again",
    ]
    assert states(work) == ["done"] * 4


def test_a_pool_without_a_worker_is_told_of_and_the_batch_goes_on_when_one_starts(
    services: Services, rows: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = dispatched(Prefect(services, late=("w1",)), rows, monkeypatch)
    assert work.tally.notices == [
        "warning: work pool 'p' has no worker, nothing runs: `prefect worker start --pool p`",
        "work pool 'p' runs again",
    ]
    assert states(work) == ["done"] * 4


def test_prefects_page_says_what_is_away_while_it_is_waited_for(
    services: Services, rows: str, monkeypatch: pytest.MonkeyPatch, bar: list[str]
) -> None:
    monkeypatch.setattr("tasks.batches.PROGRESS_INTERVAL_S", 0.0)
    outage = services.outages.of("store", "the store s3://bucket")
    real = Hearing.listen

    def listen(hearing: Hearing) -> dict[str, int]:
        outage.begin("connection refused")
        until = time.monotonic() + 20
        while not any("s3://bucket, which is away" in said for said in bar) and time.monotonic() < until:
            threading.Event().wait(0.01)
        outage.over()
        return real(hearing)

    monkeypatch.setattr(Hearing, "listen", listen)
    assert states(dispatched(Prefect(services, "w1"), rows, monkeypatch)) == ["done"] * 4
    assert any("waits for the store s3://bucket, which is away, until " in said for said in bar)


@pytest.mark.parametrize(("workers", "tries"), [(["w1"], 1), (["w1", "w2"], 2)])
def test_what_workers_refuse_is_given_up_without_further_tries(
    services: Services, rows: str, monkeypatch: pytest.MonkeyPatch, workers: list[str], tries: int
) -> None:
    prefect = Prefect(services, *workers)
    work = dispatched(prefect, rows, monkeypatch, is_stale=True)
    assert states(work) == ["failed"] * 4
    # Who has refused one shard is not waited for with another.
    assert len(prefect.flow_runs) == tries
    for row in work.results.values():
        assert (row.spent_usd, "refused it: " in str(row.reason)) == (0.0, True)
        assert str(row.reason).endswith("bring this machine up to date")


def test_a_stale_worker_that_takes_every_retry_costs_no_row(
    services: Services, rows: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefect = Prefect(services, "stale", "stale", "stale", "healthy", stale=("stale",))
    work = dispatched(prefect, rows, monkeypatch)
    assert states(work) == ["done"] * 4
    takers = [run.labels["prefect.worker.name"] for run in prefect.flow_runs]
    assert takers == ["stale"] * 3 + ["healthy"], "no retry came to the worker that had refused"


def test_a_worker_that_is_replaced_is_waited_for_among_others_that_refuse(
    services: Services, rows: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefect = Prefect(services, "old", "stale", late=("new",), stale=("stale",), drained=("old",))
    work = dispatched(prefect, rows, monkeypatch)
    assert states(work) == ["done"] * 4
    waited = [told for told in work.tally.notices if "one is waited for until" in told]
    assert len(waited) == 1, work.tally.notices
    assert "worker 'stale' refused it" in waited[0]


def test_one_that_does_not_come_back_is_waited_for_no_longer_than_is_said(
    services: Services, rows: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policies, "HANDS_AWAITED_S", 0.01)
    prefect = Prefect(services, "old", "stale", stale=("stale",), drained=("old",))
    work = dispatched(prefect, rows, monkeypatch)
    assert sorted(states(work)) == ["done", "failed", "failed", "failed"]


def test_a_shard_that_ended_while_prefect_was_away_does_not_run_for_ever_there(
    services: Services, rows: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policies, "SHARD_ENDS_S", 0.01)
    prefect = Prefect(services, "w1", untold=("w1",))
    assert states(dispatched(prefect, rows, monkeypatch)) == ["done"] * 4
    (flow_run,) = prefect.flow_runs
    assert flow_run.state is not None
    assert flow_run.state.is_completed()
    assert "Prefect was away when it ended" in str(flow_run.state.message)


def test_a_shard_that_nobody_takes_is_told_of_by_an_event_and_does_not_wait_for_ever(
    services: Services, rows: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker that comes does all rows; nobody need begin a process for the shard that is left."""
    monkeypatch.setattr(policies, "SHARD_UNTAKEN_S", 0.0)
    told: list[str] = []

    def tell(_batch: Batch, _flow_run_id: str, reason: str) -> None:
        told.append(reason)

    monkeypatch.setattr("tasks.dispatching.tell_untaken", tell)
    prefect = Prefect(services, "full", late=("w1", "full"), full=("full",))
    work = dispatched(prefect, rows, monkeypatch)
    assert states(work) == ["done"] * 4
    (why,) = told
    assert why.startswith("no worker of work pool 'p' has taken a shard for 0 s: ")
    assert work.tally.notices[0] == f"warning: {why}"
    assert [run.state.name for run in prefect.flow_runs if run.state] == ["Completed"] * len(
        prefect.flow_runs
    )
    left = [run for run in prefect.flow_runs if "prefect.worker.name" not in run.labels]
    assert left
    assert all(run.state and "no worker had taken it" in str(run.state.message) for run in left)
