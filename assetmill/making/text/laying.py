"""A text in its box: broken into lines, at the largest size at which all of it fits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from assetmill.errors import CannotMake
from assetmill.making.text.breaking import SOFT_HYPHEN, ZERO_WIDTH_SPACE, units
from assetmill.making.text.shaping import ShapedLine, Shaper

_HYPHENS = "-"
_TOLERANCE = 0.5
"""Pixels by which a line may be longer than its box: less than anybody sees, more than rounding makes."""


class TextBlock(NamedTuple):
    """Lines of one size. `pitch` is from line to line, `ascent` above the first one, all in pixels."""

    lines: tuple[ShapedLine, ...]
    size: int
    pitch: float
    ascent: float
    descent: float

    @property
    def width(self) -> float:
        """How long its longest line is."""
        return max((line.length * self.size for line in self.lines), default=0.0)

    @property
    def height(self) -> float:
        """How much room its lines take, across them."""
        return self.ascent + self.descent + (len(self.lines) - 1) * self.pitch


@dataclass(frozen=True)
class Demand:
    """How a text is to be laid: within which sizes of letters, in which room along and across its lines."""

    text: str
    smallest: int
    largest: int
    along: float
    across: float
    line_height: float | None = None
    hyphenate: bool = False
    phrases: bool = False


def lay(wanted: Demand, shaper: Shaper) -> TextBlock:
    """Return a text at the largest size at which it fits.

    Raises:
        CannotMake: it does not fit at the smallest; the message says by how much.
    """
    best: TextBlock | None = None
    low, high = wanted.smallest, wanted.largest
    while low <= high:
        size = (low + high) // 2
        block = _at(wanted, shaper, size)
        if _misses(wanted, block) is None:
            best, low = block, size + 1
        else:
            high = size - 1
    if best is not None:
        return best
    smallest = _at(wanted, shaper, wanted.smallest)
    raise CannotMake(_told(wanted, _misses(wanted, smallest) or (0.0, 0.0)))


def _misses(wanted: Demand, block: TextBlock) -> tuple[float, float] | None:
    """Return how much room a block lacks along and across its lines; None when it has all."""
    along = block.width - wanted.along
    across = block.height - wanted.across
    return None if along <= _TOLERANCE and across <= _TOLERANCE else (max(0.0, along), max(0.0, across))


def _told(wanted: Demand, misses: tuple[float, float]) -> str:
    shown = wanted.text if len(wanted.text) <= 60 else f"{wanted.text[:57]}..."
    along, across = (round(one + 0.499) for one in misses)
    lacks = [f"{along} px of width"] * (along > 0) + [f"{across} px of height"] * (across > 0)
    room = f"{round(wanted.along)}x{round(wanted.across)}"
    other = "" if wanted.hyphenate else " or hyphenate"
    whole = ", end lines within phrases" if wanted.phrases else ""
    return (
        f"the text {shown!r} does not fit its box of {room} px with letters of {wanted.smallest} px: "
        f"it lacks {' and '.join(lacks)}; allow smaller letters, a larger box{other}{whole}, or shorten it"
    )


def _at(wanted: Demand, shaper: Shaper, size: int) -> TextBlock:
    lines = tuple(
        shaper.line(line)
        for paragraph in wanted.text.split("\n")
        for line in _lines(paragraph, wanted, shaper, wanted.along / size)
    )
    faces = dict.fromkeys(face for line in lines for face in line.faces)
    ascent = max(face.ascent for face in faces) * size
    descent = max(face.descent for face in faces) * size
    if shaper.is_vertical:
        ascent = descent = size / 2
        return TextBlock(lines, size, (wanted.line_height or 1.5) * size, ascent, descent)
    pitch = wanted.line_height * size if wanted.line_height else ascent + descent
    return TextBlock(lines, size, pitch, ascent, descent)


def _lines(paragraph: str, wanted: Demand, shaper: Shaper, room: float) -> list[str]:
    """Return a paragraph's lines, each as full as it can be."""
    lines: list[str] = []
    line = ""
    for unit in units(paragraph, shaper.language, hyphenate=wanted.hyphenate, phrases=wanted.phrases):
        if line and shaper.length(_closed(line + unit)) > room:
            lines.append(_closed(line))
            line = ""
        line += unit
    return [*lines, _closed(line)]


def _closed(line: str) -> str:
    """Return a line as it is drawn: without spaces at its end, with a hyphen where a word was cut."""
    ended = line.rstrip()
    is_cut = ended.endswith(SOFT_HYPHEN)
    return ended.replace(SOFT_HYPHEN, "").replace(ZERO_WIDTH_SPACE, "") + (_HYPHENS if is_cut else "")
