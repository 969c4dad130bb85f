"""The drill of docs/reliability.md: a backup, the loss of the store, its return, and work that goes on."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path

import pytest
from click.testing import CliRunner
from foundry_emulator.server import running

from assetmill.care.verifying import Verifier
from assetmill.cli.main import cli
from assetmill.editing.orders import EditOrder
from assetmill.editing.run import begin_edit, carry_out_all
from assetmill.runs.planning import plan_pipeline
from assetmill.settings import Settings
from assetmill.stage.services import open_services
from tests.millworks import CHAIN, run_here, settings_in
from tests.server.stack import set_emulator


def on(settings: Settings, store: Path) -> Settings:
    """Return settings that mean another store."""
    return settings.model_copy(update={"store": settings.store.model_copy(update={"url": f"file:{store}"})})


def copy(source: Path, target: Path) -> None:
    told = CliRunner().invoke(cli, ["store", "copy", f"file:{source}", f"file:{target}"])
    assert told.exit_code == 0, told.output


@pytest.mark.timeout(120)
def test_a_lost_store_comes_back_from_its_backup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original, backup, restored = (tmp_path / name for name in ("original", "backup", "restored"))
    settings = settings_in(tmp_path, chain=CHAIN)
    monkeypatch.setenv("ASSETMILL_HOME", str(settings.home))
    monkeypatch.setenv("ASSETMILL_CONFIGS", str(tmp_path / "configs"))
    with running(settings.emulator_home):
        set_emulator(settings.emulator_home / "ready.json", canned_pictures=True)
        with open_services(on(settings, original)) as services:
            made = {asset.name: asset for asset in run_here(services, "chain").assets()}
        copy(original, backup)
        shutil.rmtree(original)
        copy(backup, restored)
        with open_services(on(settings, restored)) as services:
            assert [problem for problem in Verifier(services.backend).problems() if problem.is_fault] == []
            plan = plan_pipeline("chain", {}, services.settings, services.ledger)
            assert {stage.status for stage in plan.stages} == {"reuse"}
            order = EditOrder(made["first.png"].asset_id, "make the background blue")
            run = begin_edit(order, services, str(uuid.uuid4()))
            manifest = carry_out_all(run)
            assert manifest.status == "completed", [entry.error for entry in manifest.stages]
            assert run.results["edit"].derived_from[0] == made["first.png"].asset_id
