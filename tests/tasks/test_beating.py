"""What a batch says of itself in the store while it runs: how far it is, whenever that has changed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from assetmill.batches.records import ShardProgress
from assetmill.batches.work import RowWorker
from assetmill.stage.services import Services
from assetmill.store.memory import MemoryStore
from tasks import policies
from tasks.beating import telling
from tests.batchworks import ONE, carry_out, colourful, plan_batch, products, work_on
from tests.millworks import services_on, settings_in


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    services = services_on(settings_in(tmp_path, one=ONE), MemoryStore(), colourful())
    yield services
    services.close()


@pytest.fixture
def work(services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RowWorker]:
    monkeypatch.setattr(policies, "BATCH_BEAT_S", 0.01)
    work = work_on(plan_batch(services, products(tmp_path, "a mug", "a lamp"), "one"))
    yield work
    work.close()


def said(work: RowWorker) -> ShardProgress | None:
    ledger, batch_id = work.batch.ledger, work.batch.batch_id
    number = ledger.beats(batch_id).get(work.flow_run_id)
    return ledger.read_beat(batch_id, work.flow_run_id, number) if number else None


def until(is_so: Callable[[], bool]) -> None:
    """Wait for another thread; the test's own time-out ends what never comes."""
    while not is_so():
        time.sleep(0.01)


def test_it_says_how_far_it_is_before_a_page_does_and_nothing_once_it_is_over(work: RowWorker) -> None:
    with telling(work):
        until(lambda: said(work) is not None)
        work.count(1, rows=1, done=1, spent_usd=0.5)
        until(lambda: (now := said(work)) is not None and now.done == 1)
        now = said(work)
        assert now is not None
        assert (now.run_id, now.stages, now.rows, now.spent_usd) == (work.run_id, 1, 1, 0.5)
    assert work.batch.ledger.beats(work.batch.batch_id) == {}


def test_what_has_not_changed_is_not_said_again(work: RowWorker) -> None:
    looks = list[int]()
    work.tally.at_work = lambda: looks.append(1) or 0
    with telling(work):
        until(lambda: len(looks) > 3)
        assert work.batch.ledger.beats(work.batch.batch_id) == {work.flow_run_id: 1}


def test_a_batch_that_has_nothing_to_do_says_nothing(services: Services, tmp_path: Path) -> None:
    rows = products(tmp_path, "a mug")
    carry_out(plan_batch(services, rows, "one"))
    again = work_on(plan_batch(services, rows, "one"))
    before = services.backend.requests
    with telling(again):
        pass
    assert services.backend.requests == before
    again.close()
