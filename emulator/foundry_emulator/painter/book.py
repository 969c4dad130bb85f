"""The drawing book: the subjects that can be drawn, read from `subjects.toml`.

A mark is one line of text, `PAINT SHAPE [& SHAPE ...] [/ SHAPE ...]`: shapes after `&` join the first,
shapes after `/` are cut out. PAINT is `[^]ROLE` and flags in any order, `+ - @PERCENT ~WIDTH | !LEVEL =`:
`^` keeps the mark inside what is drawn already, `+`/`-` lighten and darken, `@` is opacity, `~` strokes
instead of filling, `|` draws a mirrored twin, `!` is the least detail level that shows it, `=` is unshaded.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from foundry_emulator.painter.colours import RGB, from_hex
from foundry_emulator.painter.outline import Outline, shape

_PAINT = re.compile(r"(?P<inside>\^?)(?P<role>#[0-9a-f]{6}|[a-z]+)(?P<flags>(?:[+|=-]|@\d+|~[\d.]+|!\d)*)$")
_NUMBER = r"(\d+(?:\.\d+)?)"


@dataclass(frozen=True)
class Mark:
    """One fill or stroke of a subject."""

    role: str
    tone: int
    alpha: float
    width: float | None
    level: int
    is_inside: bool
    is_plain: bool
    adds: tuple[Outline, ...]
    cuts: tuple[Outline, ...]


@dataclass(frozen=True)
class Subject:
    """Something that can be drawn: its words, own colour, where it lives, and its marks.

    `place` is `ground`, `air` or `scene`; `home` names the setting it gets when the prompt names none.
    `box` is left, top, right, bottom of the drawing in units.
    """

    name: str
    words: tuple[str, ...]
    colour: RGB | None
    accent: RGB | None
    place: str
    home: str
    scale: float
    marks: tuple[Mark, ...]
    box: tuple[float, float, float, float]
    is_figure: bool = False
    """Whether it can be held in poses."""
    is_stand_in: bool = False
    """Whether it is drawn for things that the book does not know."""
    seat: float | None = None
    """At which height something stands on it, where that is not its top."""
    hollow: float | None = None
    """Down from which height there is room under it."""


@cache
def stand_ins() -> tuple[str, ...]:
    """Return the names of what is drawn for things that the book does not know."""
    return tuple(name for name, subject in subjects().items() if subject.is_stand_in)


@cache
def subjects() -> dict[str, Subject]:
    """Return every drawable subject by name."""
    with Path(__file__).with_name("subjects.toml").open("rb") as file:
        return {name: _subject(name, row) for name, row in tomllib.load(file).items()}


@cache
def words() -> dict[str, str]:
    """Return the subject's name for every word or phrase that means it."""
    return {word: subject.name for subject in subjects().values() for word in (subject.name, *subject.words)}


def _subject(name: str, row: dict[str, Any]) -> Subject:
    marks = tuple(mark for line in row["marks"] for mark in _marks(line))
    points = [point for mark in marks for outline in mark.adds for point in outline]
    widths = max((mark.width or 0) for mark in marks) / 2
    return Subject(
        name=name,
        words=tuple(row.get("words", ())),
        colour=from_hex(row["colour"]) if "colour" in row else None,
        accent=from_hex(row["accent"]) if "accent" in row else None,
        place=row.get("place", "ground"),
        home=row.get("home", "studio"),
        scale=row.get("scale", 1.0),
        marks=marks,
        box=(
            min(x for x, _ in points) - widths,
            min(y for _, y in points) - widths,
            max(x for x, _ in points) + widths,
            max(y for _, y in points) + widths,
        ),
        is_figure=bool(row.get("figure")),
        is_stand_in=bool(row.get("stand_in")),
        seat=row.get("seat"),
        hollow=row.get("hollow"),
    )


def _marks(line: str) -> list[Mark]:
    paint, _, text = line.strip().partition(" ")
    found = _PAINT.match(paint)
    if found is None:
        raise ValueError(f"unreadable paint {paint!r}")
    joined, *cut = text.split(" / ")
    flags = found["flags"]
    mark = Mark(
        role=found["role"],
        tone=flags.count("+") - flags.count("-"),
        alpha=_flag("@", flags, 100) / 100,
        width=_flag("~", flags, 0) or None,
        level=int(_flag("!", flags, 0)),
        is_inside=bool(found["inside"]),
        is_plain="=" in flags,
        adds=tuple(outline for one in joined.split(" & ") for outline in shape(one)),
        cuts=tuple(outline for one in cut for outline in shape(one)),
    )
    return [mark, _mirrored(mark)] if "|" in flags else [mark]


def _flag(sign: str, flags: str, default: float) -> float:
    found = re.search(sign + _NUMBER, flags)
    return float(found[1]) if found else default


def _mirrored(mark: Mark) -> Mark:
    def turned(outlines: tuple[Outline, ...]) -> tuple[Outline, ...]:
        return tuple(tuple((100 - x, y) for x, y in outline) for outline in outlines)

    return Mark(
        mark.role,
        mark.tone,
        mark.alpha,
        mark.width,
        mark.level,
        mark.is_inside,
        mark.is_plain,
        turned(mark.adds),
        turned(mark.cuts),
    )
