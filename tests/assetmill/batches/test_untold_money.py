"""Money of rows that no page tells of: a shard died, a group was left, somebody gave them up."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from assetmill.batches.hearing import Hearing
from assetmill.batches.ledger import BatchLedger
from assetmill.batches.opening import Batch
from assetmill.batches.records import BatchManifest, BatchRow
from assetmill.batches.sealing import seal
from assetmill.batches.work import RowWorker
from assetmill.records import RunId
from assetmill.stage.services import Services
from assetmill.store.memory import MemoryStore
from tests.batchworks import CARD, colourful, plan_batch, products, work_on
from tests.doubles import ScriptedGateway
from tests.millworks import services_on, settings_in


class Killed(BaseException):
    """A process ends here: nothing of it comes after."""


@pytest.fixture
def gateway() -> ScriptedGateway:
    return colourful()


@pytest.fixture
def services(tmp_path: Path, gateway: ScriptedGateway) -> Iterator[Services]:
    services = services_on(settings_in(tmp_path, card=CARD), MemoryStore(), gateway)
    yield services
    services.close()


@pytest.fixture
def table(tmp_path: Path) -> str:
    return products(tmp_path, "a mug", "a lamp")


def shard(batch: Batch, number: int, work: RowWorker) -> RowWorker:
    return RowWorker(batch, RunId(f"run_shard_{number}"), f"shard-{number}", work.halt_run)


def sealed(
    work: RowWorker, results: Mapping[int, BatchRow] | None = None, payers: Collection[RunId] = ()
) -> BatchManifest:
    return seal(
        work.batch,
        work.results if results is None else results,
        {},
        run_id=work.run_id,
        flow_run_id=work.flow_run_id,
        started_at=time.time(),
        payers=payers,
    )


class TestShards:
    def killed(self, services: Services, table: str, monkeypatch: pytest.MonkeyPatch) -> RowWorker:
        """Let a shard pay for a row and die untold, and another one take over; return who follows them."""
        work = work_on(plan_batch(services, table))
        dead, heir = (shard(plan_batch(services, table), number, work) for number in (1, 2))
        hearing, rows = Hearing(work), [plan.row for plan in work.batch.to_do]
        work.batch.ledger.beat(work.batch.batch_id, dead.flow_run_id, 1, dead.progress())
        hearing.listen()
        with monkeypatch.context() as dying:
            dying.setattr(BatchLedger, "write_page", Mock(side_effect=Killed))
            with pytest.raises(Killed):
                dead.carry_out(rows[:1])
        heir.carry_out(rows)
        hearing.listen()
        for one in (dead, heir, work):
            one.close()
        return work

    def test_what_it_had_paid_before_it_died_is_counted_once(
        self, services: Services, table: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        manifest = sealed(work := self.killed(services, table, monkeypatch), payers=work.payers)
        paid = sum(record.cost_usd or 0.0 for record in services.ledger.stages())
        assert manifest.status == "completed"
        assert manifest.spent_usd == pytest.approx(paid)
        assert sum(row.spent_usd or 0.0 for row in manifest.rows) == pytest.approx(paid)

    def test_what_somebody_else_has_paid_costs_the_batch_nothing(
        self, services: Services, table: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        work = self.killed(services, table, monkeypatch)
        told = sum(row.spent_usd or 0.0 for row in work.results.values())
        assert sealed(work, payers={RunId("run_shard_2")}).spent_usd == pytest.approx(told)


def test_rows_that_are_left_at_work_are_told_of_as_they_stand(
    services: Services, gateway: ScriptedGateway, table: str
) -> None:
    """A process that has to go while a request cannot be interrupted seals what it has."""
    held, free = threading.Event(), threading.Event()

    def hold(request: Any) -> None:
        if "a lamp together" in str(request.input):
            held.set()
            free.wait()

    gateway.before = hold
    work = work_on(plan_batch(services, table))
    group = threading.Thread(target=work.carry_out, args=([plan.row for plan in work.batch.to_do],))
    group.start()
    held.wait()
    while work.tally.rows == 0:
        time.sleep(0.01)
    mug, lamp = work.as_it_stands().values()
    manifest = sealed(work, results=work.as_it_stands())
    free.set()
    group.join()
    work.close()
    assert (mug.state, lamp.state) == ("done", "cancelled")
    assert mug.spent_usd
    assert [(stage.status, stage.spent_usd is None) for stage in lamp.stages] == [
        ("done", False),
        ("reused", False),
        ("cancelled", True),
    ]
    assert (manifest.status, manifest.spent_usd) == ("stopped", None)
    assert work.as_it_stands() == dict(work.results)


@pytest.mark.parametrize("spent_usd", [None, 0.0])
def test_rows_that_are_given_up_cost_nothing_only_where_that_is_known(
    services: Services, table: str, spent_usd: float | None
) -> None:
    work = work_on(plan_batch(services, table))
    work.give_up(frozenset(plan.row.number for plan in work.batch.plans), "nobody can", spent_usd)
    work.close()
    assert sealed(work).spent_usd == spent_usd
