"""What a process holds does not grow with the rows that it has done."""

from __future__ import annotations

import gc
import os
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from assetmill.batches.records import BatchAsset, BatchRow, BatchStage
from assetmill.batches.work import RowWorker
from assetmill.making.carrying_out import FreshFile, carry_out
from assetmill.records import AssetRecord, BlobRef, StageRecord, Stored
from assetmill.stage import local_stages
from assetmill.store.memory import MemoryStore
from tests.batchworks import plan_batch, work_on, write_rows
from tests.doubles import ScriptedGateway
from tests.millworks import services_on, settings_in

ROWS = 24
SIZES = """
name: sizes
parameters:
  colour: {title: Colour}
stages:
  - name: ground
    make:
      - {canvas: 8x8, background: "{{ colour }}", save: ground.png}
  - name: sizes
    make:
      - {from: ground, resize: 4x4, save: small.png}
      - {from: ground, resize: 2x2, save: tiny.png}
"""
KEPT = (AssetRecord, BlobRef, StageRecord, BatchRow, BatchStage, BatchAsset)


def held() -> Counter[type[Stored]]:
    """Count the records in memory."""
    gc.collect()
    return Counter(kind for kind in map(type, gc.get_objects()) if kind in KEPT)


def test_rows_that_are_done_leave_no_records_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assetmill.batches.work._SHARED_STEP", 2)  # it is let go of some at a time
    services = services_on(settings_in(tmp_path, sizes=SIZES), MemoryStore(), ScriptedGateway())
    work = work_on(plan_batch(services, colours(tmp_path), pipeline="sizes"))
    first, last = carried_out(work)
    # A thread may still hold the last that it had in hand.
    assert {kind.__name__: grown for kind, grown in (last - first).items() if grown > ROWS // 3} == {}
    assert not vars(services)["_stage_locks"], "locks that nobody holds"
    work.close()
    assert [row.state for row in work.results.values()] == ["done"] * ROWS
    services.close()


def colours(folder: Path) -> str:
    return write_rows(folder, [{"row": f"r{n}", "colour": f"#0000{n:02x}"} for n in range(ROWS)])


def carried_out(work: RowWorker) -> tuple[Counter[type[Stored]], Counter[type[Stored]]]:
    """Carry out all rows, and return what is held after the first of them and after the last."""
    rows = [plan.row for plan in work.batch.plans]
    work.carry_out(rows[:4])
    first = held()
    for start in range(4, ROWS, 4):
        work.carry_out(rows[start : start + 4])
    return first, held()


def test_pictures_are_worked_on_in_as_many_threads_as_there_are_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: set[int] = set()

    def noted(*given: Any) -> Iterator[FreshFile]:
        seen.add(threading.get_ident())
        return carry_out(*given)

    monkeypatch.setattr(local_stages, "carry_out", noted)
    services = services_on(settings_in(tmp_path, sizes=SIZES), MemoryStore(), ScriptedGateway())
    work = work_on(plan_batch(services, colours(tmp_path), pipeline="sizes"))
    work.carry_out([plan.row for plan in work.batch.plans])
    work.close()
    services.close()
    assert 1 <= len(seen) <= (os.cpu_count() or 1)
