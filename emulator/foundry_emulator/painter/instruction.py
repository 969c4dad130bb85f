"""What the words of an edit ask for, clause by clause."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from foundry_emulator.painter import brief as briefs
from foundry_emulator.painter.brief import Brief
from foundry_emulator.painter.wording import phrases, vocabulary

_SPLIT = re.compile(r"[.;!\n]+|,\s*(?=\w)|\bthen\b|\band\s+(?=\w+)", re.I)
_PLACE = re.compile(
    r"\bto the (?P<of>left|right)\b|\b(?:on|at|in) the (?P<at>left|right)\b"
    r"|\b(?:next to|beside|near|behind|in front of|close to)\b",
    re.I,
)
_QUOTES = re.compile(r'"[^"\n]*"|“[^”\n]*”')


@dataclass(frozen=True)
class Clause:
    """One thing to change: the verbs and manners found in it, and what it speaks of."""

    text: str
    asks: frozenset[str]
    brief: Brief
    is_about_background: bool
    side: str | None = None
    """Where something is to be added: left or right."""


@cache
def _verbs() -> frozenset[str]:
    table = vocabulary()["changes"]
    return frozenset(word for name in table for phrase in table[name] for word in phrase.split()[:1])


def clauses(prompt: str) -> list[Clause]:
    """Split an instruction at its punctuation and before its verbs; clauses about keeping drop out."""
    found = [_clause(text) for text in _split(prompt)]
    return [clause for clause in found if clause.asks != frozenset({"keep"}) and not _only_keeps(clause)]


def _only_keeps(clause: Clause) -> bool:
    first = clause.text.split()[0].lower() if clause.text.split() else ""
    return first in vocabulary()["changes"]["keep"] or "unchanged" in clause.text.lower()


def _split(prompt: str) -> list[str]:
    held: list[str] = []

    def hold(match: re.Match[str]) -> str:
        held.append(match[0])
        return f" quote{len(held) - 1}quote "

    text = _QUOTES.sub(hold, prompt)
    pieces: list[str] = []
    at = 0
    for match in _SPLIT.finditer(text):
        follower = text[match.end() :].split(None, 1)
        is_hard = match[0].strip()[:1] in ".;!" or match[0].startswith("\n")
        if is_hard or (follower and follower[0].lower().strip(",.") in _verbs()):
            pieces.append(text[at : match.start()])
            at = match.end()
    pieces.append(text[at:])
    restored = (re.sub(r"quote(\d+)quote", lambda match: held[int(match[1])], piece) for piece in pieces)
    return [piece.strip() for piece in restored if piece.strip(" ,")]


def _clause(text: str) -> Clause:
    plain = " " + re.sub(r"[^a-z0-9' -]+", " ", _QUOTES.sub(" ", text).lower()) + " "
    asks = {name for phrase, name in phrases("changes").items() if f" {phrase} " in plain}
    about = any(f" {word} " in plain for word in ("background", "backdrop", "wall", "behind", "setting"))
    brief, side = briefs.read(text), None
    place = _PLACE.search(text)
    if "add" in asks and place:
        # What a thing is added beside is there already.
        named = briefs.read(text[: place.start()])
        brief, side = (named if named.wanted else brief), place["of"] or place["at"]
    return Clause(text, frozenset(asks), brief, about, side.lower() if side else None)
