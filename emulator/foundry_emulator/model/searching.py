"""What to look for in the files, and an answer made of the passages that were found."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from foundry_emulator.model.asking import Asking, look_up
from foundry_emulator.model.reading import Reading
from foundry_emulator.model.saying import cite
from foundry_emulator.model.words import (
    capitalised,
    content_terms,
    content_words,
    has,
    numbers,
    sentences,
    shorten,
)
from foundry_emulator.stems import words
from foundry_emulator.steps import Hit, Say, SearchFiles

MOST_LINES = 12
"""Lines quoted in an answer."""

_MOST = {
    "highest": max, "largest": max, "biggest": max, "most": max, "best": max, "maximum": max, "top": max,
    "longest": max, "lowest": min, "smallest": min, "least": min, "cheapest": min, "worst": min,
    "minimum": min, "shortest": min,
}  # fmt: skip


_BROAD = (
    "tell me (?:more )?about",
    r"summar\w*",
    "describe",
    "overview",
    "explain",
    "what products",
    r"analy\w*",
    r"what (?:do|does|did|is|are)\b[^?.]{1,60}\b(?:say|said|state|report|write|written|tell us) (?:about|on)",
)


@dataclass(frozen=True)
class Line:
    """A line or sentence of a passage, with the heading that it stands under."""

    text: str
    heading: str
    hit: Hit
    place: int


def search_files(reading: Reading, *, for_picture: bool) -> Asking[tuple[Hit, ...]]:
    """Search with queries made from the request."""
    found = yield from look_up(SearchFiles(queries(reading, for_picture=for_picture)))
    return tuple(found.hits)


def queries(reading: Reading, *, for_picture: bool) -> list[str]:
    """Make queries of the request's nouns; a picture also needs what is said about colours and style."""
    wanted = content_terms(reading.text)
    if reading.leans_on_context:
        wanted += [term for term in content_terms(reading.subject()) if term not in wanted]
    plain = " ".join(wanted[:24]) or shorten(reading.text, 200) or "overview"
    if for_picture:
        return [plain, "brand colours palette hex", "visual style, things to avoid"]
    return list(dict.fromkeys([plain, shorten(reading.text, 200)])) if len(wanted) > 3 else [plain]


def say_found(reading: Reading, hits: Sequence[Hit]) -> Say:
    """Answer from the passages, quoting the lines that fit best and citing their files."""
    if not hits:
        return Say("I searched the files and found nothing about that.")
    chosen = _answer_lines(reading, _lines(hits))
    text = ""
    annotations: list[Mapping[str, Any]] = []
    for filename in dict.fromkeys(line.hit.filename for line in chosen):
        text += ("\n\n" if text else "") + f"According to {filename}:"
        heading = ""
        for line in (line for line in chosen if line.hit.filename == filename):
            if line.heading != heading and line.heading and line.heading != line.text:
                heading = line.heading
                text += f"\n{heading}:"
            text += f"\n- {_plain(line.text)}"
        hit = next(line.hit for line in chosen if line.hit.filename == filename)
        annotations.append(cite(hit, len(text)))
    return Say(text, annotations)


def extract(reading: Reading, hits: Sequence[Hit], limit: int) -> str:
    """Return the passages' best lines as running text, for an argument or a field."""
    lines = _answer_lines(reading, _lines(hits)) if hits else []
    parts = [f"{line.heading}: {_plain(line.text)}" if line.heading else _plain(line.text) for line in lines]
    return shorten("; ".join(parts), limit)


def _answer_lines(reading: Reading, lines: Sequence[Line]) -> list[Line]:
    if extreme := _extreme(reading.text, lines):
        return extreme
    fits = _fits(reading, lines)
    best = max(fits.values(), default=0.0)
    fitting = [line for line in lines if fits[line.place] >= max(1.0, best * 0.7)]
    if not fitting or has(reading.text, *_BROAD):
        files = {line.hit.filename for line in fitting or lines}
        fitting = [line for line in lines if line.hit.filename in files and line.text != line.heading]
    ranked = sorted(fitting, key=lambda line: -fits[line.place])[:MOST_LINES]
    return sorted(ranked, key=lambda line: line.place)


def _fits(reading: Reading, lines: Sequence[Line]) -> dict[int, float]:
    asked = content_words(reading.text)
    names = [name for name in capitalised(reading.text) if " " in name]
    context: list[str] = []
    if reading.leans_on_context:
        names = names or [reading.subject()]
        context = [word for word in content_words(reading.subject()) if word not in asked]
    return {line.place: _fit(line, asked, context) + 1.5 * _is_about(line, names) for line in lines}


def _lines(hits: Sequence[Hit]) -> list[Line]:
    found: list[Line] = []
    seen: set[tuple[str, str, str]] = set()
    for hit in hits[:6]:
        heading = ""
        for raw in sentences(hit.text):
            text = raw.strip()
            is_heading = text.startswith("#") or (text.endswith(":") and len(text) < 80) or _opens_block(text)
            heading = _plain(text).rstrip(":") if is_heading else heading
            key = (hit.filename, heading, text)
            if key not in seen:
                seen.add(key)
                found.append(Line(text, heading, hit, len(found)))
    return [
        line for line in found if not (line.heading and _plain(line.text).rstrip(":") == line.heading)
    ] or found


def _opens_block(text: str) -> bool:
    return re.match(r"^(?:Product|Item|Name|Title)\s*:\s*\S", text) is not None


def _fit(line: Line, asked: Sequence[str], context: Sequence[str]) -> float:
    said, above = set(words(line.text)), set(words(f"{line.heading} {line.hit.filename}"))
    own = sum(1.0 if word in said else 0.9 if word in above else 0.0 for word in asked)
    return own + 0.3 * len((said | above) & set(context)) + line.hit.score / 10


def _is_about(line: Line, names: Sequence[str]) -> bool:
    return any(name in line.heading for name in names if name)


def _extreme(text: str, lines: Sequence[Line]) -> list[Line]:
    pick = next((choose for word, choose in _MOST.items() if has(text, word)), None)
    if pick is None:
        return []
    asked = [word for word in content_words(text) if word not in _MOST]
    rated = [(line, _figure(line)) for line in lines if not has(line.text, "total", "overall", "average")]
    for heading in (False, True):
        said = {line.place: set(words(f"{line.text} {line.heading if heading else ''}")) for line in lines}
        fitting = [
            (line, value) for line, value in rated if value is not None and said[line.place] & set(asked)
        ]
        if len(fitting) > 1:
            best = pick(fitting, key=lambda pair: pair[1])
            return [best[0]]
    return []


def _figure(line: Line) -> float | None:
    found = numbers(line.text.split(":", 1)[-1].replace("$", " "))
    return found[0] if ":" in line.text and found else None


def _plain(text: str) -> str:
    return re.sub(r"^\s*(?:#+|[-*\u2022]|\d+[.)])\s*", "", text).replace("**", "").strip()
