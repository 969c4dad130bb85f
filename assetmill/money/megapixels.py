"""What models cost that are priced by the area of their pictures and count no tokens."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

_PIXELS = 1024 * 1024
"""A megapixel of Black Forest Labs' price list; a part of one counts as a whole."""


class MegapixelPrice(NamedTuple):
    """Dollars for the first megapixel drawn, each further one, and each that is read; None is unknown.

    `least` is the first by another reading, where sources disagree.
    """

    first: float
    least: float | None = None
    further: float | None = None
    input: float | None = None

    def times(self, factor: float) -> MegapixelPrice:
        """Return every amount times a factor."""
        others = (None if amount is None else round(amount * factor, 8) for amount in self[1:])
        return MegapixelPrice(round(self.first * factor, 8), *others)

    def usd(self, drawn: tuple[int, int], read: Iterable[tuple[int, int]]) -> tuple[float, float] | None:
        """Return the least and the most that one picture costs, None when a part of it is unknown."""
        beyond, given = _megapixels(drawn) - 1, sum(_megapixels(size) for size in read)
        if (beyond and self.further is None) or (given and self.input is None):
            return None
        rest = beyond * (self.further or 0.0) + given * (self.input or 0.0)
        least = self.first if self.least is None else self.least
        return least + rest, self.first + rest


def _megapixels(size: tuple[int, int]) -> int:
    return math.ceil(size[0] * size[1] / _PIXELS)
