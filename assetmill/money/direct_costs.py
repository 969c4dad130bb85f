"""What a call of an image model itself may cost: no agent reads or writes beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assetmill.money.price_table import ImagePrice, Prices
from assetmill.plan.calls import StageCall
from assetmill.plan.plan import Cost
from assetmill.spec.image_models import parse_size

READING = " (what it reads)"
"""Ends the name of a price that no source gives: that of the pictures which such a model starts from."""

_MILLION = 1_000_000
_USUAL = (1024, 1024)


def direct_estimate(call: StageCall, tool: Mapping[str, Any], table: Prices, coming: int) -> Cost:
    """Return what one call may cost; it draws one picture and is never sent twice for one attempt.

    An edit chooses its own size, and nobody has said what the pictures cost that it reads: `unknown` of it
    names them.
    """
    model = str(tool["model"])
    price = table.image.get(model)
    if price is None:
        return Cost(0.0, 0.0, 0.0, (model,))
    size = parse_size(str(tool.get("size", "")))
    sees = coming or any(bound.role == "picture" for bound in call.inputs)
    unknown = (f"{model}{READING}",) if sees else ()
    drawn = _by_area(price, size or _USUAL) if price.megapixel else _by_tokens(price, size or _USUAL, call)
    if drawn is None:
        return Cost(0.0, 0.0, 0.0, (f"{model} {tool.get('size')}", *unknown))
    least, most = drawn
    return Cost(least, most if price.megapixel else least, most, unknown)


def _by_area(price: ImagePrice, size: tuple[int, int]) -> tuple[float, float] | None:
    return price.megapixel.usd(size, ()) if price.megapixel else None


def _by_tokens(price: ImagePrice, size: tuple[int, int], call: StageCall) -> tuple[float, float] | None:
    """Return the cost with a quarter of a token for each character of the prompt, and with a whole one."""
    tokens = price.tokens_of(f"{size[0]}x{size[1]}", "")
    if tokens is None:
        return None
    drawn, said = tokens * price.output, len(call.prompt) * price.text_input
    return (drawn + said / 4) / _MILLION, (drawn + said) / _MILLION
