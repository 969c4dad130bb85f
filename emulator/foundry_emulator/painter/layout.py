"""Layout: where the subjects of a picture stand, how large, in which order they are drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from foundry_emulator.painter import book, relations
from foundry_emulator.painter.brief import Wanted


@dataclass(frozen=True)
class Area:
    """The part of a picture, in pixels, that a group of things may use; `foot` is where they stand.

    `depth` is how far up the floor reaches from there, in pixels: no back row may stand on the wall.
    """

    left: float
    top: float
    width: float
    foot: float
    is_on_floor: bool
    may_rise: bool
    depth: float

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
    is_raised: bool = False
    """Whether it stands on another thing, and throws no shadow on the floor."""


Thing = tuple[Wanted, int]
"""What is wanted, and which copy of it."""
Spot = tuple[float, float, float]
"""Centre (share of the width), lift (share of the height), size."""

# The back row first.
SPOTS: dict[int, tuple[Spot, ...]] = {
    1: ((0.5, 0.0, 1.0),),
    2: ((0.27, 0.0, 1.0), (0.73, 0.0, 1.0)),
    3: ((0.23, 0.14, 0.9), (0.77, 0.14, 0.9), (0.5, 0.0, 1.08)),
    4: ((0.3, 0.4, 0.88), (0.7, 0.4, 0.88), (0.28, 0.0, 1.0), (0.72, 0.0, 1.0)),
}
UNEQUAL_PAIR = ((0.36, 0.0, 1.16), (0.8, 0.0, 0.74))
UNEQUAL_THREE = ((0.17, 0.1, 0.72), (0.83, 0.1, 0.72), (0.5, 0.0, 1.2))
MOST_IN_ROW, MOST_MIXED = 12, 6
SIDES = {1: (0.9, 1.0), 2: (0.48, 0.86), 3: (0.44, 0.7), 4: (0.42, 0.56)}


def slots(wanted: Sequence[Wanted], area: Area, zoom: float) -> list[Slot]:
    """Give every copy of every subject a place, those at the back first."""
    if pair := relations.pair_of(wanted):
        return _related(*pair, wanted, area, zoom)
    things = [(want, copy) for want in wanted for copy in range(want.count)]
    is_mixed = len(wanted) > 1
    needs_row = is_mixed and (any(want.side for want in wanted) or 3 < len(things) <= MOST_MIXED)
    spots: Sequence[Spot]
    spots, side = _spots(len(things), area, is_mixed=is_mixed)
    if _is_flat(spots, area) or needs_row:
        spots, side = _row(len(things), area)
    if is_mixed_three(wanted, things):
        # The subject named first stands in front, which is drawn last.
        things = [*things[1:], things[0]]
    highest = max(lift for _, lift, _ in spots) * area.height
    if highest > area.depth:
        spots = [(centre, lift * area.depth / highest, size) for centre, lift, size in spots]
    spare = area.height * (1 - max(lift for _, lift, _ in spots)) - side
    rise = 0.42 * max(0.0, spare) if area.may_rise else 0.0
    placed = _by_side(list(zip(things, spots, strict=True)))
    return [_slot(thing, spot, side * zoom, area, rise) for thing, spot in placed]


def _related(thing: Wanted, base: Wanted, wanted: Sequence[Wanted], area: Area, zoom: float) -> list[Slot]:
    """Place a thing and its base as they stand to each other; all others stand in a row beside them."""
    others = [want for want in wanted if want not in (thing, base)]
    share = 0.66 if others else 1.0
    found = relations.spots(thing, base)
    left = min(spot.middle - spot.width / 2 for spot in found)
    right = max(spot.middle + spot.width / 2 for spot in found)
    high = max(spot.foot + spot.height for spot in found)
    unit = zoom * min(0.9 * area.width * share / (right - left), 0.88 * area.height / high)
    spare = max(0.0, area.height - high * unit)
    foot = area.foot - (0.42 * spare if area.may_rise else 0.0 if area.is_on_floor else spare / 2)
    middle = area.left + area.width * share / 2 - (left + right) / 2 * unit
    placed = [_at(spot, middle + spot.middle * unit, foot - spot.foot * unit, unit) for spot in found]
    aside = replace(area, left=area.left + area.width * share, width=area.width * (1 - share))
    return [*(slots(others, aside, zoom) if others else []), *placed]


def _at(spot: relations.Spot, middle: float, foot: float, unit: float) -> Slot:
    """Return the square in which a thing is drawn whose middle, foot and height are known."""
    left, top, right, bottom = book.subjects()[spot.want.subject].box
    side = spot.height * unit * 100 / (bottom - top)
    is_raised = spot.want.relation == "on"
    at = middle - side * (left + right) / 200, foot - side * bottom / 100
    return Slot(spot.want, spot.copy, *at, side, is_raised)


def _by_side(placed: list[tuple[Thing, Spot]]) -> list[tuple[Thing, Spot]]:
    """Let the things on the left and on the right change places with those that stand there."""
    if not any(want.side for (want, _), _ in placed):
        return placed
    across = {"left": 0, "right": 2}
    things = sorted(
        (thing for thing, _ in placed), key=lambda thing: across.get((thing[0].side or "").split(" ")[-1], 1)
    )
    spots = sorted((spot for _, spot in placed), key=lambda spot: spot[0])
    return sorted(zip(things, spots, strict=True), key=lambda pair: -pair[1][1])


def is_mixed_three(wanted: Sequence[Wanted], things: Sequence[Thing]) -> bool:
    """Say whether three things of different kinds are to be grouped around the first."""
    return len(things) == 3 and len(wanted) > 1


def _spots(count: int, area: Area, *, is_mixed: bool) -> tuple[Sequence[Spot], float]:
    if count in SPOTS:
        spots = SPOTS[count]
        if is_mixed and count == 2:
            spots = UNEQUAL_PAIR
        if is_mixed and count == 3:
            spots = UNEQUAL_THREE
        across, tall = SIDES[count]
        return spots, min(across * area.width, tall * area.height)
    columns = max(2, min(count, math.ceil(math.sqrt(count * area.width / max(1.0, area.height)))))
    rows = -(-count // columns)
    side = min(area.width / columns * 1.04, area.height / (1 + 0.78 * (rows - 1)))
    grid: list[Spot] = []
    for at in range(count):
        row, column = divmod(at, columns)
        in_row = min(columns, count - row * columns)
        lift = (rows - 1 - row) * 0.78 * side / max(1.0, area.height)
        grid.append(((column + 0.5 + (columns - in_row) / 2) / columns, lift, 1.0))
    return grid, side


def _is_flat(spots: Sequence[Spot], area: Area) -> bool:
    """Say whether the floor has no room for a back row: it would stand in the row before it."""
    highest = max(lift for _, lift, _ in spots) * area.height
    return len(spots) <= MOST_IN_ROW and highest > 2 * area.depth


def _row(count: int, area: Area) -> tuple[Sequence[Spot], float]:
    """Place everything side by side, where a row behind would hide or mislead."""
    side = min(area.width / count * 1.02, SIDES[2][1] * area.height)
    return [((at + 0.5) / count, 0.0, 1.0) for at in range(count)], side


def _slot(thing: Thing, spot: Spot, side: float, area: Area, rise: float) -> Slot:
    want, copy = thing
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
