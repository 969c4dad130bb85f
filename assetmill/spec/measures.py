"""Lengths, boxes and sizes as a person writes them: pixels, or a share of the picture that they lie in."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

MOST_SIDE = 16_384
"""The longest side of a picture that is made here: the longest of a WebP, and of most graphics cards."""

_LENGTH = re.compile(r"(-?\d{1,5}(?:\.\d{1,4})?)(%|px)?")
_SIZE = re.compile(r"(\d{1,5})?\s*[x\u00d7]\s*(\d{1,5})?")
_RATIO = re.compile(r"(\d{1,5}(?:\.\d+)?)\s*[:/]\s*(\d{1,5}(?:\.\d+)?)")
_COLOUR = re.compile(r"#[0-9a-fA-F]{3,4}|#[0-9a-fA-F]{6}|#[0-9a-fA-F]{8}")

Colour = tuple[int, int, int, int]
Place = Literal["start", "centre", "end"]

NAMED_COLOURS = {"black": "#000", "white": "#fff", "transparent": "#0000", "ink": "#14213d"}
"""The words for colours; every other colour is written #rrggbb or #rrggbbaa."""


class Length(NamedTuple):
    """So many pixels, or a share of a whole."""

    amount: float
    is_share: bool

    def of(self, whole: int) -> float:
        """Return the pixels that it is of a whole."""
        return self.amount / 100 * whole if self.is_share else self.amount


class Box(NamedTuple):
    """A part of a picture: its left and upper edge, its width and its height."""

    left: Length
    top: Length
    width: Length
    height: Length

    def within(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Return left, upper, right and lower edge in a picture of that size, each in whole pixels."""
        left, top = round(self.left.of(width)), round(self.top.of(height))
        right = left + max(1, round(self.width.of(width)))
        return left, top, right, top + max(1, round(self.height.of(height)))


class Extent(NamedTuple):
    """The size that something is to have: both sides, one of them, or a share of what it has."""

    width: int | None
    height: int | None
    share: float | None = None

    def of(self, width: int, height: int) -> tuple[int, int]:
        """Return the size of a picture of that size; a side that is left out follows from the other."""
        if self.share is not None:
            return max(1, round(width * self.share)), max(1, round(height * self.share))
        if self.width is None:
            return max(1, round(width * (self.height or 1) / height)), self.height or 1
        if self.height is None:
            return self.width, max(1, round(height * self.width / width))
        return self.width, self.height


def parse_length(text: str) -> Length:
    """Read `12%`, `40px` or `40`.

    Raises:
        ValueError: it is none of them.
    """
    match = _LENGTH.fullmatch(text.strip())
    if not match:
        raise ValueError(f"{text[:60]!r} is not a length: write 40 for pixels, or 12%")
    return Length(float(match[1]), match[2] == "%")


def parse_lengths(text: str) -> tuple[Length, Length, Length, Length]:
    """Read one to four lengths as CSS does: top, right, bottom, left.

    Raises:
        ValueError: they are none, or more than four.
    """
    parts = [parse_length(part) for part in text.split()]
    if not 1 <= len(parts) <= 4:
        raise ValueError(f"{text[:60]!r} is not one to four lengths: top right bottom left")
    top = parts[0]
    right = parts[1] if len(parts) > 1 else top
    bottom = parts[2] if len(parts) > 2 else top
    return top, right, bottom, parts[3] if len(parts) > 3 else right


def parse_box(text: str) -> Box:
    """Read `6% 8% 60% 24%`: left, top, width, height.

    Raises:
        ValueError: it is no box, or one without width or height.
    """
    parts = text.split()
    if len(parts) != 4:
        raise ValueError(f"{text[:60]!r} is not a box: write left, top, width and height, as 6% 8% 60% 24%")
    box = Box(*(parse_length(part) for part in parts))
    if box.width.amount <= 0 or box.height.amount <= 0:
        raise ValueError(f"{text[:60]!r} is a box without width or height")
    return box


def parse_extent(text: str) -> Extent:
    """Read `1200x630`, `1200x`, `x630` or `50%`.

    Raises:
        ValueError: it is none of them, or larger than any picture that is made here.
    """
    if text.endswith("%"):
        length = parse_length(text)
        if not 0 < length.amount <= 1000:
            raise ValueError(f"{text!r} is not a share above 0% and up to 1000%")
        return Extent(None, None, length.amount / 100)
    match = _SIZE.fullmatch(text.strip())
    if not match or not (match[1] or match[2]):
        raise ValueError(f"{text[:60]!r} is not a size: write 1200x630, 1200x, x630 or 50%")
    sides = [int(side) if side else None for side in match.groups()]
    if any(side is not None and not 1 <= side <= MOST_SIDE for side in sides):
        raise ValueError(f"{text[:60]!r}: a side has 1 to {MOST_SIDE} pixels")
    return Extent(*sides)


def parse_size(text: str) -> tuple[int, int]:
    """Read a size of which both sides are given.

    Raises:
        ValueError: it is none.
    """
    extent = parse_extent(text)
    if extent.width is None or extent.height is None:
        raise ValueError(f"{text[:60]!r}: both sides are needed, as 1200x630")
    return extent.width, extent.height


def parse_aspect(text: str) -> float | None:
    """Read `16:9`; None for what is no ratio."""
    match = _RATIO.fullmatch(text.strip())
    return float(match[1]) / float(match[2]) if match and float(match[1]) and float(match[2]) else None


def parse_colour(text: str) -> Colour:
    """Read `#rgb`, `#rrggbb`, `#rrggbbaa` or a word for a colour.

    Raises:
        ValueError: it is none of them.
    """
    word = NAMED_COLOURS.get(text.strip().lower(), text.strip())
    if not _COLOUR.fullmatch(word):
        words = ", ".join(sorted(NAMED_COLOURS))
        raise ValueError(f"{text[:60]!r} is not a colour: write #rrggbb, #rrggbbaa, or one of {words}")
    digits = word[1:]
    digits = "".join(digit * 2 for digit in digits) if len(digits) < 6 else digits
    red, green, blue, alpha = bytes.fromhex(digits.ljust(8, "f"))
    return red, green, blue, alpha


def parse_span(text: str) -> tuple[int, int]:
    """Read `24..96`, or one number for both ends.

    Raises:
        ValueError: it is none, or ends before it begins.
    """
    match = re.fullmatch(r"(\d{1,4})(?:\s*\.\.\s*(\d{1,4}))?", text.strip())
    if not match:
        raise ValueError(f"{text[:60]!r} is not a size of letters: write 48, or 24..96")
    low, high = int(match[1]), int(match[2] or match[1])
    if not 4 <= low <= high:
        raise ValueError(f"{text[:60]!r}: letters have at least 4 pixels, and the smaller size comes first")
    return low, high


_ANCHORS: dict[str, tuple[int, Place]] = {
    "left": (0, "start"), "right": (0, "end"), "top": (1, "start"), "bottom": (1, "end"),
}  # fmt: skip


def parse_anchor(text: str) -> tuple[Place, Place]:
    """Read `bottom right`, `top`, `centre`: where in the other's width and height something lies.

    Raises:
        ValueError: it names no place, or one side twice.
    """
    places: list[Place | None] = [None, None]
    for word in text.split():
        if word == "centre":
            continue
        side, place = _ANCHORS.get(word, (-1, "centre"))
        if side < 0 or places[side] is not None:
            raise ValueError(f"{text[:60]!r} is not a place: write top, bottom, left, right, centre")
        places[side] = place
    across, down = places
    return across or "centre", down or "centre"
