"""What pictures cost of which the service does not report the tokens: by their size, and by what was read.

Azure reports only the orchestrating model's tokens. What the image tool wrote follows from the size and the
quality of each picture; what it read is known as a rule, so the result is about right, within a range.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from assetmill.money.prices import ImagePrice
from assetmill.spec.image_models import parse_size

_MILLION = 1_000_000
_CHARACTERS_PER_TOKEN = 4
_BASE, _TILE, _TILE_EDGE = 65, 129, 512
_HIGH_SQUARE, _HIGH_OBLONG = 4160, 6240
_MOST_TILES = 6
_MOST_TEXT = 4
"""The tool's own prompt is rarely longer than this many times what is known of it."""


class Drawn(NamedTuple):
    """One picture that was charged for. `prompt` is what the tool was told, as far as the service says so."""

    size: str
    quality: str
    prompt: str
    is_edit: bool


class Range(NamedTuple):
    """A cost that only the service knows exactly: at least, about, at most, in US dollars."""

    low: float
    about: float
    high: float


def drawn_usd(
    pictures: Sequence[Drawn],
    price: ImagePrice,
    *,
    seen: Sequence[tuple[int, int]],
    fidelity: str | None,
    partial_tokens: int,
) -> Range | None:
    """Return what pictures have cost; None when the table knows nothing of their size and quality.

    `seen` are the sizes of the pictures that an edit is given, `partial_tokens` those of partial pictures.
    """
    total = Range(0.0, 0.0, 0.0)
    for one in pictures:
        written = _tokens(one, price)
        if written is None:
            return None
        text = math.ceil(len(one.prompt) / _CHARACTERS_PER_TOKEN) * price.text_input
        read = sum(_read(size, fidelity) for size in seen) * price.image_input if one.is_edit else 0.0
        most = len(seen) * (_BASE + _TILE * _MOST_TILES + _HIGH_OBLONG * (fidelity == "high"))
        output = (written + partial_tokens) * price.output
        high = output + _MOST_TEXT * text + max(read, most * price.image_input)
        total = Range(total.low + output, total.about + output + text + read, total.high + high)
    return Range(*(part / _MILLION for part in total))


def _tokens(picture: Drawn, price: ImagePrice) -> float | None:
    """Return the output tokens of one picture; a size that is not in the table is scaled by its pixels."""
    if (known := price.tokens_of(picture.size, picture.quality)) is not None:
        return known
    size, row = parse_size(picture.size), list(price.tokens.get(picture.quality, ()))
    if size is None or not row:
        return None
    width, height = size
    is_squarish = len(row) < 2 or max(size) < 1.25 * min(size)
    tokens, pixels = (row[0], 1024 * 1024) if is_squarish else (row[1], 1024 * 1536)
    return math.ceil(tokens * width * height / pixels)


def _read(size: tuple[int, int], fidelity: str | None) -> int:
    """Return the tokens of one input picture: its short side is scaled to a tile, then tiles are counted."""
    scale = min(1.0, _TILE_EDGE / min(size))
    tiles = math.prod(math.ceil(side * scale / _TILE_EDGE) for side in size)
    extra = (_HIGH_SQUARE if size[0] == size[1] else _HIGH_OBLONG) if fidelity == "high" else 0
    return _BASE + _TILE * tiles + extra
