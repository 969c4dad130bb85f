"""Plays a recorded answer as if it were the model: the same tools in the same order, with the same words.

So that what is compared is how the emulator words an answer, and not what its rules would have decided.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from foundry_emulator.comparing.exchange import Exchange
from foundry_emulator.comparing.tool_server import Tools
from foundry_emulator.interpreter.code import CodeOutcome
from foundry_emulator.jsons import Json, as_list, as_object
from foundry_emulator.steps import (
    CallFunction,
    CallMcp,
    CodeRan,
    Draw,
    ListMcpTools,
    RunCode,
    Say,
    SearchFiles,
    Step,
    Steps,
    Turn,
    UseComputer,
)
from foundry_emulator.testing import scripted
from foundry_emulator.toolbox import Toolbox

_FIGURE = "figure.png"
_CUT_WORDS = "What was said here, the recording leaves out."


class Player:
    """A toolbox whose rules follow the exchange that is being replayed."""

    def __init__(self, tools: Tools) -> None:
        self.tools = tools
        self._items: list[Json] = []
        self._sees = False

    def follow(self, items: Iterable[Json], *, sees: bool = False) -> None:
        """Play these output items from now on; `sees` says that there is a picture that can be edited."""
        self._items, self._sees = list(items), sees
        self.tools.follow(self._items)

    @contextmanager
    def playing(self, items: Iterable[Json]) -> Generator[None]:
        """Play other output items meanwhile."""
        before = self._items, self._sees
        self.follow(items)
        yield
        self.follow(before[0], sees=before[1])

    def toolbox(self) -> Toolbox:
        """Return the quick parts of the tests, with this player for the rules."""
        return dataclasses.replace(scripted.toolbox(), decide=self._decide, run_code=_run_code)

    def _decide(self, turn: Turn) -> Steps:
        del turn
        made: CodeRan | None = None
        for item in self._items:
            step = self._edit(item) or _step(item, made)
            if step is not None:
                result = yield step
                made = result if isinstance(result, CodeRan) else made

    def _edit(self, item: Json) -> Step | None:
        is_edit = item.get("type") == "image_generation_call" and item.get("action") == "edit"
        return (
            Draw(str(item.get("revised_prompt") or "a picture"), "edit") if is_edit and self._sees else None
        )


def shows_picture(exchange: Exchange) -> bool:
    """Say whether a request carries a picture, or names the call that drew one."""
    said = json.dumps(exchange.body)
    return any(f'"{kind}"' in said for kind in ("input_image", "image_generation_call"))


def recorded_items(exchange: Exchange) -> Iterator[Json]:
    """Yield the output items of a recorded response, from its body or from its stream."""
    yield from output_of(as_object(exchange.answer))
    for event in exchange.events:
        if event.get("type") == "response.output_item.done":
            item = as_object(event.get("item"))
            is_cut = item.get("type") == "message" and not item.get("content")
            yield _pieced_together(item, exchange.events) if is_cut else item
    if _was_cut(exchange.events):
        yield _pieced_together({"type": "message"}, exchange.events)


def _was_cut(events: Sequence[Json]) -> bool:
    """Say whether a message was begun whose end the recording has left out."""
    kinds = [as_object(event.get("item")).get("type") for event in events]
    ends = [event.get("type") for event in events]
    done = [kind for kind, end in zip(kinds, ends, strict=True) if end == "response.output_item.done"]
    return "response.output_text.delta" in ends and "message" not in done


def _pieced_together(item: Json, events: Sequence[Json]) -> Json:
    """Return a message with what its events said; its words, which were cut, are of no interest."""
    cited = [event["annotation"] for event in events if as_object(event.get("annotation"))]
    return {**item, "content": [{"type": "output_text", "text": _CUT_WORDS, "annotations": cited}]}


def output_of(response: Json) -> list[Json]:
    """Return the output items of a response's body."""
    return [as_object(item) for item in as_list(response.get("output"))]


def _step(item: Json, made: CodeRan | None) -> Step | None:
    kind = str(item.get("type"))
    if kind == "message":
        return Say(*_said(item, made))
    step = _STEPS.get(kind)
    return step(item) if step else None


def _arguments(item: Json) -> Json:
    try:
        return as_object(json.loads(item.get("arguments") or "{}"))
    except ValueError:
        return {}


def _call_of_server(item: Json) -> Step:
    return CallMcp(str(item.get("server_label")), str(item.get("name")), _arguments(item))


def _computer_call(item: Json) -> Step:
    return UseComputer(as_object(item.get("action")), as_list(item.get("pending_safety_checks")))


_STEPS: dict[str, Callable[[Json], Step]] = {
    "function_call": lambda item: CallFunction(str(item.get("name")), _arguments(item)),
    "image_generation_call": lambda item: Draw(str(item.get("revised_prompt") or "a picture")),
    "code_interpreter_call": lambda item: RunCode(str(item.get("code") or "print(1)")),
    "file_search_call": lambda item: SearchFiles([str(query) for query in item.get("queries") or ["any"]]),
    "mcp_list_tools": lambda item: ListMcpTools(str(item.get("server_label"))),
    "mcp_approval_request": _call_of_server,
    "mcp_call": _call_of_server,
    "computer_call": _computer_call,
}
PLAYED = tuple(_STEPS)
"""The output items that are played by a step, messages apart."""


def _said(item: Json, made: CodeRan | None) -> tuple[str, list[Json]]:
    part = as_object(next(iter(as_list(item.get("content"))), None))
    text = str(part.get("text") or "")
    cited = [_cited(as_object(one), text, made) for one in as_list(part.get("annotations"))]
    return text, [one for one in cited if one is not None]


def _cited(annotation: Json, text: str, made: CodeRan | None) -> Json | None:
    """Return a citation of what this replay made or holds in the place of the recorded one."""
    if annotation.get("type") != "container_file_citation":
        return annotation
    if made is None or not made.files:
        return None
    file = made.files[0]
    is_figure = annotation.get("start_index") == annotation.get("end_index")
    name = f"{file.file_id}.png" if is_figure else file.path.rpartition("/")[2]
    cited: Json = {**annotation, "file_id": file.file_id, "container_id": file.container_id, "filename": name}
    return {**cited, "end_index": min(int(annotation.get("end_index") or 0), len(text))}


def _run_code(code: str, workdir: Path) -> CodeOutcome:
    del code
    (workdir / _FIGURE).write_bytes(scripted.PICTURE)
    return CodeOutcome(logs="", files=((_FIGURE, scripted.PICTURE),), error=None, displayed=(_FIGURE,))


def answer_of(exchange: Exchange) -> Json:
    """Return the response that a recording shows: its body, or the last one of its stream; {} for others."""
    bodies = [as_object(exchange.answer), *(as_object(event.get("response")) for event in exchange.events)]
    found = [body for body in bodies if body.get("object") == "response"]
    return found[-1] if found else {}
