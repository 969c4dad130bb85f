"""Words: the tables of `vocabulary.toml` and how phrases are found in them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

MOST_COPIES = 24


@cache
def vocabulary() -> dict[str, Any]:
    """Return the tables of `vocabulary.toml`."""
    with Path(__file__).with_name("vocabulary.toml").open("rb") as file:
        return tomllib.load(file)


@cache
def phrases(table: str) -> dict[str, str]:
    """Return the meaning of every word or phrase of one table."""
    return {phrase: name for name, row in vocabulary()[table].items() for phrase in row}


def lookup(words: list[str], at: int, table: Mapping[str, str]) -> tuple[str | None, int]:
    """Return the meaning of the longest phrase at a place, and its length in words."""
    for length in (3, 2, 1):
        phrase = " ".join(words[at : at + length])
        for form in singulars(phrase):
            if form in table:
                return table[form], length
    return compound(words[at], table), 1


def singulars(word: str) -> Iterator[str]:
    """Yield the word and what it may be the plural of."""
    yield word
    if word.endswith("ies"):
        yield word[:-3] + "y"
    if word.endswith("ves"):
        yield word[:-3] + "f"
    if word.endswith("es"):
        yield word[:-2]
    if word.endswith("s"):
        yield word[:-1]


def compound(word: str, table: Mapping[str, str]) -> str | None:
    """Find `lamp` in `headlamp`: English compounds name the thing last."""
    grammar = vocabulary()["grammar"]
    if word in grammar["no_compounds"]:
        return None
    for form in singulars(word):
        tail = form.rpartition("-")[2]
        if tail != form and tail in table:
            return table[tail]
        for start in range(3, len(form) - 3):
            is_long = len(form) - start >= 4 and form[start:] not in grammar["loose_tails"]
            if is_long and form[start:] in table:
                return table[form[start:]]
    return None


def number(word: str) -> int:
    """Return the count a word means, or 0."""
    named = phrases("numbers").get(word)
    if named:
        return int(named)
    return int(word) if word.isascii() and word.isdigit() and 2 <= int(word[:4]) <= MOST_COPIES else 0


def first(words: list[str], table: Mapping[str, str]) -> str | None:
    """Return the meaning of the first known phrase."""
    for at in range(len(words)):
        for length in (3, 2, 1):
            phrase = " ".join(words[at : at + length])
            if phrase in table:
                return table[phrase]
    return None


@cache
def _fillers() -> frozenset[str]:
    known = set(vocabulary()["grammar"]["fillers"].split())
    for table in ("styles", "settings", "hours", "framing", "orientation", "numbers"):
        known.update(part for phrase in phrases(table) for part in phrase.split())
    known.update(vocabulary()["grammar"]["text"])
    return frozenset(known)


def is_noun(word: str) -> bool:
    """Say whether a word nobody knows may name a thing."""
    return (
        word.isascii()
        and word[0].isalpha()
        and len(word) > 2
        and word not in _fillers()
        and not word.endswith(("ly", "ing"))
    )
