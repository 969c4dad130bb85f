"""What a stage's turns have cost: as the service reports it, else by what it made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from assetmill.agents.outputs import ImageCall, Produced
from assetmill.money.drawn import Drawn, Range, drawn_usd
from assetmill.money.prices import Prices, price_of
from assetmill.pictures import PictureDamaged, examine
from assetmill.plan.calls import StageCall
from assetmill.records import Usage
from assetmill.spec.image_models import parse_size
from assetmill.store.blobs import Blobs


def cost_of(
    usage: Usage,
    call: StageCall,
    produced: Sequence[Produced],
    blobs: Blobs,
    prices: Prices,
    *,
    turns: Sequence[Usage],
) -> Range | None:
    """Return what `turns` have cost, of which `usage` is the sum; None when a part of it is unknown.

    It is a range only where the service does not report what its picture tool used.
    """
    pictures = [image for one in produced for image in one.images if image.is_charged]
    if call.is_direct:
        return _direct_cost(usage, call, pictures, prices)
    tool = call.drawing
    price = prices.image.get(str(tool["model"])) if tool and "model" in tool else None
    if usage.image_output_tokens is not None or not pictures or tool is None or price is None:
        exact = price_of(usage, call, prices, turns=turns)
        return None if exact is None else Range(exact, exact, exact)
    without_pictures = usage.model_copy(update={"images": 0, "image_output_tokens": 0})
    rest = price_of(without_pictures, call, prices, turns=turns)
    partial = usage.partial_images / len(pictures) * prices.partial_image_tokens
    fidelity = tool.get("input_fidelity")
    drawn = drawn_usd(
        [_drawn(image, call, str(tool.get("size")), str(tool.get("quality"))) for image in pictures],
        price,
        seen=list(_seen(call, blobs)),
        fidelity=str(fidelity) if fidelity else None,
        partial_tokens=round(partial),
    )
    if rest is None or drawn is None:
        return None
    return Range(*(round(rest + part, 8) for part in drawn))


def _direct_cost(usage: Usage, call: StageCall, pictures: list[ImageCall], prices: Prices) -> Range | None:
    """Return what a call of an image model itself has cost: by its report, else by what came of it."""
    price = prices.image.get(str(call.tools[0]["model"]))
    if usage.image_output_tokens is not None and price and not price.megapixel:
        exact = price_of(usage, call, prices)
        return None if exact is None else Range(exact, exact, exact)
    if price is None or price.megapixel is None or not pictures:
        return None
    if any(bound.role == "picture" for bound in call.inputs):
        return None  # it is told neither what was read nor what that costs
    sizes = [parse_size(image.size) or parse_size(str(call.tools[0].get("size"))) for image in pictures]
    found = [price.megapixel.usd(size, ()) if size else None for size in sizes]
    known = [one for one in found if one is not None]
    if len(known) < len(found):
        return None
    low, high = (round(sum(side), 8) for side in zip(*known, strict=True))
    return Range(low, high, high)


def _drawn(image: ImageCall, call: StageCall, size: str, quality: str) -> Drawn:
    sees = any(bound.role == "picture" for bound in call.inputs)
    is_edit = image.action == "edit" or (sees and image.action != "generate")
    return Drawn(image.size or size, image.quality or quality, image.revised_prompt or call.prompt, is_edit)


def _seen(call: StageCall, blobs: Blobs) -> Iterator[tuple[int, int]]:
    for bound in call.inputs:
        data = blobs.find(bound.blob) if bound.role == "picture" else None
        try:
            facts = examine(data) if data else None
        except PictureDamaged:
            continue  # the service may have read it all the same; the range covers it
        if facts:
            yield facts.width, facts.height
