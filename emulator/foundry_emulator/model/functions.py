"""Function tools: which to call, with which arguments, and what their outputs amount to in words."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from foundry_emulator.model.filling import fill
from foundry_emulator.model.history import Answered
from foundry_emulator.model.phrasing import Clues, places_in
from foundry_emulator.model.reading import Reading
from foundry_emulator.model.searching import extract
from foundry_emulator.model.words import STOP_WORDS, has, numbers, shorten
from foundry_emulator.stems import word_set, words
from foundry_emulator.steps import CallFunction, Hit

Tool = Mapping[str, Any]

_KEEPING = word_set("save store persist record log keep archive")
_MAKING = word_set("generate create make write produce build compose")
_SENDING = word_set("send email post notify message share publish submit upload")
_REPORTING = word_set("report")
_WEAK = STOP_WORDS | word_set(
    "current user name value string function tool call data result api return retrieve fetch today day"
)


def calls_before_work(reading: Reading, forced: str | None) -> list[CallFunction]:
    """Return the calls that supply what the answer needs; none once the request's calls were answered."""
    tools = [tool for tool in reading.turn.tools if tool["type"] == "function"]
    if forced is not None:
        return [_call(tool, reading, (), "") for tool in tools if tool.get("name") == forced]
    if reading.answers:
        return []
    scored = [(score, tool) for tool in tools if not is_late(tool) and (score := _score(tool, reading)) > 0]
    if (
        not scored
        and reading.turn.tool_choice == "required"
        and len(tools) == len(reading.turn.tools)
        and tools
    ):
        scored = [(1.0, tools[0])]
    chosen = _chosen(scored, reading)
    return [call for tool in chosen for call in _calls(tool, reading)]


def calls_after_work(reading: Reading, hits: Sequence[Hit], logs: str) -> list[CallFunction]:
    """Return the calls that keep or send what was found, when the request or the instructions say so."""
    if reading.answers:
        return []
    tools = [tool for tool in reading.turn.tools if tool["type"] == "function" and is_late(tool)]
    searched = reading.turn.tool("file_search") is not None
    wanted = [tool for tool in tools if _is_late_due(tool, reading, nothing_found=searched and not hits)]
    return [_call(tool, reading, hits, logs) for tool in wanted[:1]]


def is_late(tool: Tool) -> bool:
    """Say whether the function keeps or sends a result, rather than supplying one."""
    name = words(str(tool.get("name")))
    verb = name[0] if name else ""
    makes_report = verb in _MAKING and bool(set(name) & {"report", "summary", "record", "ticket"})
    return verb in _KEEPING | _SENDING | _REPORTING or makes_report


def _is_late_due(tool: Tool, reading: Reading, *, nothing_found: bool) -> bool:
    name = words(str(tool.get("name")))
    about = f"{' '.join(name)} {tool.get('description') or ''}"
    if has(about, "error", "not available", "unavailable", "failures?", "missing"):
        return nothing_found
    verb, things = name[0], set(name[1:])
    said = set(words(reading.text))
    orders = rf"always\b[^.]*\b{re.escape(str(tool.get('name')))}"
    if re.search(orders, reading.turn.instructions, re.IGNORECASE) and not reading.is_question:
        return True
    if verb in _KEEPING:
        return bool(said & _KEEPING)
    group = _SENDING if verb in _SENDING else _MAKING | _KEEPING
    return bool(said & group) and bool(said & things or verb in said)


def _score(tool: Tool, reading: Reading) -> float:
    said = set(words(reading.text)) - _WEAK
    name = set(words(str(tool.get("name")))) - _WEAK
    about = set(words(str(tool.get("description") or ""))) - _WEAK
    score = 2.0 * len(said & name) + 0.6 * len(said & (about - name))
    score += sum(2.0 for option in _options(tool) if _says_option(option, reading.text))
    return score if score >= 1.2 else 0.0


def _options(tool: Tool) -> list[str]:
    properties = cast("Mapping[str, Any]", _parameters(tool).get("properties") or {})
    parts = [cast("Mapping[str, Any]", part) for part in properties.values() if isinstance(part, Mapping)]
    return [str(option) for part in parts for option in cast("list[Any]", part.get("enum") or [])]


def _says_option(option: str, text: str) -> bool:
    arithmetic = {
        "add": "plus|add|sum",
        "subtract": "minus|subtract",
        "multiply": "times|multipl\\w*",
        "divide": "divided?",
    }
    return option in arithmetic and has(text, arithmetic[option]) and bool(numbers(text))


def _chosen(scored: Sequence[tuple[float, Tool]], reading: Reading) -> list[Tool]:
    if not scored:
        return []
    best = max(score for score, _ in scored)
    chosen: list[Tool] = []
    covered: set[str] = set()
    said = set(words(reading.text)) - _WEAK
    for score, tool in sorted(scored, key=lambda pair: -pair[0]):
        own = said & (set(words(str(tool.get("name")))) - _WEAK)
        # A second function is called only for words of the request that the first has nothing to do with.
        if (score == best and not chosen) or (own - covered and score >= 2.0):
            chosen.append(tool)
            covered |= own
    return chosen


def _calls(tool: Tool, reading: Reading) -> list[CallFunction]:
    places = places_in(reading.text)
    properties = cast("Mapping[str, Any]", _parameters(tool).get("properties") or {})
    place = next((name for name in properties if set(words(name)) & {"city", "location", "place"}), None)
    if place is None or len(places) < 2:
        return [_call(tool, reading, (), "")]
    first = _call(tool, reading, (), "")
    return [CallFunction(first.name, {**first.arguments, place: one}) for one in places]


def _call(tool: Tool, reading: Reading, hits: Sequence[Hit], logs: str) -> CallFunction:
    arguments = fill(_parameters(tool), clues_of(reading, hits, logs, _parameters(tool)), every=False)
    return CallFunction(str(tool["name"]), cast("Mapping[str, Any]", arguments))


def _parameters(tool: Tool) -> Mapping[str, Any]:
    parameters = tool.get("parameters")
    return (
        {"type": "object", **cast("Mapping[str, Any]", parameters)}
        if isinstance(parameters, Mapping)
        else {"type": "object"}
    )


def clues_of(reading: Reading, hits: Sequence[Hit], logs: str, root: Mapping[str, Any]) -> Clues:
    """Gather what values may be taken from: the request, what was said before, what was found and printed."""
    text = reading.text
    refers = has(text, "that", "this", "it", "result") and bool(numbers(reading.said))
    if refers and has(text, "multipl\\w*", "add", "subtract", "divide", "times", "plus", "minus"):
        text = f"{numbers(reading.said)[-1]:g} {text}"
    prose = extract(reading, hits, 600) or shorten(logs, 600) or shorten(reading.said, 600)
    context = " ".join([reading.said, *reading.earlier])
    return Clues(text, context, prose, printed_facts(logs), root)


def printed_facts(logs: str) -> dict[str, float]:
    """Read the lines of the form `label: number` that code printed."""
    found: dict[str, float] = {}
    for line in logs.splitlines():
        match = re.match(r"^([A-Za-z][\w ]{0,40})[:=]\s*(-?[\d,]+(?:\.\d+)?)$", line.strip())
        if match:
            found[match.group(1).strip()] = numbers(match.group(2))[0]
    return found


def words_of_answers(reading: Reading) -> str:
    """Put the functions' outputs into words."""
    return "\n".join(_words_of(call) for call in reading.answers)


def _words_of(call: Answered) -> str:
    verb, _, rest = call.name.replace("_", " ").partition(" ")
    texts = [value for value in call.arguments.values() if isinstance(value, str)]
    given = ", ".join(text for text in texts if len(text) < 60)
    lead = f"The function {call.name} answered"
    if verb in {"get", "fetch", "lookup", "find", "read"} and rest:
        lead = f"Here is the {rest}" + (f" for {given}" if given else "")
    try:
        value: Any = json.loads(call.output)
    except ValueError:
        return f"{lead}: {call.output}".strip()
    return f"{lead}: {in_words(value).rstrip('.')}."


def in_words(value: Any) -> str:
    """Put a JSON value into words: names and values, lists joined by semicolons."""
    if isinstance(value, Mapping):
        parts = cast("Mapping[str, Any]", value)
        return ", ".join(f"{name.replace('_', ' ')} {in_words(part)}" for name, part in parts.items())
    if isinstance(value, list):
        return "; ".join(in_words(part) for part in cast("list[Any]", value))
    return json.dumps(value) if isinstance(value, bool) or value is None else str(value)
