"""The edit as a flow: the same records, and what Prefect is told."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from assetmill.agents.gateway import ResponseRequest
from assetmill.errors import InvalidInput, RunStopped
from assetmill.records import RunId
from assetmill.stage.services import Services
from assetmill.store.memory import MemoryStore
from flows.edit_asset import edit_asset
from tasks.connections import provided
from tests.doubles import ScriptedGateway, png
from tests.marks import WITH_PREFECT
from tests.millworks import painter, services_on, settings_in

pytestmark = WITH_PREFECT


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    services = services_on(settings_in(tmp_path), MemoryStore(), painter())
    with provided(services, "local"):
        yield services
    services.close()


def edit(asset: str, instruction: str, **options: Any) -> dict[str, Any]:
    assert inspect.iscoroutinefunction(edit_asset.fn)
    running: Any = edit_asset(asset, instruction, profile="local", **options)
    return asyncio.run(running)


def test_a_flow_run_makes_every_result_and_seals_it(services: Services, tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(png(64, 64))
    found = edit(str(tmp_path / "photo.png"), "make it red", box="4,4,30,30", n=2)
    manifest = services.ledger.read_manifest(RunId(found["run_id"]))
    assert manifest is not None
    assert manifest.status == "completed"
    assert [asset.asset_id for asset in manifest.assets() if asset.stage == "composite"] == found["assets"]
    assert len(found["assets"]) == 2


def test_a_flow_run_with_a_wrong_order_spends_nothing(services: Services) -> None:
    with pytest.raises(InvalidInput, match="no asset"):
        edit("nothing", "make it red")
    assert services.ledger.runs() == []


def test_an_edit_that_is_called_off_is_sealed_as_cancelled(services: Services, tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(png(64, 64))
    gateway = cast(ScriptedGateway, services.gateway)

    def call_off(_: ResponseRequest) -> None:
        open_run = next(run for run in services.ledger.runs() if services.ledger.find_manifest(run) is None)
        services.ledger.cancel(open_run, "cancelled by somebody")
        assert services.stop.wait(20), "nobody has heard of it"

    gateway.before = call_off
    with pytest.raises(RunStopped):
        edit(str(tmp_path / "photo.png"), "make it red", box="4,4,30,30")
    manifest = services.ledger.read_manifest(services.ledger.runs()[-1])
    assert manifest is not None
    assert manifest.status == "cancelled"
