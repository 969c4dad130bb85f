"""Leases and heartbeats of batches that are over: collected, and only where nobody is at work."""

from __future__ import annotations

import time
import uuid
from pathlib import Path

from assetmill.batches.leases import Leases
from assetmill.batches.pieces import Pieces
from assetmill.batches.quota_parts import quota_part
from assetmill.batches.work import RowWorker
from assetmill.care.collecting import Collector
from assetmill.care.kinds import kind_of
from assetmill.care.lapsed import lapsed
from assetmill.stage.services import Services
from assetmill.store import batch_layout, layout
from assetmill.store.memory import MemoryStore
from assetmill.store.run_ids import make_run_id
from tests.batchworks import ONE, plan_batch, products
from tests.millworks import painter, services_on, settings_in

RUN = make_run_id(str(uuid.uuid4()), time.time())
DAY = 86400.0


def work_through(services: Services, rows: str) -> str:
    """Do a batch as a worker does that was killed after its last piece: its heartbeat stays."""
    work = RowWorker(plan_batch(services, rows, "one"), RUN, str(uuid.uuid4()), RUN)
    batch_id = work.batch.batch_id
    work.batch.ledger.beat(batch_id, work.flow_run_id, 1)
    parts = Leases(services.backend, batch_layout.quota_leases(batch_id, RUN), work.flow_run_id)
    assert parts.take(quota_part("draw", 0))
    pieces = Pieces(work, 2)
    while piece := pieces.next():
        work.carry_out(piece.rows)
        pieces.end(piece)
    pieces.close()
    work.close()
    return batch_id


def passing(backend: MemoryStore) -> list[str]:
    return [entry.key for entry in backend.list(layout.BATCHES) if batch_layout.is_passing(entry.key)]


def test_what_a_batch_needed_while_it_lasted_is_collected_and_its_records_stay(tmp_path: Path) -> None:
    backend = MemoryStore()
    services = services_on(settings_in(tmp_path, one=ONE), backend, painter())
    work_through(services, products(tmp_path, *(f"thing {n}" for n in range(4))))
    before = {entry.key for entry in backend.list("")}
    found = passing(backend)
    assert len(found) == len(("heartbeat", "part", "two leases", "", "two ends", "", "all is over"))
    assert [key for key in before if kind_of(key) is None] == []
    now = time.time() + 100 * DAY
    for later in (now, now + 2 * DAY):
        done = Collector(backend, 90 * DAY, clock=lambda later=later: later).run()
    assert (done.phase, sorted(one.key for one in done.objects)) == ("collected", sorted(found))
    plans = {entry.key for entry in backend.list(layout.COLLECTION)}
    assert {entry.key for entry in backend.list("")} - plans == before - {*found}
    services.close()


def test_a_batch_at_which_somebody_is_at_work_keeps_its_leases(tmp_path: Path) -> None:
    backend = MemoryStore()
    services = services_on(settings_in(tmp_path, one=ONE), backend, painter())
    batch_id = work_through(services, products(tmp_path, "a cup"))
    ended = time.time()
    assert {entry.key for entry in lapsed(backend, ended + 1)} == {*passing(backend)}
    plan_batch(services, products(tmp_path, "a cup"), "one").ledger.beat(batch_id, str(uuid.uuid4()), 7)
    (younger,) = (e for e in backend.list(batch_layout.beats(batch_id)) if e.key.endswith("07"))
    assert [*lapsed(backend, younger.modified_at)] == []
    services.close()
