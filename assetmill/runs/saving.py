"""What stages cost that need no agent: what would be saved if they were made here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from assetmill.errors import InvalidInput
from assetmill.plan.plan import FREE, Cost, Plan
from assetmill.runs.planning import plan_loaded
from assetmill.settings import Settings
from assetmill.spec.needless import needless_stages
from assetmill.spec.pipeline import LoadedPipeline


class Saving(NamedTuple):
    """What a stage costs in a run that makes all of its variants."""

    stage: str
    cost: Cost
    line: int | None

    def message(self, pipeline: str) -> str:
        """Say it to a person."""
        amount = f"about ${self.cost.expected:.4f} a run" if self.cost.expected else "what it costs"
        return (
            f"stage {self.stage!r} asks an agent for what is made here for nothing: `make` "
            f"would save {amount}; `assetmill localise {pipeline}` rewrites it"
        )


def savings_of(plan: Plan) -> Iterator[Saving]:
    """Yield what a planned run would save; what it reuses saves nothing now."""
    for one in needless_stages(plan.pipeline):
        costs = [stage.cost for stage in plan.stages if stage.stage == one.stage.name and stage.cost]
        cost = sum(costs, FREE)
        if cost.ceiling:
            yield Saving(one.stage.name, cost, plan.pipeline.document.line(("stages", one.number)))


def savings_in(pipeline: LoadedPipeline, settings: Settings) -> list[Saving]:
    """Return what each stage that needs no agent costs; unknown where parameters are missing."""
    try:
        return list(savings_of(plan_loaded(pipeline, {}, settings, None)))
    except InvalidInput:
        places = ((one, pipeline.document.line(("stages", one.number))) for one in needless_stages(pipeline))
        return [Saving(one.stage.name, FREE, line) for one, line in places]
