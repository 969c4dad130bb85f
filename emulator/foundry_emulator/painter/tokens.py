"""Token counts of the image tool: what a service would report for a picture."""

from __future__ import annotations

import math
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

SQUARE_PIXELS, OBLONG_PIXELS = 1024 * 1024, 1536 * 1024


@cache
def _tables() -> dict[str, Any]:
    with Path(__file__).with_name("tokens.toml").open("rb") as file:
        return tomllib.load(file)


def output_tokens(model: str, size: tuple[int, int], quality: str, partials: int = 0) -> int:
    """Return the output tokens of one picture and its partial pictures."""
    return _picture_tokens(model, size, quality) + partials * int(_tables()["partial_image"])


def _picture_tokens(model: str, size: tuple[int, int], quality: str) -> int:
    row = _row(model)
    width, height = size
    exact = row.get("exact", {}).get(f"{width}x{height} {quality}")
    if exact is not None:
        return int(exact)
    square, oblong = row.get(quality, row["high"])
    if (width, height) == (1024, 1024):
        return int(square)
    if {width, height} == {1024, 1536}:
        return int(oblong)
    is_squarish = max(width, height) < 1.25 * min(width, height)
    known, pixels = (square, SQUARE_PIXELS) if is_squarish else (oblong, OBLONG_PIXELS)
    return math.ceil(known * width * height / pixels)


def _row(model: str) -> dict[str, Any]:
    """Return the row with the longest prefix; a model nobody measured counts as gpt-image-2."""
    rows: list[dict[str, Any]] = _tables()["models"]
    matching = [row for row in rows if model.startswith(row["prefix"])]
    if not matching:
        return next(row for row in rows if row["prefix"] == "gpt-image-2")
    return max(matching, key=lambda row: len(row["prefix"]))


def image_tokens(sizes: tuple[tuple[int, int], ...], fidelity: str | None) -> int:
    """Return the input tokens of the pictures given to an edit."""
    return sum(_input_tokens(size, fidelity) for size in sizes)


def _input_tokens(size: tuple[int, int], fidelity: str | None) -> int:
    table: dict[str, int] = _tables()["input"]
    edge = table["tile_edge"]
    scale = min(1.0, edge / min(size))
    tiles = math.prod(math.ceil(part * scale / edge) for part in size)
    extra = 0
    if fidelity == "high":
        extra = table["high_fidelity_square" if size[0] == size[1] else "high_fidelity_oblong"]
    return table["base"] + table["tile"] * tiles + extra


def text_tokens(prompt: str) -> int:
    """Return the input tokens of a prompt, estimated."""
    return max(1, math.ceil(len(prompt) / int(_tables()["input"]["characters_per_text_token"])))
