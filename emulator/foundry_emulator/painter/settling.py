"""One wish, and which of the wishes are drawn: a setting shows some of them anyway."""

from __future__ import annotations

import re
from dataclasses import dataclass

from foundry_emulator.painter import book
from foundry_emulator.painter.colours import RGB

MOST_SUBJECTS = 3
_STANDING = r"beside|next to|near|behind|under|underneath|beneath|in front of|on top of|atop"
_HELD = r"(?:sitting|standing|sits|stands|lying|sleeping) on"
_BY_TABLE = re.compile(rf"\b(?:{_STANDING}|{_HELD}) (?:[a-z-]+ ){{0,3}}(?:table|desk)s?\b")


@dataclass(frozen=True)
class Wanted:
    """One subject, how often, and the colours named for it."""

    subject: str
    count: int = 1
    colours: tuple[RGB, ...] = ()
    poses: tuple[str, ...] = ()
    """One for each copy, repeated where there are more copies."""
    side: str | None = None
    """Where it is to stand: left, right, top, bottom, or two of them."""
    relation: str | None = None
    """How it stands to its base: on, under, behind, front or above."""
    base: str | None = None
    """The subject that it is on, under, behind, before or above."""


def is_furniture(want: Wanted, setting: str | None, words: list[str]) -> bool:
    """Say whether the setting brings the thing along: a desk has its own table, unless one stands by it."""
    return (
        not stands_by_table(words)
        and setting in ("desk", "room", "window")
        and want.subject in ("table", "bed")
    )


def stands_by_table(words: list[str]) -> bool:
    """Say whether something stands by a table, which is then a thing of its own."""
    return bool(_BY_TABLE.search(" ".join(words)))


def settled(wanted: list[Wanted], setting: str | None, words: list[str]) -> tuple[Wanted, ...]:
    """Leave out what the setting shows anyway, and all beyond the first few subjects."""
    subjects = book.subjects()
    things = [want for want in wanted if subjects[want.subject].place != "scene"]
    if things:
        # The setting brings its own table.
        things = [want for want in things if not is_furniture(want, setting, words)] or things
    if things and setting:
        wanted = [
            want
            for want in things
            if setting not in (want.subject, subjects[want.subject].home)
            or subjects[want.subject].place == "ground"
        ]
        wanted = wanted or things
    elif things:
        wanted = things + [want for want in wanted if want not in things][:1]
    return tuple(wanted[:MOST_SUBJECTS])
