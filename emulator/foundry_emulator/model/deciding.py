"""The order in which a turn's steps are taken: servers and look-ups first, then work, then words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from foundry_emulator.model import (
    chat,
    code_runs,
    computer,
    drawing,
    functions,
    searching,
    servers,
    structured,
)
from foundry_emulator.model.asking import Asking
from foundry_emulator.model.choose import ToolChoice, choose, job_of
from foundry_emulator.model.coding.request import Source
from foundry_emulator.model.reading import Reading, read
from foundry_emulator.model.saying import say_files
from foundry_emulator.model.words import shorten
from foundry_emulator.steps import Drawn, Hit, Say, Steps, Turn

NO_LIMIT = 1_000


@dataclass(frozen=True)
class Evidence:
    """What a turn has brought to light so far; the answer is made of it and of nothing else."""

    hits: tuple[Hit, ...] = ()
    drawn: tuple[Drawn, ...] = ()
    work: code_runs.CodeResults | None = None
    server: str | None = None


def decide(turn: Turn) -> Steps:
    """Take the steps of one response: yields them one by one and is sent each one's result."""
    reading = read(turn)
    choice = choose(reading)
    if choice.computer and (action := computer.next_action(reading, choice.computer)):
        yield action
        return
    if choice.computer and reading.since:
        yield Say(computer.finished(reading))
        return
    if choice.functions and (calls := functions.calls_before_work(reading, choice.forced)):
        yield from calls
        return
    evidence = Evidence()
    if choice.server:
        outcome = yield from servers.ask(reading, choice.server)
        if outcome.awaiting_approval:
            return
        evidence = Evidence(server=outcome.text)
    if not reading.answers or choice.draw:
        evidence = yield from _work(reading, choice, evidence)
    if choice.functions and (calls := functions.calls_after_work(reading, evidence.hits, logs_of(evidence))):
        yield from calls
        return
    yield _answer(reading, choice, evidence)


def logs_of(evidence: Evidence) -> str:
    """Return what the code printed, empty when none ran."""
    return evidence.work.logs if evidence.work else ""


def _work(reading: Reading, choice: ToolChoice, evidence: Evidence) -> Asking[Evidence]:
    left = reading.turn.max_tool_calls if reading.turn.max_tool_calls is not None else NO_LIMIT
    if choice.search and left > 0:
        hits = yield from searching.search_files(reading, for_picture=choice.draw)
        evidence, left = replace(evidence, hits=hits), left - 1
    if choice.draw and left > 0:
        drawn = yield from drawing.draw_pictures(reading, evidence.hits, left)
        evidence, left = replace(evidence, drawn=tuple(drawn)), left - len(drawn)
    if choice.code and left > 0:
        request = job_of(reading)
        request = replace(request, hits=evidence.hits, sources=(*request.sources, *_sources(evidence.drawn)))
        work = yield from code_runs.carry_out(request, left)
        evidence = replace(evidence, work=work)
    return evidence


def _sources(drawn: Sequence[Drawn]) -> list[Source]:
    """Return the pictures of this turn as files that code can work on."""
    whole = [one for one in drawn if one.data and one.path]
    names = ["picture"] if len(whole) == 1 else [f"picture-{place}" for place in range(1, len(whole) + 1)]
    return [
        Source(one.path, name + PurePosixPath(one.path).suffix)
        for one, name in zip(whole, names, strict=True)
    ]


def _answer(reading: Reading, choice: ToolChoice, evidence: Evidence) -> Say:
    if structured.is_wanted(reading.turn.text_format):
        return structured.say_json(reading, evidence.hits, logs_of(evidence))
    if evidence.drawn and not evidence.work:
        return _answer_to_drawing(evidence)
    if evidence.work:
        return say_files(evidence.work.words(), evidence.work.files)
    if reading.answers:
        return Say(functions.words_of_answers(reading))
    if choice.search:
        return searching.say_found(reading, evidence.hits)
    return Say(evidence.server if evidence.server is not None else chat.answer(reading))


def _answer_to_drawing(evidence: Evidence) -> Say:
    refused = next((drawn for drawn in evidence.drawn if drawn.error), None)
    if refused:
        return Say(_refusal(refused))
    # Recordings of the service end an image run with an empty message.
    return drawing.say_drawn(evidence.hits) if evidence.hits else Say("")


def _refusal(drawn: Drawn) -> str:
    message = str((drawn.error or {}).get("message") or "the request was refused")
    return f"I could not draw the picture: {shorten(message, 300)}"
