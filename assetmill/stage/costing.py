"""What a stage's turns have cost: as the service reports it, else by what it made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from assetmill.agents.outputs import ImageCall, Produced
from assetmill.money.drawn import Drawn, Range, drawn_usd
from assetmill.money.prices import current_prices, price_of
from assetmill.pictures import PictureDamaged, examine
from assetmill.plan.calls import StageCall
from assetmill.records import Usage
from assetmill.store.blobs import Blobs


def cost_of(usage: Usage, call: StageCall, produced: Sequence[Produced], blobs: Blobs) -> Range | None:
    """Return what turns have cost, None when a part of it is unknown; without a range where it is exact."""
    pictures = [image for one in produced for image in one.images if image.is_charged]
    tool = next((tool for tool in call.tools if tool["type"] == "image_generation"), None)
    price = current_prices().image.get(str(tool["model"])) if tool and "model" in tool else None
    if usage.image_output_tokens is not None or not pictures or tool is None or price is None:
        exact = price_of(usage, call)
        return None if exact is None else Range(exact, exact, exact)
    rest = price_of(usage.model_copy(update={"images": 0, "image_output_tokens": 0}), call)
    partial = usage.partial_images / len(pictures) * current_prices().partial_image_tokens
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
