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

CONFIGS = Path(__file__).parents[3] / "configs"


def test_what_was_committed_and_what_failed_after_it_was_paid_are_counted(tmp_path: Path) -> None:
    gateway = ScriptedGateway()
    settings = Settings(profile="test", home=tmp_path, configs=CONFIGS, foundry=Foundry(settle_s=0.0))
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


def test_a_cost_that_nobody_reports_lies_below_what_was_reserved(tmp_path: Path) -> None:
    gateway = ScriptedGateway()
    gateway.echo = {"usage": None}
    settings = Settings(profile="test", home=tmp_path, configs=CONFIGS, foundry=Foundry(settle_s=0.0))
    services = Services(settings, MemoryStore(), lambda _settings, _wait: gateway)
    run_stage(stage_call(), services, RunId("r"))
    gateway.script = always(message_item("no picture today"))
    with pytest.raises(StageError):
        run_stage(stage_call(prompt="draw nothing"), services, RunId("r"))
    for group in spending(services.ledger, "stage").groups:
        assert (group.usd, group.unknown, group.low_usd, group.is_about) == (0.0, 1, 0.0, True)
        assert group.high_usd > 0.01
