"""What the probes of one `assetmill doctor --live` may spend: told before, reserved, and settled after."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from assetmill.agents.gateway import Response
from assetmill.agents.outputs import read_usage
from assetmill.errors import BudgetExceeded
from assetmill.money.budget import Ceiling
from assetmill.money.prices import estimate, missing_prices, price_of, prices_for
from assetmill.plan.calls import StageCall
from assetmill.plan.plan import Cost
from assetmill.stage.services import Services

BUDGET_USD = 0.25
"""The most that the probes of one command may spend, unless somebody says otherwise."""


class ProbeBudget:
    """The money of one command's probes, under its own ceiling and under those of the profile."""

    def __init__(self, services: Services, usd: float = BUDGET_USD) -> None:
        self._services = services
        self._scope = f"run/probe-{uuid.uuid4().hex[:12]}"
        self._own = Ceiling(self._scope, usd)
        self._numbers = itertools.count(1)
        self.usd = usd

    @property
    def spent_usd(self) -> float:
        """What the probes have cost by what the service reported; what it did not report counts in full."""
        return self._services.budget.committed_usd(self._scope)

    def price(self, call: StageCall) -> Cost:
        """Return what a probe may cost."""
        return estimate(call, prices_for(self._services.settings))

    def told(self, call: StageCall) -> str:
        """Say what a probe may cost."""
        price = self.price(call)
        if not price.is_known:
            return missing_prices(price.unknown)
        return f"about ${price.expected:.4f}, at most ${price.ceiling:.4f}"

    def reserve(self, call: StageCall) -> str:
        """Reserve the most that a probe may cost, and return under which name.

        Raises:
            BudgetExceeded: a ceiling has no room for it, or nobody knows its price.
        """
        price = self.price(call)
        if not price.is_known:
            raise BudgetExceeded(call.label, missing_prices(price.unknown))
        reservation = f"{self._scope}/{next(self._numbers)}"
        refusal = self._services.budget.reserve(reservation, price.ceiling, self._ceilings)
        if refusal is not None:
            raise BudgetExceeded(call.label, str(refusal))
        return reservation

    def settle(self, reservation: str, call: StageCall, response: Response | None) -> None:
        """Replace a reservation by what the probe has cost: nothing, where `response` is None."""
        usd = 0.0
        if response is not None:
            table = prices_for(self._services.settings)
            known = price_of(read_usage(response.body), call, table) if response.is_final else None
            usd = self.price(call).ceiling if known is None else known
        self._services.budget.settle(reservation, usd, self._ceilings)

    @property
    def _ceilings(self) -> tuple[Ceiling, ...]:
        return (self._own, *self._services.ceilings_of(self._scope))


def probe_call(
    services: Services, name: str, prompt: str, tools: Sequence[Mapping[str, Any]] = ()
) -> StageCall:
    """Return a probe as a stage that can be priced."""
    foundry = services.settings.foundry
    return StageCall(
        pipeline="probe",
        stage=name,
        variant="",
        prompt=prompt,
        instructions="",
        model=foundry.model,
        image_deployment=foundry.image_deployment if tools else None,
        tools=tuple(tools),
    )
