"""What a turn's history says: who said what, which calls were answered, what came since the last message."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from foundry_emulator.steps import Item, Turn


@dataclass(frozen=True)
class Answered:
    """A function call together with what the caller sent back for it."""

    name: str
    arguments: Mapping[str, Any]
    output: str


def item_text(item: Item) -> str:
    """Join the text of a message; empty for other items."""
    content = item.get("content")
    if isinstance(content, str):
        return content
    texts = [str(part.get("text") or "") for part in objects(content)]
    return "\n".join(text for text in texts if text)


def part_kinds(item: Item) -> list[str]:
    """List the types of a message's content parts."""
    return [str(part.get("type")) for part in objects(item.get("content"))]


def objects(value: object) -> list[Mapping[str, Any]]:
    """List the JSON objects in a JSON array; anything else holds none."""
    parts = cast("list[Any]", value) if isinstance(value, list) else []
    return [cast("Mapping[str, Any]", part) for part in parts if isinstance(part, Mapping)]


def is_message(item: Item, role: str) -> bool:
    """Say whether the item is a message of that role; input messages may leave `type` out."""
    return item.get("role") == role and item.get("type", "message") == "message"


def user_texts(turn: Turn) -> list[str]:
    """List what the user said before the newest message, newest first."""
    texts = [item_text(item) for item in reversed(turn.history) if is_message(item, "user")]
    return texts[1:]


def last_answer(turn: Turn) -> str:
    """Return the text of the newest assistant message that says anything."""
    texts = (item_text(item) for item in reversed(turn.history) if is_message(item, "assistant"))
    return next((text for text in texts if text.strip()), "")


def since_user(turn: Turn) -> list[Item]:
    """List the items after the newest user message: what this request has led to so far."""
    found: list[Item] = []
    for item in reversed(turn.history):
        if is_message(item, "user"):
            break
        found.append(item)
    return found[::-1]


def answered_calls(items: Sequence[Item]) -> list[Answered]:
    """Pair the function calls in `items` with their outputs, in the order of the outputs."""
    calls = {item.get("call_id"): item for item in items if item.get("type") == "function_call"}
    outputs = [item for item in items if item.get("type") == "function_call_output"]
    found: list[Answered] = []
    for item in outputs:
        call = calls.get(item.get("call_id"), {})
        arguments = parse_object(str(call.get("arguments") or ""))
        found.append(
            Answered(str(call.get("name") or "function"), arguments, output_text(item.get("output")))
        )
    return found


def output_text(output: object) -> str:
    """Return a call's output as text: a string as it is, content parts joined, anything else as JSON."""
    if isinstance(output, str):
        return output
    if isinstance(output, list):
        return "\n".join(str(part.get("text") or "") for part in objects(cast("list[Any]", output)))
    return json.dumps(output)


def parse_object(text: str) -> Mapping[str, Any]:
    """Read a JSON object; anything else gives an empty one."""
    try:
        value: Any = json.loads(text)
    except ValueError:
        return {}
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}
