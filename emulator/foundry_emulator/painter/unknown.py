"""Unknown things: what a prompt names that the drawing book does not know, and what is drawn in its place."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from foundry_emulator.painter import book
from foundry_emulator.painter.colours import RGB
from foundry_emulator.painter.wording import vocabulary

LONGEST = 40
_DETERMINERS = frozenset(
    ("a", "an", "the", "this", "that", "our", "my", "your", "their", "his", "her", "one")
)
_REACH = 4
"""Words that may stand between `a` and the thing: "a small hand-painted harmonium"."""


@dataclass(frozen=True)
class Unknown:
    """A thing that cannot be drawn: its name, how many, and whether the prompt says `a` or a number of it."""

    name: str
    count: int = 1
    is_told: bool = False
    is_first: bool = False
    """Whether it is named before anything that can be drawn."""
    is_place: bool = False
    """Whether it only says where something is: `in the windows`."""
    is_joined: bool = False
    """Whether it stands beside another thing as one of its own: `a lamp and a banana`."""
    is_opening: bool = False
    """Whether the prompt begins with it: `Aurora kettle on a counter`."""
    colours: tuple[RGB, ...] = ()


def is_head(words: list[str], at: int) -> bool:
    """Say whether the noun at a place is the thing itself: in "a birch desk", `birch` is none."""
    after = words[at + 1] if at + 1 < len(words) else "."
    ends = vocabulary()["grammar"]["parting"].split()
    return not after[0].isalnum() or after in ends or after.endswith(("ing", "ed")) or after in _VERBS


_WORN = frozenset(("with", "wearing", "of", "in"))
"""What follows belongs to the thing before: "a person with a hat and a coat"."""

_VERBS = frozenset(
    ("stands", "sits", "lies", "hangs", "rests", "shown", "seen", "made", "set", "there", "please")
)


def is_told_of(words: list[str], at: int, count: int) -> bool:
    """Say whether the noun has an article or a number: then the prompt means it as a thing of its own."""
    if count > 1:
        return True
    for before in reversed(words[max(0, at - _REACH) : at]):
        if before in _DETERMINERS:
            return True
        if not before[0].isalnum() or before in vocabulary()["grammar"]["parting"].split():
            return False
    return False


def is_place(words: list[str], at: int) -> bool:
    """Say whether the noun at a place follows `in the`, `through the`, `over a` and the like."""
    places = vocabulary()["grammar"]["places"].split()
    for before in reversed(words[max(0, at - _REACH) : at]):
        if before in places:
            return True
        if not before[0].isalnum():
            return False
    return False


def is_joined(words: list[str], at: int) -> bool:
    """Say whether the noun at a place, with its article, follows `and`, a comma, `beside` or `next to`."""
    for place in reversed(range(max(0, at - _REACH), at)):
        if words[place] in _DETERMINERS:
            before = words[max(0, place - 2) : place]
            if _WORN & set(words[max(0, place - 5) : place]):
                return False
            return before == ["next", "to"] or bool(
                set(before[-1:]) & set(vocabulary()["grammar"]["joining"])
            )
        if not words[place][0].isalnum():
            return False
    return False


def is_opening(words: list[str], at: int) -> bool:
    """Say whether nothing but adjectives stands before the noun at a place, which is no `collection of`."""
    grammar = vocabulary()["grammar"]
    parting, places = grammar["parting"].split(), grammar["places"].split()
    after = words[at + 1] if at + 1 < len(words) else "."
    is_thing = not after[0].isalnum() or after in places or after in ("between", "next", "and")
    return is_thing and at <= _REACH and all(word[0].isalnum() and word not in parting for word in words[:at])


def stand_in(name: str) -> str:
    """Return the subject that is drawn in place of a thing; the same for the same name."""
    names = book.stand_ins()
    return names[zlib.crc32(name.encode()) % len(names)]


def shown(name: str) -> str:
    """Return a name as it is told to people: short, and on one line."""
    plain = " ".join(name.split())
    return plain if len(plain) <= LONGEST else plain[: LONGEST - 1].rstrip() + "…"
