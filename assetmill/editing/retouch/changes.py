"""Where a picture changed that nothing was to keep: a heat map, and figures that can be compared."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from PIL import Image, ImageChops

from assetmill.editing.retouch.canvas import Box, fitted, same_mode, save_png

THRESHOLD = 12
"""Smaller differences of a channel are an encoder's noise, not a change."""

_MAP_SIDE = 1024
# From unchanged to changed: dark blue, violet, orange, pale yellow.
_COLOURS = ((0, (12, 7, 60)), (64, (110, 30, 120)), (160, (240, 110, 40)), (255, (255, 245, 180)))


@dataclass(frozen=True)
class Changes:
    """What differs between two pictures, and the heat map that shows it as a PNG."""

    heat_map: bytes
    width: int
    height: int
    changed_percent: float
    largest_difference: int
    mean_difference: float
    box: Box | None


def compare(original: Image.Image, edited: Image.Image) -> Changes:
    """Compare an edit with its original, at the original's size; one of another size is scaled to it."""
    start, change = same_mode(original, fitted(edited, original.size))
    first, *others = ImageChops.difference(start, change).split()
    for channel in others:
        first = ImageChops.lighter(first, channel)
    counts = first.histogram()
    pixels = first.width * first.height
    heat = first.copy()
    heat.thumbnail((_MAP_SIDE, _MAP_SIDE))
    return Changes(
        heat_map=save_png(_coloured(heat)),
        width=heat.width,
        height=heat.height,
        changed_percent=round(100 * sum(counts[THRESHOLD:]) / pixels, 3),
        largest_difference=max(value for value, count in enumerate(counts) if count),
        mean_difference=round(sum(value * count for value, count in enumerate(counts)) / pixels, 3),
        box=first.point([255 if value >= THRESHOLD else 0 for value in range(256)]).getbbox(),
    )


def _coloured(heat: Image.Image) -> Image.Image:
    palette = [channel for value in range(256) for channel in _colour(value)]
    coloured = heat.copy()
    coloured.putpalette(palette)
    return coloured


def _colour(value: int) -> tuple[int, ...]:
    for (low, dark), (high, bright) in itertools.pairwise(_COLOURS):
        if value <= high:
            share = (value - low) / (high - low)
            return tuple(round(a + (b - a) * share) for a, b in zip(dark, bright, strict=True))
    return _COLOURS[-1][1]
