"""Scenes: which of the places and hours that a prompt names is where the picture is set.

A product is often called after a scene: in "Fjord reading lamp on a birch desk" nobody stands by a fjord. So
a scene that something is said to be in or on comes first, and one that only names a thing comes last.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from foundry_emulator.painter import book
from foundry_emulator.painter.wording import first, lookup, vocabulary

BREAKS = frozenset(".;:!?\n,")
_REACH = 3
"""Words that may stand between a scene and the thing that it names, or between `on` and the scene."""


class _Found(NamedTuple):
    rank: int
    at: int
    name: str


def scene(
    words: list[str], table: Mapping[str, str], capitals: frozenset[str], *, has_ground: bool = False
) -> str | None:
    """Return the scene that the prompt is set in, or None; `capitals` are its words with a capital letter.

    With `has_ground` a colour is given as the background: a scene that only names a thing is none then.
    """
    found = [
        _Found(_rank(words, at, length), at, name)
        for at in range(len(words))
        for length, name in [_phrase_at(words, at, table)]
        if name
    ]
    best = min(found, default=None)
    if best is None or (best.rank == 2 and (has_ground or words[best.at] in capitals)):
        return None
    return best.name


def _phrase_at(words: list[str], at: int, table: Mapping[str, str]) -> tuple[int, str | None]:
    for length in (3, 2, 1):
        if name := first([" ".join(words[at : at + length])], table):
            return length, name
    return 1, None


def _rank(words: list[str], at: int, length: int) -> int:
    if _names_a_thing(words, at, length):
        return 2
    places = vocabulary()["grammar"]["places"].split()
    for before in reversed(words[max(0, at - _REACH - 1) : at]):
        if before in BREAKS:
            break
        if before in places:
            return 0
    return 1


def _names_a_thing(words: list[str], at: int, length: int) -> bool:
    """Say whether a thing follows that the scene is said of: `fjord reading lamp`, `beach chair`."""
    named, covered = lookup(words, at, book.words())
    if named and covered > length:
        return True
    parting = set(vocabulary()["grammar"]["parting"].split())
    for place in range(at + length, min(len(words), at + length + _REACH)):
        word = words[place]
        if word in BREAKS or word in parting:
            return False
        name = lookup(words, place, book.words())[0]
        if name:
            return book.subjects()[name].place != "scene"
    return False
