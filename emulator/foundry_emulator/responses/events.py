"""Turns items into the exact sequence of stream events that the service sends for them.

An item has two halves: what is sent when it opens, before its work, and what is sent when it closes. Events
here lack `sequence_number`, which the stream adds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from foundry_emulator.ids import alphanumerics
from foundry_emulator.jsons import Json, copied

_DELTA_LENGTH = 24
TERMINAL_EVENTS = {
    "completed": "response.completed",
    "failed": "response.failed",
    "incomplete": "response.incomplete",
}
"""Event that ends a stream, by the response's status. A cancelled response has none of its own."""


def error_event(error: Json | None) -> Json:
    """Return the event that tells of an error in a stream."""
    said = error or {}
    told: Json = {
        "type": said.get("type") or "server_error",
        "code": said.get("code"),
        "headers": {},
        "message": said.get("message"),
        "param": said.get("param"),
    }
    return {"type": "error", "error": told}


def _pieces(text: str) -> Iterator[str]:
    for start in range(0, len(text), _DELTA_LENGTH):
        yield text[start : start + _DELTA_LENGTH]


def _skeleton(item: Json) -> Json:
    """Return the item as it looks before its work is done."""
    empty = copied({**item, "result": None} if "result" in item else item)
    blanks: dict[str, dict[str, Any]] = {
        "message": {"content": []},
        "file_search_call": {"queries": [], "results": None},
        "code_interpreter_call": {"code": "", "outputs": None},
        "image_generation_call": {"result": None},
        "function_call": {"arguments": ""},
        "mcp_call": {"arguments": "", "output": None, "error": None},
        "mcp_list_tools": {"tools": [], "error": None},
    }
    empty.update(blanks.get(item["type"], {}))
    if item["type"] == "image_generation_call":
        for name in ("revised_prompt", "error"):
            empty.pop(name, None)
    if "status" in empty:
        empty["status"] = "in_progress"
    return empty


class ItemEvents:
    """The events of one item in its slot of the output."""

    def __init__(self, item: Json, output_index: int) -> None:
        self.item = item
        self._at: Json = {"item_id": item["id"], "output_index": output_index}
        self._index = output_index

    def _event(self, name: str, **fields: Any) -> Json:
        return {"type": f"response.{name}", **self._at, **fields}

    def _deltas(self, name: str, text: str) -> Iterator[Json]:
        for piece in _pieces(text):
            yield self._event(f"{name}.delta", delta=piece, obfuscation=alphanumerics(8))

    def opening(self) -> Iterator[Json]:
        """Yield what is sent before the item's work is carried out."""
        yield {
            "type": "response.output_item.added",
            "output_index": self._index,
            "item": _skeleton(self.item),
        }
        kind = self.item["type"]
        if kind == "file_search_call":
            yield self._event("file_search_call.in_progress")
            yield self._event("file_search_call.searching")
        elif kind == "code_interpreter_call":
            yield from self._code_opening()
        elif kind == "image_generation_call":
            yield self._event("image_generation_call.in_progress")
            yield self._event("image_generation_call.generating")
        elif kind == "mcp_list_tools":
            yield self._event("mcp_list_tools.in_progress")
        elif kind == "mcp_call":
            yield self._event("mcp_call.in_progress")
            yield from self._deltas("mcp_call_arguments", self.item["arguments"])
            yield self._event("mcp_call_arguments.done", arguments=self.item["arguments"])

    def _code_opening(self) -> Iterator[Json]:
        yield self._event("code_interpreter_call.in_progress")
        yield from self._deltas("code_interpreter_call_code", self.item["code"])
        yield self._event("code_interpreter_call_code.done", code=self.item["code"])
        yield self._event("code_interpreter_call.interpreting")

    def partial(self, number: int, text: str) -> Json:
        """Return the event for a partial picture; `text` is its base64, or the marker that stands for it."""
        echoed = {k: self.item[k] for k in ("size", "quality", "background", "output_format")}
        return self._event(
            "image_generation_call.partial_image",
            partial_image_index=number,
            partial_image_b64=text,
            **echoed,
        )

    def closing(self) -> Iterator[Json]:
        """Yield what is sent once the item's work is done."""
        kind = self.item["type"]
        if kind == "message":
            yield from self._message()
        elif kind in {"file_search_call", "code_interpreter_call", "image_generation_call"}:
            if self.item["status"] == "completed":
                yield self._event(f"{kind}.completed")
        elif kind == "function_call":
            yield from self._deltas("function_call_arguments", self.item["arguments"])
            yield self._event("function_call_arguments.done", arguments=self.item["arguments"])
        elif kind in {"mcp_list_tools", "mcp_call"}:
            yield self._event(f"{kind}.{'failed' if self.item.get('error') else 'completed'}")
        yield {"type": "response.output_item.done", "output_index": self._index, "item": self.item}

    def _message(self) -> Iterator[Json]:
        for content_index, part in enumerate(self.item["content"]):
            at: Json = {"content_index": content_index}
            empty: Json = {**part, "text": "", "annotations": []}
            yield self._event("content_part.added", **at, part=empty)
            *first, last = list(_pieces(part["text"])) or [""]
            for piece in first:
                yield self._piece(at, piece)
            for number, annotation in enumerate(part["annotations"]):
                yield self._event(
                    "output_text.annotation.added", **at, annotation=annotation, annotation_index=number
                )
            # Annotations come before the text is whole.
            if last:
                yield self._piece(at, last)
            yield self._event("output_text.done", **at, text=part["text"], logprobs=[])
            yield self._event("content_part.done", **at, part=part)

    def _piece(self, at: Json, text: str) -> Json:
        padding = alphanumerics(8)
        return self._event("output_text.delta", **at, delta=text, logprobs=[], obfuscation=padding)


def frame(event: Json) -> str:
    """Write an event as the service sends it."""
    return f"event: {event['type']}\ndata: {json.dumps(event, separators=(',', ':'))}\n\n"


def frames_after(frames: Sequence[str], starting_after: int | None) -> Sequence[str]:
    """Return the frames whose sequence number is higher; the list starts at number 0."""
    return frames if starting_after is None else frames[max(starting_after + 1, 0) :]
