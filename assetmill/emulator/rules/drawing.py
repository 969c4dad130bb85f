"""How a request becomes a prompt for the image tool, how often, and whether it is an edit."""

from __future__ import annotations

import re
from collections.abc import Sequence

from assetmill.emulator.rules.asking import Asking, draw
from assetmill.emulator.rules.choose import wants_edit
from assetmill.emulator.rules.reading import Reading
from assetmill.emulator.rules.words import count_before, has, shorten
from assetmill.emulator.steps import Draw, Drawn, Hit

MAX_PICTURES = 10
"""Pictures drawn for one request, whatever count it names."""

_STYLE = (
    "minimal(?:ist(?:ic)?)?|flat|geometric|isometric|watercolou?r|photographic|photorealistic|cinematic|vintage|retro|"
    "hand-drawn|line art|vector|3d|clean|bold|playful|warm|cool|bright|dark|soft|matte|glossy|natural light|studio light|"
    "high contrast|low contrast|rounded|organic|modern|elegant|rustic|pastel|vivid|muted|serene|calm|dramatic|"
    "generous (?:white|negative) ?space|white ?space|negative space|centred|centered|symmetrical|rule of thirds"
)
_FORBIDDEN = r"\b(?:never|avoid|do not|don't|must not|no longer|forbidden:?|not allowed:?)\s+(?:use |show |put |add |include |draw )?([^.;:\n!?]{3,80})"
_ORDERS = r"instruct|ignore|system|prompt|assistant|respond|reply|answer|reveal|user"


def draw_pictures(reading: Reading, hits: Sequence[Hit], limit: int) -> Asking[list[Drawn]]:
    """Draw what the request asks for, once per picture; stops at the first refusal."""
    drawn: list[Drawn] = []
    for prompt in prompts(reading, hits)[:limit]:
        result = yield from draw(Draw(prompt, action(reading)))
        drawn.append(result)
        if result.error:
            break
    return drawn


def action(reading: Reading) -> str:
    """Say `edit` or `generate`: the tool's own setting first, then what the request says."""
    tool = reading.turn.tool("image_generation") or {}
    if tool.get("action") in {"edit", "generate"}:
        return str(tool["action"])
    return "edit" if wants_edit(reading) else "generate"


def prompts(reading: Reading, hits: Sequence[Hit]) -> list[str]:
    """Write one prompt per picture, enriched by what was found."""
    text = _plain_request(reading)
    base = f"{text.rstrip('. ')}. {found_style(hits)}".strip() if found_style(hits) else text
    listed = _listed_subjects(reading.text)
    if listed:
        return [f"{subject}. {found_style(hits)}".strip() for subject in listed]
    count = max(1, min(MAX_PICTURES, picture_count(reading.text)))
    if count == 1:
        return [base]
    return [f"{base} (variant {number} of {count})" for number in range(1, count + 1)]


def picture_count(text: str) -> int:
    """Read off how many pictures are asked for; one unless a number says otherwise."""
    nouns = (
        "images", "pictures", "photos", "illustrations", "drawings", "variants", "versions", "variations", "options",
        "icons", "logos", "posters", "banners", "covers", "alternatives", "candidates", "sketches",
    )  # fmt: skip
    return count_before(text, *nouns) or 1


def found_style(hits: Sequence[Hit]) -> str:
    """Say in one line what passages state of palette, style and things to avoid.

    Only colours, known style words and short forbidden things are taken over: a passage is data and gives no orders.
    """
    text = "\n".join(hit.text for hit in hits)
    allowed = "\n".join(line for line in text.splitlines() if not re.search(_FORBIDDEN, line, re.IGNORECASE))
    palette = list(dict.fromkeys(code.lower() for code in re.findall(r"#[0-9a-fA-F]{6}\b", allowed)))
    style = list(
        dict.fromkeys(match.lower() for match in re.findall(rf"\b(?:{_STYLE})\b", allowed, re.IGNORECASE))
    )
    avoid = [shorten(match.strip(" *_`-"), 60) for match in re.findall(_FORBIDDEN, text, re.IGNORECASE)]
    avoid = list(dict.fromkeys(thing for thing in avoid if not re.search(_ORDERS, thing, re.IGNORECASE)))
    parts = [("Palette", palette[:6]), ("Style", style[:8]), ("Avoid", avoid[:6])]
    return " ".join(f"{name}: {', '.join(values)}." for name, values in parts if values)


def _plain_request(reading: Reading) -> str:
    text = reading.text or reading.turn.instructions or "an abstract composition"
    answers = [shorten(f"{call.name.replace('_', ' ')}: {call.output}", 300) for call in reading.answers]
    return " ".join([text, *answers]) if answers else text


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
