"""A small table of well-known answers, so that ordinary sample questions get a sensible one."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path

from foundry_emulator.model.words import has


@cache
def facts() -> tuple[tuple[tuple[str, ...], str], ...]:
    """Return the rows of `facts.toml`: patterns that must all stand in the question, and the answer."""
    with Path(__file__).with_name("facts.toml").open("rb") as file:
        rows = tomllib.load(file)["fact"]
    return tuple((tuple(row["asked"]), str(row["answer"])) for row in rows)


def known_fact(text: str, context: str) -> str | None:
    """Answer a question from the table; `context` fills in what a follow-up leaves unsaid."""
    for patterns, answer in facts():
        if all(has(text, pattern) for pattern in patterns):
            return answer
    if not context:
        return None
    for patterns, answer in facts():
        said = [has(text, pattern) for pattern in patterns]
        if any(said) and len(patterns) > 1 and all(has(f"{text} {context}", pattern) for pattern in patterns):
            return answer
    return None


def converted(text: str, said: str) -> str | None:
    """Convert or compare the temperature that was spoken of last, when the request asks for that."""
    spoken = _temperature(said)
    if spoken is None:
        return None
    value, unit = spoken
    celsius = (value - 32) * 5 / 9 if unit == "F" else value
    if has(text, "in celsius", "to celsius", "in °?c"):
        return f"{value:g}°{unit} is {celsius:.1f}°C in Celsius."
    if has(text, "in fahrenheit", "to fahrenheit"):
        return f"{value:g}°{unit} is {celsius * 9 / 5 + 32:.1f}°F in Fahrenheit."
    return _compared(text, celsius)


def _temperature(said: str) -> tuple[float, str] | None:
    exact = re.search(
        r"(-?\d+(?:\.\d+)?)\s*°?\s*(?:degrees?\s*)?(fahrenheit|celsius|f|c)\b", said, re.IGNORECASE
    )
    if exact:
        return float(exact.group(1)), exact.group(2)[0].upper()
    bare = re.search(r"temperature\D{0,20}(-?\d+(?:\.\d+)?)", said, re.IGNORECASE)
    if bare is None:
        return None
    return float(bare.group(1)), "F" if re.search(r"unit\W{1,4}f", said, re.IGNORECASE) else "C"


def _compared(text: str, celsius: float) -> str | None:
    other = re.search(r"(-?\d+(?:\.\d+)?)\s*°?\s*([CF])\b", text)
    if other is None or not has(text, "warmer", "colder", "hotter", "cooler", "higher", "lower"):
        return None
    than = float(other.group(1)) if other.group(2) == "C" else (float(other.group(1)) - 32) * 5 / 9
    if celsius == than:
        return f"{celsius:.1f}°C is the same as {than:g}°C."
    return f"{celsius:.1f}°C is {'colder' if celsius < than else 'warmer'} than {than:g}°C."
