"""The order of letters in lines that run both ways: the bidirectional algorithm of Unicode (UAX #9).

No library tells the levels that shaping needs without a library of the system beside it
(docs/decisions/0015-local-stages.md). Isolates are followed; the older embeddings are taken for isolates.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Literal

Base = Literal["auto", "ltr", "rtl"]

_OPENERS = {"LRI": 0, "RLI": 1, "FSI": None, "LRE": 0, "LRO": 0, "RLE": 1, "RLO": 1}
_CLOSERS = frozenset({"PDI", "PDF"})
_NEUTRAL = frozenset({"B", "S", "WS", "ON", "BN"})
_STRONG_OF = {"L": "L", "R": "R", "AN": "R", "EN": "R"}
_SAME_BRACKET = {"\u2329": "\u3008", "\u232a": "\u3009"}


def base_level(text: str, base: Base = "auto") -> int:
    """Return 1 for a paragraph from right to left, 0 for one from left to right."""
    if base != "auto":
        return int(base == "rtl")
    depth = 0
    for letter in text:
        kind = unicodedata.bidirectional(letter)
        if kind in _OPENERS:
            depth += 1
        elif kind in _CLOSERS:
            depth = max(0, depth - 1)
        elif not depth and kind in {"L", "R", "AL"}:
            return int(kind != "L")
    return 0


def levels_of(text: str, level: int) -> list[int]:
    """Return the embedding level of every letter of a line's text in a paragraph of that level."""
    kinds = [unicodedata.bidirectional(letter) or "L" for letter in text]
    levels = [level] * len(text)
    _resolve(text, kinds, list(range(len(text))), level, levels)
    _reset_trailing(kinds, level, levels)
    return levels


def visual_order(levels: Sequence[int]) -> list[int]:
    """Return the places of what has these levels, from left to right."""
    order = list(range(len(levels)))
    lowest = min((level for level in levels if level % 2), default=0)
    for least in range(max(levels, default=0), max(lowest, 1) - 1, -1):
        start = 0
        while start < len(order):
            end = start
            while end < len(order) and levels[order[end]] >= least:
                end += 1
            if end > start:
                order[start:end] = reversed(order[start:end])
            start = max(end, start + 1)
    return order


def _resolve(text: str, kinds: Sequence[str], places: list[int], level: int, levels: list[int]) -> None:
    """Set the levels of some places: an isolate within them is one neutral letter, and resolved after."""
    outer: list[int] = []
    own: list[str] = []
    at = 0
    while at < len(places):
        place = places[at]
        kind = kinds[place]
        outer.append(place)
        own.append("ON" if kind in _OPENERS or kind in _CLOSERS else kind)
        at += 1
        if kind in _OPENERS:
            end = _closing(kinds, places, at)
            inner = places[at:end]
            _resolve(text, kinds, inner, _inner_level(text, kinds, kind, inner, level), levels)
            at = end
    types = _weak(own, level)
    _brackets(text, outer, types, level)
    _neutrals(types, level)
    for place, kind in zip(outer, types, strict=True):
        levels[place] = _implicit(kind, level)


def _closing(kinds: Sequence[str], places: Sequence[int], start: int) -> int:
    depth = 1
    for at in range(start, len(places)):
        kind = kinds[places[at]]
        depth += (kind in _OPENERS) - (kind in _CLOSERS)
        if not depth:
            return at
    return len(places)


def _inner_level(text: str, kinds: Sequence[str], opener: str, inner: Sequence[int], level: int) -> int:
    direction = _OPENERS[opener]
    if direction is None:
        direction = base_level("".join(text[place] for place in inner))
    return level + 1 if (level + 1) % 2 == direction else level + 2


def _weak(kinds: Sequence[str], level: int) -> list[str]:
    """Follow W1 to W7: marks, digits, and what stands between digits."""
    edge = "R" if level % 2 else "L"
    types = list(kinds)
    before = edge
    for at, kind in enumerate(types):
        if kind == "NSM":
            types[at] = before
        before = types[at]
    strong = edge
    for at, kind in enumerate(types):
        if kind in {"L", "R", "AL"}:
            strong = kind
        elif kind == "EN" and strong == "AL":
            types[at] = "AN"
    types = ["R" if kind == "AL" else kind for kind in types]
    for at in range(1, len(types) - 1):
        pair = types[at - 1], types[at + 1]
        if (types[at] == "ES" and pair == ("EN", "EN")) or (
            types[at] == "CS" and pair in {("EN", "EN"), ("AN", "AN")}
        ):
            types[at] = pair[0]
    _terminators(types)
    types = ["ON" if kind in {"ES", "ET", "CS"} else kind for kind in types]
    strong = edge
    for at, kind in enumerate(types):
        if kind in {"L", "R"}:
            strong = kind
        elif kind == "EN" and strong == "L":
            types[at] = "L"
    return types


def _terminators(types: list[str]) -> None:
    """Let signs beside European digits, as of currencies, be part of the number."""
    at = 0
    while at < len(types):
        end = at
        while end < len(types) and types[end] in {"ET", "BN"}:
            end += 1
        if end > at:
            beside = (at > 0 and types[at - 1] == "EN") or (end < len(types) and types[end] == "EN")
            if beside:
                types[at:end] = ["EN"] * (end - at)
        at = max(end, at + 1)


def _brackets(text: str, places: Sequence[int], types: list[str], level: int) -> None:
    """Give both brackets of a pair the direction of what is in them (N0)."""
    embedding = "R" if level % 2 else "L"
    for start, end in _pairs(text, places, types):
        inside = {_STRONG_OF[types[at]] for at in range(start + 1, end) if types[at] in _STRONG_OF}
        if not inside:
            continue
        direction = embedding
        if embedding not in inside:
            before = next(
                (_STRONG_OF[types[at]] for at in range(start - 1, -1, -1) if types[at] in _STRONG_OF),
                embedding,
            )
            direction = before if before != embedding else embedding
        types[start] = types[end] = direction


def _pairs(text: str, places: Sequence[int], types: Sequence[str]) -> list[tuple[int, int]]:
    waiting: list[tuple[str, int]] = []
    found: list[tuple[int, int]] = []
    for at, place in enumerate(places):
        letter = _SAME_BRACKET.get(text[place], text[place])
        if types[at] != "ON" or not unicodedata.mirrored(letter):
            continue
        if unicodedata.category(letter) == "Ps":
            waiting.append((_partner(letter), at))
        elif unicodedata.category(letter) == "Pe":
            for depth in range(len(waiting) - 1, -1, -1):
                if waiting[depth][0] == letter:
                    found.append((waiting[depth][1], at))
                    del waiting[depth:]
                    break
    return sorted(found)


def _partner(opener: str) -> str:
    """Return the bracket that closes one: the next one that closes, in the order of Unicode."""
    return next(
        chr(ord(opener) + step) for step in (1, 2, 3) if unicodedata.category(chr(ord(opener) + step)) == "Pe"
    )


def _neutrals(types: list[str], level: int) -> None:
    """Give neutral letters the direction of what stands on both sides of them (N1, N2)."""
    edge = "R" if level % 2 else "L"
    at = 0
    while at < len(types):
        end = at
        while end < len(types) and types[end] in _NEUTRAL:
            end += 1
        if end > at:
            before = _STRONG_OF[types[at - 1]] if at else edge
            after = _STRONG_OF[types[end]] if end < len(types) else edge
            types[at:end] = [before if before == after else edge] * (end - at)
        at = max(end, at + 1)


def _implicit(kind: str, level: int) -> int:
    if level % 2:
        return level + (kind != "R")
    return level + {"R": 1, "AN": 2, "EN": 2}.get(kind, 0)


def _reset_trailing(kinds: Sequence[str], level: int, levels: list[int]) -> None:
    """Let spaces at the end of a line follow the paragraph (L1)."""
    for at in range(len(kinds) - 1, -1, -1):
        if (
            kinds[at] not in {"WS", "S", "B", "BN"}
            and kinds[at] not in _OPENERS
            and kinds[at] not in _CLOSERS
        ):
            break
        levels[at] = level
