"""Answers in words alone: small talk, well-known facts, sums, a look at a picture, or a plain restatement."""

from __future__ import annotations

import io
import re

from PIL import Image, UnidentifiedImageError

from foundry_emulator.model.coding.sums import expression
from foundry_emulator.model.copywriting import copy
from foundry_emulator.model.facts import converted, known_fact
from foundry_emulator.model.reading import Reading
from foundry_emulator.model.told import told
from foundry_emulator.model.verses import joke, verse
from foundry_emulator.model.words import has, numbers, shorten
from foundry_emulator.steps import Picture

_STEP = re.compile(
    r"^\W*(?:(?:and|then|now|please)\W+)*(add|subtract|multiply|divide|plus|minus|times)\b(?:\s+(?:it|that|this))?"
    r"(?:\s+by)?\s+(-?\d+(?:\.\d+)?)(?![\d.]*\w)",
    re.IGNORECASE,
)
_SIGNS = {
    "add": "+",
    "plus": "+",
    "subtract": "-",
    "minus": "-",
    "multiply": "*",
    "times": "*",
    "divide": "/",
}
_BINARY = re.compile(r"(?<![\d.])(-?\d+(?:\.\d+)?) ([-+*/]) (-?\d+(?:\.\d+)?)(?![\d.])")


def answer(reading: Reading) -> str:
    """Answer a request in words; always says something."""
    text = reading.text
    if not text:
        return "How can I help?"
    if reading.attached_pictures() and (reading.is_question or has(text, "describe", "image", "picture")):
        return describe(reading.turn.pictures[-1]) if reading.turn.pictures else _restated(text)
    context = " ".join([*reading.earlier[:2], reading.said]) if reading.earlier else ""
    if not reading.is_question and (written := copy(text, context, reading.turn.instructions)):
        return written
    quick = _small_talk(text) or joke(f"{text} {context}" if has(text, "another") else text) or verse(text)
    return (
        quick
        or _sum(text)
        or _carried_on(reading)
        or converted(text, context)
        or told(text, reading.earlier)
        or known_fact(text, context)
        or _restated(text)
    )


def describe(picture: Picture) -> str:
    """Say what can be measured of a picture: its size, its shape, its main colours."""
    try:
        with Image.open(io.BytesIO(picture.data)) as opened:
            kind, (width, height) = opened.format or "picture", opened.size
            small = opened.convert("RGB")
            small.thumbnail((64, 64))
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError):
        return "The picture cannot be read."
    counted = sorted(small.quantize(4).convert("RGB").getcolors(4096) or [], key=lambda pair: -pair[0])
    colours = ", ".join(
        "#{:02x}{:02x}{:02x}".format(*colour) for _, colour in counted if isinstance(colour, tuple)
    )
    shape = "square" if width == height else "landscape" if width > height else "portrait"
    return f"The image is a {shape} {kind}, {width} by {height} pixels. Its main colours are {colours}."


def _small_talk(text: str) -> str | None:
    if has(text, "one word") and has(text, "hello", "hi"):
        return "Hello!"
    if len(text.split()) < 6 and has(text, "hi", "hello", "hey", "good (?:morning|evening|afternoon)"):
        return "Hello! How can I help you today?"
    if len(text.split()) < 8 and has(text, "thanks?", "thank you"):
        return "You are welcome."
    if has(text, "who are you", "what can you do", "what are you"):
        return "I am a set of written rules that stands in for a model. I can use the agent's tools."
    return None


def _sum(text: str) -> str | None:
    working = expression(text)
    match = _BINARY.fullmatch(working) if working else None
    if match is None:
        return None
    left, sign, right = float(match.group(1)), match.group(2), float(match.group(3))
    if sign == "/" and right == 0:
        return f"{working} has no value: it divides by zero."
    results = {"+": left + right, "-": left - right, "*": left * right, "/": left / right if right else 0.0}
    return f"{working} = {results[sign]:.10g}"


def _carried_on(reading: Reading) -> str | None:
    """Go on from the last result: "and then add 2 again"."""
    match = _STEP.search(reading.text)
    if match is None:
        return None
    before = numbers(reading.said) or numbers(next(filter(None, map(_sum, reading.earlier[:1])), ""))
    sign = next(sign for verb, sign in _SIGNS.items() if match.group(1).lower().startswith(verb))
    return _sum(f"{before[-1]:.10g} {sign} {match.group(2)}") if before else None


def _restated(text: str) -> str:
    plain = shorten(re.sub(r"^(?:please|could you|can you|would you)\s+", "", text, flags=re.IGNORECASE), 300)
    return f'You asked: "{plain}" I follow written rules and can only restate this.'
