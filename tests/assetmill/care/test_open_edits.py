"""An edit that was left open and whose run's manifest is lost: found, decided on, and asked for again."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from assetmill.agents.gateway import ResponseRequest
from assetmill.care.repairing import Repairer
from assetmill.care.salvage import Salvage
from assetmill.cli.again import asked_again
from assetmill.cli.stage_places import find_stage
from assetmill.editing.orders import EditOrder
from assetmill.editing.run import EditRun, begin_edit, carry_out_all
from assetmill.errors import NotFound, OutcomeUnknown
from assetmill.records import RunId
from assetmill.stage.services import Services
from assetmill.store import layout
from assetmill.store.memory import MemoryStore
from tests.doubles import ScriptedGateway, always, image_item, png
from tests.millworks import CHAIN, run_here, services_on, settings_in


@pytest.fixture
def gateway() -> ScriptedGateway:
    return ScriptedGateway(always(image_item(png(1024, 1024, "red"))))


@pytest.fixture
def services(tmp_path: Path, backend: MemoryStore, gateway: ScriptedGateway) -> Services:
    made = services_on(settings_in(tmp_path, chain=CHAIN), backend, gateway)
    made.wait = lambda seconds: None  # time passes at once
    return made


def edited(services: Services, asset: str, replicas: int = 1) -> EditRun:
    run = begin_edit(EditOrder(asset, "make it red", replicas=replicas), services, str(uuid.uuid4()))
    carry_out_all(run)
    return run


def lose_first(gateway: ScriptedGateway) -> None:
    """Leave the outcome of the next post open."""

    def lose(_: ResponseRequest) -> None:
        gateway.before = lambda _: None
        raise OutcomeUnknown("reset")

    gateway.before = lose


def test_a_manifest_made_anew_leads_to_what_was_begun(
    services: Services, backend: MemoryStore, gateway: ScriptedGateway
) -> None:
    run_here(services, "chain")
    lose_first(gateway)
    run = edited(services, "latest/first", replicas=2)
    before = {label: call.fingerprint for label, call in run.calls.items()}
    backend.delete(layout.run_manifest(run.run_id))
    list(Repairer(services, Salvage(services), RunId("run_repair")).repair())
    for label in ("edit", "edit[replica=2]"):
        assert find_stage(services.ledger, run.run_id, label) == ("edit", before[label])
    with pytest.raises(NotFound, match="did you mean 'edit'"):
        find_stage(services.ledger, run.run_id, "edits")


def test_an_edit_of_the_latest_is_asked_for_again_by_what_that_was(
    services: Services, gateway: ScriptedGateway
) -> None:
    first = run_here(services, "chain").assets()[0]
    run = edited(services, "latest/first")
    start = services.ledger.find_start(run.run_id)
    assert asked_again("edit", start).startswith(f"assetmill edit {first.asset_id} 'make it red'")
    run_here(services, "chain", subject="a red lamp")
    paid = len(gateway.posts)
    assert edited(services, str(first.asset_id)).results == run.results
    assert len(gateway.posts) == paid
