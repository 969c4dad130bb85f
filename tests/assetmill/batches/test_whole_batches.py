"""A row is done when all of its outputs are in the store, whatever any batch has noted of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from assetmill.batches.records import BatchManifest, BatchPage, BatchRow, BatchStage
from assetmill.batches.sealing import seal
from assetmill.stage.services import Services
from assetmill.store import layout
from tests.batchworks import carry_out, plan_batch, products, run_rows, states, work_on, write_rows
from tests.doubles import ScriptedGateway
from tests.millworks import run_here

FILES = ["scene.png", "room.png", "poster.png"]


def files(manifest: BatchManifest) -> list[list[str]]:
    return [[asset.name for asset in row.assets] for row in manifest.rows]


def cut_by_its_budget(services: Services, rows: str) -> BatchManifest:
    """A batch whose rows all stop before their last stage."""
    planned = plan_batch(services, rows)
    stages = [stage for plan in planned.plans for stage in plan.stages if stage.decision == "run"]
    first = sum(stage.cost.ceiling for stage in stages if stage.cost)
    return run_rows(services, rows, budget_usd=first, order="stages")


def test_a_row_that_a_single_run_has_finished_keeps_its_files(
    services: Services, gateway: ScriptedGateway, tmp_path: Path
) -> None:
    rows = products(tmp_path, "a mug", "a lamp")
    part = cut_by_its_budget(services, rows)
    assert "over_budget" in states(part)
    assert run_here(services, "card", product="a mug").status == "completed"
    whole = run_rows(services, rows)
    assert (whole.status, files(whole)) == ("completed", [FILES] * 2)
    assert all(row.reason is None and row.is_done for row in whole.rows)
    assert len(gateway.posts) == 5


def test_what_an_older_batch_called_reused_and_never_made_is_made(
    services: Services, gateway: ScriptedGateway, tmp_path: Path
) -> None:
    rows = products(tmp_path, "a mug")
    whole = run_rows(services, rows)
    poster = whole.rows[0].stages[-1]
    error = "it may cost $0.0469 and $0.0216 is left"
    lost = poster.model_copy(update={"status": "reused", "error": error, "assets": ()})
    row = whole.rows[0].model_copy(update={"state": "reused", "stages": (*whole.rows[0].stages[:-1], lost)})
    assert poster.fingerprint
    services.backend.delete(layout.stage("card", poster.fingerprint))
    for entry in list(services.backend.list(f"v1/n/{whole.batch_id}/p/")):
        services.backend.delete(entry.key)
    batch = plan_batch(services, rows)
    batch.ledger.write_manifest(whole.model_copy(update={"rows": (row,)}))
    posts = len(gateway.posts)
    healed = run_rows(services, rows)
    assert (states(healed), files(healed)) == (["done"], [FILES])
    # The service still has the response: nothing is paid twice.
    assert len(gateway.posts) == posts


def test_a_row_whose_commit_is_gone_is_not_reused(services: Services, tmp_path: Path) -> None:
    rows = products(tmp_path, "a mug", "a lamp")
    whole = run_rows(services, rows)
    scene = whole.rows[1].stages[0].fingerprint
    assert scene
    services.backend.delete(layout.stage("card", scene))
    planned = plan_batch(services, rows)
    assert [plan.row.number for plan in planned.to_do] == [3]
    healed = carry_out(planned)
    assert healed is not None
    assert (states(healed), files(healed)) == (["reused", "done"], [FILES] * 2)


def test_a_page_that_tells_of_more_than_the_store_has_completes_nothing(
    services: Services, tmp_path: Path
) -> None:
    batch = plan_batch(services, products(tmp_path, "a mug"))
    work = work_on(batch)
    (plan,) = batch.plans
    stages = tuple(
        BatchStage(label=label, status="done", fingerprint=plan.stages[0].fingerprint)
        for label in ("scene", "room", "poster")
    )
    told = BatchRow(number=2, name="row 2", key=plan.row.key, state="done", stages=stages)
    work.learn(BatchPage(batch_id=batch.batch_id, run_id=work.run_id, rows=(told,)))
    work.close()
    manifest = seal(batch, work.results, {}, run_id=work.run_id, flow_run_id="", started_at=0.0)
    assert (manifest.status, states(manifest)) == ("incomplete", ["failed"])
    assert manifest.rows[0].reason == "scene: the store does not have its record"


def test_pages_of_other_rows_and_worse_ends_count_for_nothing(services: Services, tmp_path: Path) -> None:
    batch = plan_batch(services, products(tmp_path, "a mug"))
    work = work_on(batch)
    (told,) = work.carry_out([plan.row for plan in batch.plans])
    for update in ({"key": "of another row"}, {"state": "cancelled", "stages": ()}):
        other = told.model_copy(update=update)
        work.learn(BatchPage(batch_id=batch.batch_id, run_id=work.run_id, rows=(other,)))
    work.close()
    assert work.results == {2: told}


def test_rows_stand_where_the_table_has_them_now(services: Services, tmp_path: Path) -> None:
    before = [{"row": "a", "product": "a mug"}, {"row": "b", "product": "a mug"}]
    run_rows(services, write_rows(tmp_path, before), name="nightly")
    after = [{"row": "new", "product": "a lamp"}, *before]
    manifest = run_rows(services, write_rows(tmp_path, after), name="nightly")
    assert [(row.number, row.name) for row in manifest.rows] == [(2, "new"), (3, "a"), (4, "b")]
    moved = run_rows(services, write_rows(tmp_path, [*before, after[0]]), name="nightly")
    assert [(row.number, row.name, row.state) for row in moved.rows] == [
        *((2, "a", "reused"), (3, "b", "reused"), (4, "new", "reused"))
    ]
    stored = plan_batch(services, write_rows(tmp_path, [*before, after[0]]), name="nightly").known.newest
    assert stored
    assert [row.name for row in stored.rows] == ["a", "b", "new"]


@pytest.mark.parametrize("label", ["scene", "poster"])
def test_what_a_row_lacks_is_named(services: Services, tmp_path: Path, label: str) -> None:
    part = cut_by_its_budget(services, products(tmp_path, "a mug", "a lamp"))
    lacking = [stage for row in part.rows for stage in row.stages if not stage.is_done]
    assert lacking
    assert {stage.missing for stage in lacking if stage.label == label} <= {(f"{label}.png",)}
    assert all("poster: poster.png" in row.missing for row in part.rows if not row.is_done)
