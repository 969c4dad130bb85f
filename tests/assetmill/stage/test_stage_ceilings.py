"""A ceiling is held before the spend, and gets back what was not spent."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from assetmill.errors import (
    BudgetExceeded,
    OutcomeUnknown,
    Throttled,
)
from assetmill.money.budget import Ceiling
from assetmill.money.prices import estimate
from assetmill.stage.engine import run_stage
from tests.assetmill.stage.processes import RUN, Start, failing
from tests.doubles import ScriptedGateway, stage_call


def test_a_ceiling_stops_what_might_exceed_it_before_the_spend(
    process: Start, gateway: ScriptedGateway
) -> None:
    """Forty stages at once, each of which may cost a fifth of the ceiling."""
    ceiling_usd = estimate(stage_call()).ceiling  # type: ignore[union-attr]
    services = process(Ceiling("run/r", 5 * ceiling_usd))
    gateway.after = failing(*(OutcomeUnknown("lost") for _ in range(5)))

    def run(number: int) -> str:
        try:
            run_stage(stage_call(prompt=f"draw {number}"), services, RUN)
        except BudgetExceeded as error:
            return str(error)
        return "done"

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(run, range(40)))
    spent_usd = services.budget.committed_usd("run/r")
    assert spent_usd <= 5 * ceiling_usd
    assert len(gateway.posts) == outcomes.count("done") >= 5
    assert "of the ceiling of" in next(text for text in outcomes if text != "done")


def test_a_refused_attempt_gives_its_money_back(process: Start, gateway: ScriptedGateway) -> None:
    ceiling_usd = estimate(stage_call()).ceiling  # type: ignore[union-attr]
    gateway.before = failing(Throttled("slow down", "", 429, 1.0), Throttled("slow down", "", 429, 1.0))
    record = run_stage(stage_call(), process(Ceiling("run/r", 1.1 * ceiling_usd)), RUN)
    assert record.attempt == 3


def test_a_refused_attempt_gives_its_reservation_back(process: Start, gateway: ScriptedGateway) -> None:
    expected = estimate(stage_call())
    assert expected is not None
    gateway.before = failing(*(Throttled("slow down", "rate_limit", 429, 1.0) for _ in range(5)))
    services = process(Ceiling("project", expected.ceiling * 1.5))
    assert run_stage(stage_call(), services, RUN).attempt == 6
