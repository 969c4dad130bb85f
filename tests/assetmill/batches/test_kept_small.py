"""What a batch keeps of its rows is small, and reads back as it was."""

from __future__ import annotations

import gc
import json
import tracemalloc
from pathlib import Path

import pytest

from assetmill.batches.ledger import BatchLedger
from assetmill.batches.records import BatchManifest, BatchRow, PackedRows
from assetmill.fingerprint import Digest
from assetmill.records import RunId
from assetmill.redaction import remember
from assetmill.stage.services import Services
from assetmill.store.kinds import unpacked
from assetmill.store.memory import MemoryStore
from tests.batchworks import plan_batch, products, run_rows, states
from tests.doubles import ScriptedGateway

ODD = 'he said "rows":[] and \\"rows\\":[], then left\n\u2028 \U0001f3a8'


def manifest_of(rows: tuple[BatchRow, ...], reason: str = "") -> BatchManifest:
    return BatchManifest(
        batch_id="batch_small",
        run_id=RunId("run_20261130T000000Z_aaaaaaaa_00"),
        pipeline="card",
        spec_digest=Digest(f"sha256:{'0' * 64}"),
        profile="local",
        status="incomplete",
        reason=reason,
        rows=rows,
        traces={},
        spent_usd=0.0,
        started_at=1.0,
        finished_at=2.0,
    )


def row(number: int, reason: str = "") -> BatchRow:
    return BatchRow(number=number, name=f"row {number}", key=f"{number:032x}", state="failed", reason=reason)


@pytest.mark.parametrize("is_packed", [True, False])
@pytest.mark.parametrize("count", [0, 1, 3])
def test_pieces_of_a_manifest_are_its_json(count: int, *, is_packed: bool) -> None:
    manifest = manifest_of(tuple(row(number, ODD) for number in range(count)), ODD)
    whole = manifest.model_dump_json()
    if is_packed:
        manifest = manifest.model_copy(update={"rows": PackedRows(manifest.rows)})
    assert "".join(manifest.pieces()) == whole
    assert json.loads(whole)["reason"] == ODD


def test_no_row_of_a_manifest_keeps_a_secret() -> None:
    remember(["hunter2-of-rows"])
    backend = MemoryStore()
    told = manifest_of((row(1), row(2, "refused: hunter2-of-rows"), row(3)), "hunter2-of-rows")
    BatchLedger(backend).write_manifest(told)
    (key,) = (entry.key for entry in backend.list("v1/n/batch_small/m/"))
    assert b"hunter2" not in unpacked(backend.get(key))
    kept = BatchLedger(backend).find("batch_small")
    assert kept
    assert [one.reason for one in kept.rows] == ["", "refused: ***", ""]


def test_a_manifest_is_written_without_all_of_its_text() -> None:
    rows = PackedRows(row(number, f"{number} " + "again and again " * 60) for number in range(2_000))
    manifest = manifest_of(()).model_copy(update={"rows": rows})
    size = len(manifest.model_dump_json())
    ledger = BatchLedger(MemoryStore())
    gc.collect()
    tracemalloc.start()
    try:
        ledger.write_manifest(manifest)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < size / 4


def test_rows_that_an_earlier_run_has_done_are_known_packed(
    services: Services, gateway: ScriptedGateway, tmp_path: Path
) -> None:
    rows = products(tmp_path, *(f"known {number}" for number in range(12)))
    done = run_rows(services, rows)
    posts = len(gateway.posts)
    batch = plan_batch(services, rows)
    keys = {one.key for one in done.rows}
    gc.collect()
    models = (one for one in gc.get_objects() if isinstance(one, BatchRow))
    assert not [one.number for one in models if one.key in keys]
    assert batch.to_do == ()
    assert states(run_rows(services, rows)) == ["reused"] * 12
    assert len(gateway.posts) == posts


def test_a_plan_keeps_nothing_to_compare_rows_with(services: Services, tmp_path: Path) -> None:
    """Rows that share a stage are found while all are planned; afterwards each stands for itself."""
    batch = plan_batch(services, products(tmp_path, "a mug", "a lamp", "a mug"))
    assert batch.totals.stages["shared"] > 0
    kept = vars(batch.planner)
    assert (kept["_memo"], kept["_first"]) == ({}, set())
