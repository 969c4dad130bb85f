"""Computer use: a short, plausible series of actions for a request, one per response."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from foundry_emulator.model.reading import Reading
from foundry_emulator.model.words import has, quoted
from foundry_emulator.steps import UseComputer

Action = Mapping[str, Any]

MAX_ACTIONS = 12
"""Actions taken for one request, whatever it asks for."""


def next_action(reading: Reading, tool: Mapping[str, Any]) -> UseComputer | None:
    """Return the next action for the request, or None when the series is done and words are due."""
    if not reading.since and reading.is_question and not _is_task(reading.text):
        return None
    done = sum(1 for item in reading.since if item.get("type") == "computer_call")
    series = actions(reading, tool)[:MAX_ACTIONS]
    return UseComputer(series[done]) if done < len(series) else None


def actions(reading: Reading, tool: Mapping[str, Any]) -> list[Action]:
    """List the actions that the request calls for, in order; a screenshot first when none was sent along."""
    text = reading.text
    width, height = _extent(tool, "display_width", 1024), _extent(tool, "display_height", 768)
    series: list[Action] = [] if reading.attached_pictures() else [{"type": "screenshot"}]
    url = re.search(r"https?://[^\s\"'<>)]+", text)
    if url:
        series += [{"type": "keypress", "keys": ["CTRL", "L"]}, *_typed(url.group(0).rstrip(".,"))]
    if wanted := search_words(text):
        series += [{"type": "click", "button": "left", "x": width // 2, "y": height // 3}, *_typed(wanted)]
    elif typed := _typed_words(text):
        series += [
            {"type": "click", "button": "left", "x": width // 2, "y": height // 3},
            {"type": "type", "text": typed},
        ]
    if has(text, "scroll\\w*"):
        down = -1 if has(text, "scroll up") else 1
        series.append(
            {"type": "scroll", "x": width // 2, "y": height // 2, "scroll_x": 0, "scroll_y": 600 * down}
        )
    if point := re.search(r"\bclick\w*\b.{0,30}?\(?\b(\d{1,4})\s*,\s*(\d{1,4})\b", text, re.IGNORECASE):
        x, y = min(int(point.group(1)), width - 1), min(int(point.group(2)), height - 1)
        series.append({"type": "click", "button": "left", "x": x, "y": y})
    elif has(text, "click\\w*", "press the button") and not search_words(text):
        series.append({"type": "click", "button": "left", "x": width // 2, "y": height // 2})
    if has(text, "press enter", "hit enter", "submit") and not any(
        step.get("keys") == ["ENTER"] for step in series
    ):
        series.append({"type": "keypress", "keys": ["ENTER"]})
    return [*series, {"type": "screenshot"}] if len(series) > 1 else series


def finished(reading: Reading) -> str:
    """Say what the actions came to."""
    calls = [item for item in reading.since if item.get("type") == "computer_call"]
    wanted = search_words(reading.text)
    what = (
        f"The search for {wanted!r} was submitted and its results are on the screen."
        if wanted
        else "The task is done."
    )
    return f"{what} It took {len(calls)} actions."


def search_words(text: str) -> str | None:
    """Return what the request wants to be searched for."""
    match = re.search(r"\bsearch(?:ing)?\s+(?:\w+\s+){0,3}?for\s+", text, re.IGNORECASE)
    if match is None:
        return None
    rest = text[match.end() :]
    said = quoted(rest)
    if said and rest.lstrip()[:1] in "\"'\u201c`":
        return said[0]
    return re.split(r"[.;,\n]|\s+(?:and|on|then|in the)\s+", rest)[0].strip() or None


def _typed_words(text: str) -> str | None:
    match = re.search(r"\b(?:type|enter|write|fill in)\b", text, re.IGNORECASE)
    said = quoted(text[match.end() :]) if match else []
    return said[0] if said else None


def _typed(text: str) -> list[Action]:
    return [{"type": "type", "text": text}, {"type": "keypress", "keys": ["ENTER"]}]


def _is_task(text: str) -> bool:
    return has(
        text,
        "search",
        "click",
        "open",
        "type",
        "go to",
        "browse",
        "visit",
        "navigate",
        "help me",
        "find",
        "screen",
    )


def _extent(tool: Mapping[str, Any], name: str, default: int) -> int:
    value = tool.get(name)
    return value if isinstance(value, int) and value > 0 else default
