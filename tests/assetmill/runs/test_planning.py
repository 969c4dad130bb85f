from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from assetmill.money.prices import estimate, prices_for
from assetmill.plan.plan import Plan
from assetmill.records import StageRecord
from assetmill.runs.planning import plan_pipeline
from assetmill.stage.services import Services
from assetmill.store.memory import MemoryStore
from tests.batchworks import CARD, plan_batch, products
from tests.millworks import PICTURE, painter, run_here, services_on, settings_in, wide

STAGES = 60
PICTURES = f"""
name: pictures
parameters:
  count: {{type: integer, default: 40}}
stages:
  - name: picture
    for_each: {{number: [{", ".join(str(n) for n in range(STAGES))}]}}
    prompt: Draw number {{{{ number }}}}{{% if number < count %}} well{{% endif %}}.{PICTURE % "a"}
"""


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    made = services_on(
        settings_in(tmp_path, wide=wide(STAGES), pictures=PICTURES, card=CARD), MemoryStore(), painter()
    )
    yield made
    made.close()


def planned(services: Services, name: str, **parameters: object) -> tuple[Plan, int]:
    """Return a plan and the store requests that it cost."""
    before = services.backend.requests
    plan = plan_pipeline(name, parameters, services.settings, services.ledger)
    return plan, services.backend.requests - before


def statuses(plan: Plan) -> list[str]:
    return [stage.status for stage in plan.stages]


def test_a_first_plan_does_not_ask_for_every_stage(services: Services) -> None:
    plan, requests = planned(services, "wide")
    assert statuses(plan) == ["run"] * STAGES
    assert requests < 25


def test_a_plan_of_which_nothing_is_new_takes_three_requests(services: Services) -> None:
    run_here(services, "wide")
    plan, requests = planned(services, "wide")
    assert statuses(plan) == ["reuse"] * STAGES
    assert requests == 3


def test_what_an_older_run_has_made_is_found_among_what_nobody_has(services: Services) -> None:
    run_here(services, "pictures", count="30")
    run_here(services, "pictures", count="0")
    plan, requests = planned(services, "pictures", count=50)
    assert statuses(plan) == ["reuse"] * 30 + ["run"] * 20 + ["reuse"] * 10
    assert requests < 40


def test_what_earlier_stages_will_draw_is_in_what_a_plan_may_cost_at_most(
    services: Services, tmp_path: Path
) -> None:
    plan, _ = planned(services, "card", product="cup")
    ceiling = next(stage.cost for stage in plan.stages if stage.label == "poster")
    assert ceiling is not None
    row = plan_batch(services, products(tmp_path, "cup"))
    assert plan.cost.ceiling == pytest.approx(row.totals.cost.ceiling)
    run_here(services, "card", product="cup")
    bound = plan.bind("poster", records_of(services))
    assert ceiling.ceiling >= estimate(bound, prices_for(services.settings)).ceiling


def records_of(services: Services) -> dict[str, StageRecord]:
    """Return what was made, by stage."""
    return {record.stage: record for record in services.ledger.stages()}
