"""Relations: one thing on, under, behind, in front of or above another, and where each is drawn.

The later thing is the one that the earlier is said of: in "a cat under a table" the table is placed first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from foundry_emulator.painter import book
from foundry_emulator.painter.settling import Wanted
from foundry_emulator.painter.wording import phrases

_LONGEST = 3
_DEEP = ("behind", "front")
_BASES = {"book": "lying book"}
"""What is drawn where something stands on it."""


@dataclass(frozen=True)
class Spot:
    """Where a copy of a thing is drawn, in heights of the base: its middle, its foot and its height."""

    want: Wanted
    copy: int
    middle: float
    foot: float
    height: float

    @property
    def width(self) -> float:
        """Return how wide it is drawn."""
        return self.height * _aspect(book.subjects()[self.want.subject])


def relation_at(words: list[str], at: int) -> tuple[str | None, int]:
    """Return how the thing before a place stands to the one after it, and the length of the phrase."""
    for length in range(_LONGEST, 0, -1):
        if len(words) - at > length and (kind := phrases("relations").get(" ".join(words[at : at + length]))):
            return kind, length
    return None, 1


def related(wanted: list[Wanted], kind: str, base: str) -> None:
    """Note that the last thing stands to one that is named next, unless that was named before it."""
    last = wanted[-1]
    if last.relation is None and base not in {want.subject for want in wanted}:
        wanted[-1] = replace(last, relation=kind, base=_BASES.get(base, base) if kind == "on" else base)


def base_for(name: str, wanted: Sequence[Wanted]) -> str:
    """Return the subject that is drawn for a thing: a book lies where something is on it."""
    lying = _BASES.get(name)
    return lying if lying and any(want.base == lying for want in wanted) else name


def pair_of(wanted: Sequence[Wanted]) -> tuple[Wanted, Wanted] | None:
    """Return the first thing that stands to another, and that other: nothing is on several."""
    bases = {want.subject: want for want in wanted}
    pairs = [(want, bases[want.base]) for want in wanted if want.relation and want.base in bases]
    return next((pair for pair in pairs if pair[1].count == 1 or pair[0].relation in _DEEP), None)


def spots(thing: Wanted, base: Wanted) -> list[Spot]:
    """Return where a thing and its base stand to each other, what is drawn first before the others."""
    own, other = book.subjects()[thing.subject], book.subjects()[base.subject]
    wide = _aspect(other)
    below = Spot(base, 0, 0.0, 0.0, 1.0)
    if thing.relation == "on":
        return [below, *_row(thing, _from_foot(other, other.seat), wide * 0.8, max(0.95, wide * 0.5))]
    if thing.relation == "under":
        room = _from_foot(other, other.hollow) if other.hollow else 0.5
        row = _row(thing, 0.0, wide * 0.74, room * 0.95)
        return [*row, below] if other.hollow else [below, *row]
    if base.count > 1:
        return _before_several(thing, base)
    if thing.relation == "behind":
        (one, *more) = _row(thing, 0.06, wide * 1.3 * thing.count, 0.9)
        aside = wide / 2 - one.width * 0.05
        return [*(replace(spot, middle=spot.middle + aside) for spot in (one, *more)), below]
    height = min(0.72, wide * 0.8 / _aspect(own))
    return [replace(below, foot=0.08), *(_aside(spot, wide) for spot in _row(thing, 0.0, wide, height))]


def _before_several(thing: Wanted, base: Wanted) -> list[Spot]:
    """Return a thing in the middle, behind or in front of a row of others."""
    row = _row(base, 0.0, _aspect(book.subjects()[base.subject]) * base.count, 1.0)
    if thing.relation == "behind":
        return [*_row(thing, 0.1, row[0].width * 1.6, 1.4), *row]
    return [*(replace(spot, foot=0.1) for spot in row), *_row(thing, 0.0, row[0].width, 0.8)]


def _aside(spot: Spot, wide: float) -> Spot:
    """Step out of the middle, so that what stands behind is seen."""
    return replace(spot, middle=spot.middle - wide * 0.34)


def _row(want: Wanted, foot: float, wide: float, high: float) -> list[Spot]:
    """Return the copies of a thing side by side, no wider and no higher together than there is room."""
    aspect = _aspect(book.subjects()[want.subject])
    height = min(high, wide / want.count / aspect)
    return [
        Spot(want, copy, (copy - (want.count - 1) / 2) * height * aspect * 1.06, foot, height)
        for copy in range(want.count)
    ]


def _aspect(subject: book.Subject) -> float:
    left, top, right, bottom = subject.box
    return (right - left) / (bottom - top)


def _from_foot(subject: book.Subject, line: float | None) -> float:
    """Return how high a line, or the top, of a drawing is above its foot, as a share of its height."""
    _, top, _, bottom = subject.box
    return (bottom - (top if line is None else line)) / (bottom - top)
