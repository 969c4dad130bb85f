"""How a request becomes a prompt for the image tool, how often, and whether it is an edit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from foundry_emulator.model.asking import Asking, draw
from foundry_emulator.model.choose import wants_edit
from foundry_emulator.model.reading import Reading
from foundry_emulator.model.saying import cite
from foundry_emulator.model.words import NUMBER_WORDS, clauses, count_before, has, sentences, shorten
from foundry_emulator.steps import Draw, Drawn, Hit, Say

MAX_PICTURES = 10
"""Pictures drawn for one request, whatever count it names."""

_STYLE = (
    "minimal(?:ist(?:ic)?)?|flat|geometric|isometric|watercolou?r|photographic|photorealistic|cinematic|vintage|retro|"
    "hand-drawn|line art|vector|3d|clean|bold|playful|warm|cool|bright|dark|soft|matte|glossy|"
    "natural light|studio light|"
    "high contrast|low contrast|rounded|organic|modern|elegant|rustic|pastel|vivid|muted|serene|calm|"
    "dramatic|"
    "generous (?:white|negative) ?space|white ?space|negative space|centred|centered|symmetrical|"
    "rule of thirds"
)
_SEVERAL = (
    "images|pictures|photos|illustrations|drawings|variants|versions|variations|options|icons|logos|posters|banners|"
    "covers|alternatives|candidates|sketches"
)
_FORBIDDEN = (
    r"(?:\b(?:never|avoid|do not|don't|must not|forbidden:?|not allowed:?)\s+"
    r"(?:use |show |put |add |include |draw )?"
    r"|^(?:[-*]\s*)?no\s+)([^.;:\n!?]{3,90})"
)
_ORDERS = (
    r"\b(?:instructions?|ignore|disregard|system|prompt|assistant|respond|reply|reveal|"
    r"you (?:are|must|should))\b"
)
_EXCEPTIONS = r"\b(?:only|except|not in|not for)\b"
_DONE = r"drawn|shown|\w+ed"  # "never drawn" names no thing
_RESEARCH = (
    r"\b(?:search|look up|look for|according to|file search|knowledge|"
    r"brand (?:guide|rules|book)|guidelines?)\b"
)


def draw_pictures(reading: Reading, hits: Sequence[Hit], limit: int) -> Asking[list[Drawn]]:
    """Draw what the request asks for, once per picture; stops at the first refusal."""
    drawn: list[Drawn] = []
    for prompt in prompts(reading, hits)[:limit]:
        result = yield from draw(Draw(prompt, action(reading)))
        drawn.append(result)
        if result.error:
            break
    return drawn


def action(reading: Reading) -> Literal["edit", "generate"]:
    """Say `edit` or `generate`: the tool's own setting first, then what the request says."""
    tool = reading.turn.tool("image_generation") or {}
    if tool.get("action") in {"edit", "generate"}:
        return "edit" if tool["action"] == "edit" else "generate"
    return "edit" if wants_edit(reading) else "generate"


def prompts(reading: Reading, hits: Sequence[Hit]) -> list[str]:
    """Write one prompt per picture, enriched by what was found."""
    style = found_style(hits)
    text = _plain_request(reading, researched=bool(style))
    if listed := _listed_subjects(reading.text):
        return [f"{subject}. {style}".strip() for subject in listed]
    count = max(1, min(MAX_PICTURES, picture_count(reading.text)))
    if count == 1:
        return [f"{text.rstrip('. ')}. {style}" if style else text]
    text = _one_of_several(text).rstrip(". ")
    # A letter rather than a number, which would read as a count of things to draw.
    return [f"{text}, variant {letter}. {style}".strip() for letter in "ABCDEFGHIJ"[:count]]


def picture_count(text: str) -> int:
    """Read off how many pictures are asked for; one unless a number says otherwise."""
    return count_before(text, _SEVERAL) or 1


def found_style(hits: Sequence[Hit]) -> str:
    """Say in one line what passages state of palette, style and things to avoid.

    Only colours, known style words and short forbidden things are taken over, and nothing of a sentence that
    speaks to the reader of the file: a passage is data and gives no orders.
    """
    said = [part for hit in hits for line in sentences(hit.text) for part in line.split(";")]
    said = [part.strip() for part in said if not re.search(_ORDERS, part, re.IGNORECASE)]
    text = "\n".join(
        part for part in said if not re.search(f"{_FORBIDDEN}|{_EXCEPTIONS}", part, re.IGNORECASE)
    )
    palette = list(dict.fromkeys(code.lower() for code in re.findall(r"#[0-9a-fA-F]{6}\b", text)))
    prose = "\n".join(line for line in text.splitlines() if not line.startswith("|"))
    style = list(
        dict.fromkeys(word.lower() for word in re.findall(rf"\b(?:{_STYLE})\b", prose, re.IGNORECASE))
    )
    parts = [("Palette", palette[:6]), ("Style", style[:8])]
    lines = [f"{name}: {', '.join(values)}." for name, values in parts if values]
    if avoid := _forbidden(said):
        lines.append(f"{', '.join(f'no {thing}' for thing in avoid[:8])}.".capitalize())
    return " ".join(lines)


def say_drawn(hits: Sequence[Hit]) -> Say:
    """Say which file the picture follows in what, and cite it."""
    text = f"I drew the picture by {hits[0].filename}. {found_style(hits)}".strip()
    return Say(text, [cite(hits[0], len(text))])


def _forbidden(said: Sequence[str]) -> list[str]:
    things: list[str] = []
    for part in said:
        for match in re.findall(_FORBIDDEN, part, re.IGNORECASE):
            things += re.split(r",\s*(?:and |or )?|\s+(?:and|or)\s+", re.sub(r"\s+in\s+.*", "", match))
    plain = (thing.strip(" *_`-").lower() for thing in things)
    return list(
        dict.fromkeys(thing for thing in plain if 2 < len(thing) < 40 and not re.fullmatch(_DONE, thing))
    )


def _plain_request(reading: Reading, *, researched: bool) -> str:
    text = reading.turn.text.strip() or reading.turn.instructions or "an abstract composition"
    if researched:
        # What the request says about looking things up was done: the picture should not show it.
        kept = [part for part in clauses(reading.text) if not re.search(_RESEARCH, part, re.IGNORECASE)]
        text = " ".join(kept) or text
    answers = [shorten(f"{call.name.replace('_', ' ')}: {call.output}", 300) for call in reading.answers]
    return " ".join([text, *answers]) if answers else text


def _one_of_several(text: str) -> str:
    number = rf"(?:\d{{1,2}}|{'|'.join(NUMBER_WORDS)})"
    text = re.sub(
        rf"\b{number} (?:different )?(?:{_SEVERAL}) of (?=(?:an?|the|our|my)\b)",
        "",
        text,
        flags=re.IGNORECASE,
    )
    return re.sub(
        rf"\b{number} ((?:[a-z-]+ ){{0,3}}?)(?:{_SEVERAL})\b",
        r"one \1picture",
        text,
        count=1,
        flags=re.IGNORECASE,
    )


def _listed_subjects(text: str) -> list[str]:
    if not has(
        text,
        "each of (?:the following|these)",
        "one (?:picture|image) (?:per|for each)",
        "the following (?:pictures|images)",
    ):
        return []
    lines = re.findall(r"^\s*(?:[-*\u2022]|\d+[.)])\s+(.+)$", text, re.MULTILINE)
    lead = text.split("\n", 1)[0]
    return [f"{line.strip()} ({shorten(lead, 160)})" for line in lines[:MAX_PICTURES]]
