"""Every chat model that has a price can be planned, runs under a ceiling that it fits, and under no other."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from assetmill.errors import BudgetExceeded
from assetmill.money.prices import load_prices
from assetmill.runs.planning import plan_pipeline
from assetmill.runs.run import begin_run
from assetmill.settings import Settings
from assetmill.spec.chat_models import load_chat_models
from assetmill.stage.engine import run_stage
from assetmill.stage.services import Services
from assetmill.store.memory import MemoryStore
from tests.doubles import ScriptedGateway
from tests.millworks import PICTURE, painter, services_on, settings_in

CONFIGS = Path(__file__).parents[3] / "configs"
PRICED = sorted(load_prices(CONFIGS).chat)


def pipeline(number: int, model: str) -> str:
    stage = f"  - name: draw\n    prompt: Draw a mug.{PICTURE % 'mug'}"
    return f"name: m{number:02}\ndefaults: {{model: {model}}}\nstages:\n{stage}"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    pipelines = {f"m{number:02}": pipeline(number, model) for number, model in enumerate(PRICED)}
    return settings_in(tmp_path_factory.mktemp("models"), **pipelines)


@pytest.fixture
def gateway() -> ScriptedGateway:
    return painter()


@pytest.fixture
def services(settings: Settings, gateway: ScriptedGateway) -> Iterator[Services]:
    services = services_on(settings, MemoryStore(), gateway)
    yield services
    services.close()


def test_every_chat_model_has_a_price_and_every_price_a_model() -> None:
    assert set(PRICED) == set(load_chat_models(CONFIGS))


@pytest.mark.parametrize("number", range(len(PRICED)), ids=PRICED)
def test_a_chat_model_runs_under_the_ceiling_that_its_plan_names(
    number: int, services: Services, gateway: ScriptedGateway
) -> None:
    name = f"m{number:02}"
    plan = plan_pipeline(name, {}, services.settings, services.ledger)
    cost = plan.cost
    assert cost.is_known
    assert 0 < cost.expected < cost.ceiling
    refused = begin_run(name, {}, services, str(uuid.uuid4()), budget_usd=cost.ceiling - 0.0001)
    call = refused.begin("draw")
    assert call
    with pytest.raises(BudgetExceeded):
        run_stage(call, services, refused.run_id)
    assert gateway.posts == []
    run = begin_run(name, {}, services, str(uuid.uuid4()), budget_usd=cost.ceiling)
    record = run_stage(call, services, run.run_id)
    assert record.cost_usd is not None
    assert 0 < record.cost_usd <= cost.ceiling
    assert len(gateway.posts) == 1
