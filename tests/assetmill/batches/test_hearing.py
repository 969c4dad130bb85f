"""What a batch knows of shards on other machines whose pieces have not ended: paid, at work, waiting."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from assetmill.batches.hearing import Hearing
from assetmill.batches.leases import BEATLESS_S
from assetmill.batches.records import ShardProgress
from assetmill.batches.work import RowWorker, words
from assetmill.cli.batch_screen import line
from assetmill.records import RunId
from assetmill.stage.services import Services
from assetmill.store.memory import MemoryStore
from tests.batchworks import ONE, colourful, plan_batch, products, work_on
from tests.millworks import services_on, settings_in

ROWS = 3
SHARD = (RunId("run_00000000000000000000000002"), "shard-flow-run")


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    services = services_on(settings_in(tmp_path, one=ONE), MemoryStore(), colourful())
    yield services
    services.close()


@pytest.fixture
def work(services: Services, tmp_path: Path) -> Iterator[RowWorker]:
    work = work_on(plan_batch(services, products(tmp_path, "a mug", "a lamp", "a vase"), "one"))
    yield work
    work.close()


def told(work: RowWorker) -> list[str]:
    return words(work.tally.now(), ROWS, ROWS)


def say(work: RowWorker, number: int, **progress: object) -> None:
    said = ShardProgress.model_validate({"run_id": "shard", "halt_run": work.halt_run, **progress})
    work.batch.ledger.beat(work.batch.batch_id, "flow-run", number, said)


def test_what_a_heartbeat_and_then_a_page_tell_of_is_counted_once(work: RowWorker) -> None:
    shard = RowWorker(plan_batch(work.batch.services, work.batch.order.rows, "one"), *SHARD, work.halt_run)
    hearing = Hearing(work)
    work.batch.ledger.beat(work.batch.batch_id, shard.flow_run_id, 1, shard.progress())
    hearing.listen()
    assert told(work) == ["0 of 3 rows", "0 of 3 stages"]
    shard.count(1, rows=1, spent_usd=0.5)
    work.batch.ledger.beat(work.batch.batch_id, shard.flow_run_id, 2, shard.progress())
    hearing.listen()
    assert told(work) == ["1 of 3 rows", "1 of 3 stages"]
    shard.tally.stages = shard.tally.rows = 0
    shard.carry_out([plan.row for plan in shard.batch.to_do][:1])
    work.batch.ledger.beat(work.batch.batch_id, shard.flow_run_id, 3, shard.progress())
    hearing.listen()
    shard.close()
    assert told(work) == ["1 of 3 rows", "1 of 3 stages"]


def test_a_piece_under_way_shows_what_it_has_paid_and_what_it_waits_for(work: RowWorker) -> None:
    hearing = Hearing(work)
    say(work, 1, stages=2, rows=1, spent_usd=0.5, at_work=4, waits="waits for the quota of m until 12:04:31")
    hearing.listen()
    assert line(work.tally, ROWS, ROWS, None) == (
        "1 of 3 rows, 2 of 3 stages, 4 at work, waits for the quota of m until 12:04:31, spent $0.5000"
    )


def test_the_dead_and_those_of_another_run_have_nothing_at_work(work: RowWorker) -> None:
    now = 1000.0
    hearing = Hearing(work, lambda: now)
    say(work, 1, at_work=4)
    work.batch.ledger.beat(work.batch.batch_id, "older", 7, ShardProgress(halt_run="other", at_work=9))
    # A worker of an older version says no more than that it is alive.
    work.batch.ledger.beat(work.batch.batch_id, "silent", 3)
    assert hearing.listen() == {"flow-run": 1, "older": 7, "silent": 3}
    assert told(work)[2:] == ["4 at work"]
    now += BEATLESS_S + 1
    hearing.listen()
    assert told(work)[2:] == []


def test_what_it_says_of_itself_is_nothing_that_a_shard_has_done(work: RowWorker) -> None:
    work.count(1, rows=1, done=1, spent_usd=0.5)
    work.batch.ledger.beat(work.batch.batch_id, work.flow_run_id, 1, work.progress())
    hearing = Hearing(work)
    assert hearing.listen() == {}
    assert told(work) == ["1 of 3 rows", "1 of 3 stages"]


@pytest.mark.parametrize("is_here", [True, False])
def test_an_end_of_unknown_cost_is_not_told_as_one_that_cost_nothing(work: RowWorker, is_here: bool) -> None:
    hearing = Hearing(work)
    if is_here:
        work.count(1, spent_usd=0.5)
        work.count(1, spent_usd=None)
    else:
        say(work, 1, stages=2, spent_usd=0.5, unknown=1)
    hearing.listen()
    assert line(work.tally, ROWS, ROWS, None).endswith("2 of 3 stages, spent at least $0.5000")


def test_a_shard_says_that_the_service_is_away_and_not_the_store(work: RowWorker) -> None:
    outages = work.batch.services.outages
    outages.of("store", "the store").begin("connection refused")
    assert work.progress().waits == ""
    outages.of("service", "the service").begin("connection refused")
    assert work.progress().waits.startswith("waits for the service, which is away, until ")


def test_what_a_newer_worker_says_beside_is_left_aside() -> None:
    assert ShardProgress.model_validate_json('{"at_work": 2, "warmth": 7}').at_work == 2
