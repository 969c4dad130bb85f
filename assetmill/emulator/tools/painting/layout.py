"""Layout: where the subjects of a picture stand, how large, in which order they are drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from assetmill.emulator.tools.painting import book
from assetmill.emulator.tools.painting.brief import Wanted


@dataclass(frozen=True)
class Area:
    """The part of a picture, in pixels, that a group of things may use; `foot` is where they stand."""

    left: float
    top: float
    width: float
    foot: float
    is_on_floor: bool
    may_rise: bool

    @property
    def height(self) -> float:
        """Return the room above the foot."""
        return self.foot - self.top


@dataclass(frozen=True)
class Slot:
    """One place: the thing, which copy of it, and its 100-unit square in pixels."""

    want: Wanted
    copy: int
    left: float
    top: float
    side: float


# Centre (share of the width), lift (share of the height), size: the back row first.
SPOTS: dict[int, tuple[tuple[float, float, float], ...]] = {
    1: ((0.5, 0.0, 1.0),),
    2: ((0.27, 0.0, 1.0), (0.73, 0.0, 1.0)),
    3: ((0.23, 0.14, 0.9), (0.77, 0.14, 0.9), (0.5, 0.0, 1.08)),
    4: ((0.3, 0.4, 0.88), (0.7, 0.4, 0.88), (0.28, 0.0, 1.0), (0.72, 0.0, 1.0)),
}
UNEQUAL_PAIR = ((0.36, 0.0, 1.16), (0.8, 0.0, 0.74))
UNEQUAL_THREE = ((0.17, 0.1, 0.72), (0.83, 0.1, 0.72), (0.5, 0.0, 1.2))
SIDES = {1: (0.9, 1.0), 2: (0.48, 0.86), 3: (0.44, 0.7), 4: (0.42, 0.56)}


def slots(wanted: Sequence[Wanted], area: Area, zoom: float) -> list[Slot]:
    """Give every copy of every subject a place, those at the back first."""
    things = [(want, copy) for want in wanted for copy in range(want.count)]
    spots, side = _spots(len(things), area, is_mixed=len(wanted) > 1)
    if is_mixed_three(wanted, things):
        # The subject named first stands in front, which is drawn last.
        things = [*things[1:], things[0]]
    rise = (
        0.42 * max(0.0, area.height - side * (1 + max(lift for _, lift, _ in spots)))
        if area.may_rise
        else 0.0
    )
    return [
        _slot(want, copy, spot, side * zoom, area, rise)
        for (want, copy), spot in zip(things, spots, strict=True)
    ]


def is_mixed_three(wanted: Sequence[Wanted], things: Sequence[tuple[Wanted, int]]) -> bool:
    """Say whether three things of different kinds are to be grouped around the first."""
    return len(things) == 3 and len(wanted) > 1


def _spots(count: int, area: Area, *, is_mixed: bool) -> tuple[Sequence[tuple[float, float, float]], float]:
    if count in SPOTS:
        spots = SPOTS[count]
        if is_mixed and count == 2:
            spots = UNEQUAL_PAIR
        if is_mixed and count == 3:
            spots = UNEQUAL_THREE
        across, tall = SIDES[count]
        return spots, min(across * area.width, tall * area.height)
    columns = max(2, min(count, round(math.sqrt(count * area.width / max(1.0, area.height) * 0.8))))
    rows = -(-count // columns)
    side = min(area.width / columns * 1.04, area.height / (1 + 0.78 * (rows - 1)))
    spots: list[tuple[float, float, float]] = []
    for at in range(count):
        row, column = divmod(at, columns)
        in_row = min(columns, count - row * columns)
        lift = (rows - 1 - row) * 0.78 * side / max(1.0, area.height)
        spots.append(((column + 0.5 + (columns - in_row) / 2) / columns, lift, 1.0))
    return spots, side


def _slot(
    want: Wanted, copy: int, spot: tuple[float, float, float], side: float, area: Area, rise: float
) -> Slot:
    subject = book.subjects()[want.subject]
    centre, lift, size = spot
    own = side * size * subject.scale
    middle = (subject.box[0] + subject.box[2]) / 200
    foot = area.foot - lift * area.height - rise
    if area.is_on_floor:
        top = foot - own * subject.box[3] / 100
    else:
        slack = max(0.0, area.height - own) / 2 if lift == 0 else 0.0
        top = foot - slack - own
    return Slot(want, copy, area.left + centre * area.width - own * middle, top, own)
