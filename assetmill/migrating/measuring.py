"""What a sample is expected to cost, as far as its stages have run before.

Pictures cost what the price list says of the model that draws them. How much an agent reads, writes and uses
its other tools nobody can say beforehand: what the same stage took with another model is the best there is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from assetmill.money.drawn import Drawn, drawn_usd
from assetmill.money.price_table import Prices
from assetmill.money.prices import price_of
from assetmill.pictures import examine
from assetmill.plan.calls import StageCall
from assetmill.plan.plan import Cost, Plan, PlannedStage
from assetmill.records import AssetId, AssetRecord, StageRecord


@dataclass(frozen=True)
class Measured:
    """What is expected of some stages: their pictures by the price list, the rest as they took it before.

    `seen` of the `stages` have run; of the others the usual allowance counts, pictures and all. None is
    unknown.
    """

    pictures_usd: float | None = 0.0
    rest_usd: float | None = 0.0
    allowed_usd: float | None = 0.0
    seen: int = 0
    stages: int = 0

    @property
    def usd(self) -> float | None:
        """All of it."""
        return _sum(_sum(self.pictures_usd, self.rest_usd), self.allowed_usd)

    def __add__(self, other: Measured) -> Measured:
        """Return both together."""
        return Measured(
            _sum(self.pictures_usd, other.pictures_usd),
            _sum(self.rest_usd, other.rest_usd),
            _sum(self.allowed_usd, other.allowed_usd),
            self.seen + other.seen,
            self.stages + other.stages,
        )

    def __str__(self) -> str:
        if self.usd is None:
            return "unknown"
        how = f"{self.seen} of {self.stages} stages have run before" if self.stages else "nothing to draw"
        return f"${self.usd:.4f}: {', '.join(self._parts()) or '$0.0000'}; {how}"

    def _parts(self) -> Iterator[str]:
        if self.seen:
            yield f"pictures ${self.pictures_usd:.4f} by the price list"
            yield f"agents and tools ${self.rest_usd:.4f} as before"
        if self.allowed_usd:
            yield f"${self.allowed_usd:.4f} by the plan for what has never run"


@dataclass(frozen=True)
class Past:
    """A stage as it has run: what it took, and how large the pictures were that it was given to look at."""

    record: StageRecord
    seen: tuple[tuple[int, int], ...] = ()


def measured(stage: PlannedStage, call: StageCall, past: Past | None, prices: Prices) -> Measured:
    """Return what one stage is expected to cost, by how it has run with another model if it has."""
    if stage.record is not None:
        return Measured()
    known = _known(call, past, prices) if past and not (call.acceptance or call.is_direct) else None
    if known:
        return replace(known, seen=1, stages=1)
    return Measured(allowed_usd=_allowed(stage.cost), stages=1)


def _known(call: StageCall, past: Past, prices: Prices) -> Measured | None:
    """Return the price of what a stage took, its pictures drawn by the call's own model."""
    usage = past.record.usage
    lane = None if call.lane == "now" else call.lane
    # What another model's pictures took says nothing of this one's: the price list does.
    without = usage.model_copy(update={"images": 0, "image_output_tokens": 0, "service_tier": lane})
    rest, drawn = price_of(without, call, prices), _drawn_usd(call, past, prices)
    return None if rest is None or drawn is None else Measured(drawn, rest)


def _drawn_usd(call: StageCall, past: Past, prices: Prices) -> float | None:
    """Return what as many pictures cost by another model, told what the ones before were told."""
    usage, tool = past.record.usage, call.drawing
    if not usage.images:
        return 0.0
    price = prices.image.get(str(tool.get("model"))) if tool else None
    if tool is None or price is None:
        return None
    size, quality, action = (str(tool.get(name) or "") for name in ("size", "quality", "action"))
    told = [asset.revised_prompt for asset in past.record.outputs if asset.kind == "picture"]
    told = (told + [""] * usage.images)[: usage.images]
    is_edit = action == "edit" or (bool(past.seen) and action != "generate")
    fidelity = tool.get("input_fidelity")
    found = drawn_usd(
        [Drawn(size, quality, prompt or call.prompt, is_edit) for prompt in told],
        price,
        seen=past.seen,
        fidelity=str(fidelity) if fidelity else None,
        partial_tokens=round(usage.partial_images / usage.images * prices.partial_image_tokens),
    )
    return found.about if found else None


def _allowed(cost: Cost | None) -> float | None:
    return cost.expected if cost and cost.is_known else None


def _sum(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one + other


def past_of(plan: Plan, asset_of: Callable[[AssetId], AssetRecord | None]) -> dict[str, Past]:
    """Return by label how the stages of a plan ran that are made."""
    return {
        stage.label: Past(stage.record, tuple(_seen(stage.call, asset_of)))
        for stage in plan.stages
        if stage.record and stage.call
    }


def _seen(call: StageCall, asset_of: Callable[[AssetId], AssetRecord | None]) -> Iterator[tuple[int, int]]:
    for bound in call.inputs:
        if bound.role != "picture":
            continue
        asset = asset_of(bound.asset_id) if bound.asset_id else None
        if asset and asset.width and asset.height:
            yield asset.width, asset.height
        elif bound.path:
            facts = examine(Path(bound.path).read_bytes())
            yield facts.width, facts.height
