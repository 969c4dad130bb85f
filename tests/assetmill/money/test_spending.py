from __future__ import annotations

from pathlib import Path

import pytest

from assetmill.errors import StageError
from assetmill.money.spending import spending
from assetmill.records import RunId
from assetmill.settings import Foundry, Settings
from assetmill.stage.engine import run_stage
from assetmill.stage.services import Services
from assetmill.store.memory import MemoryStore
from tests.doubles import ScriptedGateway, always, message_item, stage_call


def test_what_was_committed_and_what_failed_after_it_was_paid_are_counted(tmp_path: Path) -> None:
    gateway = ScriptedGateway()
    settings = Settings(profile="test", home=tmp_path, configs=tmp_path, foundry=Foundry(settle_s=0.0))
    services = Services(settings, MemoryStore(), lambda _settings, _wait: gateway)
    made = run_stage(stage_call(), services, RunId("r"))
    gateway.script = always(message_item("no picture today"))
    with pytest.raises(StageError):
        run_stage(stage_call(prompt="draw nothing"), services, RunId("r"))
    stages = {group.group: group for group in spending(services.ledger, "stage").groups}
    assert stages["poster/hero"].usd == pytest.approx(made.cost_usd)
    assert [name for name in stages if name.startswith("failed: ")]
    (day,) = spending(services.ledger, "day").groups
    assert day.usd == pytest.approx(sum(group.usd for group in stages.values()))
    assert day.attempts == 2
