"""A stage none of whose draws was taken is whole: a repair leaves it, a person may take a draw after all."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from assetmill.care.repairing import Repairer
from assetmill.care.repairs import Repaired
from assetmill.care.salvage import Salvage
from assetmill.care.unread import UnreadRecords
from assetmill.cli.accept import accepted
from assetmill.history.assets import AssetFinder
from assetmill.records import RunId
from assetmill.stage.services import Services
from assetmill.store import layout
from assetmill.store.index import Index
from assetmill.store.memory import MemoryStore
from tests.millworks import painter, run_here, services_on, settings_in

PICKY = """
name: picky
stages:
  - name: poster
    prompt: Draw a red kite.
    tools: [{type: image_generation, size: 1024x1024}]
    reroll: 1
    outputs: [{name: poster.png, checks: {palette: {colours: ["#010203"], distance: 1, share: 0.99}}}]
"""


@pytest.fixture
def picky(tmp_path: Path, backend: MemoryStore) -> Services:
    services = services_on(settings_in(tmp_path, picky=PICKY), backend, painter())
    assert run_here(services, "picky").status == "failed"
    return services


def repair(services: Services) -> list[Repaired]:
    run_id = RunId(f"run_repair{uuid.uuid4().hex[:6]}")
    return list(Repairer(services, Salvage(services, asks_service=True), run_id).repair())


def candidates(services: Services) -> list[str]:
    return [one.asset.asset_id for one in services.ledger.kept.all()]


def test_a_repair_leaves_what_a_run_noted_of_its_draws(picky: Services, backend: MemoryStore) -> None:
    assert [entry.key for entry in backend.list(layout.VERDICTS)]
    assert repair(picky) == []
    assert candidates(picky) == []


def test_a_draw_can_be_taken_where_an_older_repair_made_an_intent_of_the_note(
    picky: Services, backend: MemoryStore
) -> None:
    (note,) = (entry.key for entry in backend.list(layout.VERDICTS))
    maker = UnreadRecords(picky, RunId("run_repair"), asks_service=False, may_make_again=False)
    made = maker.settle(layout.intent_of_verdict(note), "it is not there", is_finished=False)
    assert made.state == "mended"
    assert candidates(picky) == []
    finder = AssetFinder(picky.ledger, Index(backend, picky.ledger))
    draw = next(iter(picky.ledger.kept.refused_draws()))
    record = accepted(finder.find(draw), picky)
    assert [one.name for one in record.outputs if one.role == "output"] == ["poster.png"]
    assert run_here(picky, "picky").status == "completed"
