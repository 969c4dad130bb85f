"""Strings for named properties: places, dates, titles, queries, found in what a turn says."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from foundry_emulator.model.copywriting import language_named, lines, thing_of
from foundry_emulator.model.dates import first_date
from foundry_emulator.model.words import capitalised, file_names, has, quoted, shorten
from foundry_emulator.stems import word_set, words

Schema = Mapping[str, Any]

_PLACES = word_set("city location place country town region destination address where")
_PROSE = word_set(
    "summary description finding text content body message reason explanation comment note detail answer "
    "rationale feedback result"
)
_COPY = {
    "slogan": word_set("slogan tagline motto headline"),
    "caption": word_set("caption"),
    "alt": word_set("alt"),
}
_QUERIES = word_set("query question search prompt keyword input request")
CALENDAR = word_set(
    "Monday Tuesday Wednesday Thursday Friday Saturday Sunday January February March April May June July "
    "August September October November December Celsius Fahrenheit I What How Please Give Tell Draw Show "
    "Get The"
)
_SIGNS = "aries|taurus|gemini|cancer|leo|virgo|libra|scorpio|sagittarius|capricorn|aquarius|pisces"


@dataclass(frozen=True)
class Clues:
    """What values may be taken from.

    `text` is the request, `context` what was said before, `prose` the best answer found so far, `facts`
    figures by name (printed by code or listed in passages).
    """

    text: str
    context: str = ""
    prose: str = ""
    facts: Mapping[str, float] = field(default_factory=dict[str, float])
    root: Schema = field(default_factory=dict[str, Any])


def text_for(name: str, schema: Schema, clues: Clues) -> str | None:
    """Return the words that a string property of that name asks for, or None when the clues have none."""
    if labelled := _labelled(name, clues.text):
        return labelled
    parts, about = set(words(name)), str(schema.get("description") or "")
    style = str(schema.get("format") or "")
    if style in {"date", "date-time"} or "date" in parts or "YYYY-MM-DD" in about:
        date = first_date(clues.text) or first_date(clues.context) or "2025-01-01"
        return f"{date}T00:00:00Z" if style == "date-time" else date
    if style in {"email", "uri"} or parts & {"email", "url", "uri", "link"}:
        pattern, sample = (
            (r"[\w.+-]+@[\w-]+\.[\w.]+", "someone@example.com")
            if style == "email" or "email" in parts
            else (r"https?://[^\s\"'<>]+", "https://example.com")
        )
        match = re.search(pattern, f"{clues.text} {clues.context}")
        return match.group(0).rstrip(".,") if match else sample
    if parts & _PLACES or "city name" in about.lower():
        return place_in(clues.text) or place_in(clues.context) or _name_in(clues)
    if "sign" in parts or "zodiac" in about.lower():
        match = re.search(rf"\b(?:{_SIGNS})\b", f"{clues.text} {clues.context}", re.IGNORECASE)
        return match.group(0).capitalize() if match else None
    return _copied(parts, clues) or _worded(parts, about, clues)


def _copied(parts: set[str], clues: Clues) -> str | None:
    """Return a short text where the property is named after one."""
    kind = next((kind for kind, names in _COPY.items() if parts & names), None)
    if kind is None or quoted(clues.text):
        return None
    language = language_named(clues.text) or "en"
    return lines(kind, thing_of(clues.text) or thing_of(clues.context) or "It", language)[0]


def _labelled(name: str, text: str) -> str | None:
    """Return what a line of the request says under the property's own name: `Title: Harbour Lights`."""
    label = re.escape(" ".join(words(name)))
    match = re.search(rf"^[ \t*-]*{label}[ \t]*:[ \t]*(\S.{{0,200}})$", text, re.IGNORECASE | re.MULTILINE)
    return match.group(1).strip(" \"'") if match and label else None


def _worded(parts: set[str], about: str, clues: Clues) -> str | None:
    said = quoted(clues.text)
    for names, find in _FINDERS:
        if parts & names:
            return find(clues)
    if has(about, "hex"):
        return _colour(clues)
    return said[0] if said else _name_in(clues) if re.search(r"\blike [A-Z]", about) else None


def _identifier(clues: Clues) -> str | None:
    match = re.search(r"#?\b([A-Z]{1,5}-?\d[\w-]*|\d{2,})\b", clues.text)
    return match.group(1) if match else None


def _file_name(clues: Clues) -> str | None:
    return next(iter(file_names(clues.text)), None)


def _result(clues: Clues) -> str:
    return f"{list(clues.facts.values())[-1]:g}" if clues.facts else _prose(clues)


def _prose(clues: Clues) -> str:
    return clues.prose or shorten(clues.context, 300) or clues.text


def _query(clues: Clues) -> str:
    return next(iter(quoted(clues.text)), None) or shorten(clues.text, 300)


def _title(clues: Clues) -> str | None:
    return next(iter(quoted(clues.text)), None) or _titled(clues)


def _colour(clues: Clues) -> str | None:
    match = re.search(r"#[0-9a-fA-F]{6}\b", f"{clues.text} {clues.prose}")
    return match.group(0) if match else None


def place_in(text: str) -> str | None:
    """Return the place that `text` names: capitalised words after in, for, at, of; or with a possessive."""
    name = r"([A-Z][\w.]{0,40}(?:[ -](?:[A-Z][\w.]{0,40}|de|la|of)){0,4}(?:, [A-Z]\w*)?)"
    match = re.search(rf"\b(?:in|for|at|of|to|from|near|about)\s+{name}", text)
    match = match or re.search(rf"\b{name}'s\b", text)
    if match is None or match.group(1) in CALENDAR:
        return None
    return match.group(1).rstrip(".,")


def places_in(text: str) -> list[str]:
    """List the places of "in Seattle, Paris and New York"."""
    name = r"[A-Z][\w.]{0,40}(?: [A-Z][\w.]{0,40}){0,3}"
    match = re.search(rf"\b(?:in|for|at|of|to)\s+({name}(?:(?:,| and|, and) (?:in |for )?{name})+)", text)
    if match is None:
        return []
    return [
        part.removeprefix("in ").removeprefix("for ") for part in re.split(r", and | and |, ", match.group(1))
    ]


def _name_in(clues: Clues) -> str | None:
    for text in (clues.text, clues.context):
        names = [name for name in capitalised(text) if name not in CALENDAR]
        if names:
            return names[-1]
    return None


def _titled(clues: Clues) -> str | None:
    report = re.search(r"\b(?:the|an?)\s+((?:[\w-]+\s){1,2}report)\b", clues.text)
    if report and not has(report.group(1), "create", "save", "summary"):
        return report.group(1).capitalize()
    led = r"\b(?:to|at|for|called|about|of|the|report|on)\s+(?:an?|the|these|those)\s+"
    thing = re.search(led + r"([\w' -]{3,60}?)(?= this| on| at| in|[.,;?!]|$)", clues.text)
    if thing:
        return thing.group(1).strip().capitalize()
    about = re.search(r"\babout\s+([^.?!\n]{3,60})", clues.text)
    return about.group(1) if about else shorten(clues.text, 60).rstrip(".") or None


_FINDERS: tuple[tuple[frozenset[str], Callable[[Clues], str | None]], ...] = (
    (word_set("id number"), _identifier),
    (word_set("file filename path"), _file_name),
    (word_set("result"), _result),
    (word_set("error"), lambda clues: f"No data was found for: {shorten(clues.text, 200)}"),
    (word_set("calculation expression"), lambda clues: shorten(clues.text, 120)),
    (word_set("title name topic subject event report"), _title),
    (word_set("color colour hex"), _colour),
    (_PROSE, _prose),
    (_QUERIES, _query),
)
"""Which words of a property's name lead to which part of what was said; the first row that fits is taken."""
