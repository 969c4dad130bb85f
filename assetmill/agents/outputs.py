"""What a response's JSON says was made: its items, read once, without trust in any field.

Every image call is kept, wanted or not: each was paid for. Unknown fields and item types are ignored.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from assetmill.records import Usage

Json = Mapping[str, Any]


@dataclass(frozen=True)
class ImageCall:
    """One `image_generation_call`. `result` is its base64 as received, None when there is none.

    `position` is its place among the response's items: IDs may be missing or come twice. Where moderation
    refused it, `blocked_at` is `input` or `output`, and `categories` say why.
    """

    position: int
    call_id: str
    result: str | None
    revised_prompt: str
    error: str
    categories: tuple[str, ...]
    blocked_at: str = ""

    def decode(self) -> bytes | None:
        """Return the picture's bytes, None when the base64 is damaged or empty."""
        if not self.result:
            return None
        try:
            return base64.b64decode(self.result, validate=True)
        except (binascii.Error, ValueError):
            return None


@dataclass(frozen=True)
class Citation:
    """A file in a container that a message points to; `filename` is "" when the message does not say."""

    container_id: str
    file_id: str
    filename: str


@dataclass(frozen=True)
class Produced:
    """Everything of a response that can become an asset or must be answered.

    `text` is what the agent says in the end, without its remarks on the way (messages of the phase
    `commentary`); `answer` is the last message of that, where a structured answer stands. `calls` are items
    that wait for the caller: function, computer and approval requests.
    """

    images: tuple[ImageCall, ...]
    citations: tuple[Citation, ...]
    container_ids: tuple[str, ...]
    text: str
    answer: str
    calls: tuple[Json, ...]
    error: str
    is_filtered: bool


def read_response(body: Json) -> Produced:
    """Return what a response's body holds."""
    items = list(_items(body, "output"))
    messages = [item for item in items if item.get("type") == "message"]
    parts = [part for message in messages for part in _items(message, "content")]
    notes = [note for part in parts for note in _items(part, "annotations")]
    said = [message for message in messages if message.get("phase") != "commentary"] or messages
    error = _map(body.get("error"))
    reason = str(_map(body.get("incomplete_details")).get("reason") or "")
    container_ids = tuple(dict.fromkeys(_container_ids(items, notes)))
    return Produced(
        images=tuple(
            _image(position, item)
            for position, item in enumerate(items)
            if item.get("type") == "image_generation_call"
        ),
        citations=tuple(_citations(notes, container_ids)),
        container_ids=container_ids,
        text="\n".join(text for message in said for text in _texts(message)).strip(),
        answer="".join(_texts(said[-1])).strip() if said else "",
        calls=tuple(item for item in items if item.get("type") in _WAITING),
        error=str(error.get("message") or reason),
        is_filtered=_is_block(reason) or _is_block(str(error.get("code") or "")),
    )


_BLOCK_CODES = frozenset(
    {"content_filter", "contentfilter", "moderation_blocked", "image_content_policy_violation"}
)


def _is_block(code: str) -> bool:
    return code.lower() in _BLOCK_CODES


_WAITING = frozenset({"function_call", "computer_call", "mcp_approval_request"})


def read_usage(body: Json) -> Usage:
    """Return what the service says was used; counts of calls come from the items themselves."""
    usage = _map(body.get("usage"))
    image = _map(_map(body.get("tool_usage")).get("image_gen"))
    kinds = [item.get("type") for item in _items(body, "output")]
    return Usage(
        input_tokens=_count(usage, "input_tokens"),
        output_tokens=_count(usage, "output_tokens"),
        image_input_tokens=_count(image, "input_tokens"),
        image_output_tokens=_count(image, "output_tokens"),
        images=sum(1 for image_call in read_response(body).images if image_call.result),
        code_sessions=len({c for c in _container_ids(list(_items(body, "output")), [])}),
        file_searches=kinds.count("file_search_call"),
    )


def without_pictures(body: Json, blobs: Mapping[int, str]) -> bytes:
    """Return the body as JSON with every stored picture replaced by its digest.

    `blobs` are the digests by the position of the item. A result that could not be decoded has none and stays
    as received. The headers of servers are left out: a service that repeats them must not make us keep a
    secret.
    """
    tools = [
        {key: value for key, value in tool.items() if key not in {"headers", "authorization"}}
        for tool in _items(body, "tools")
    ]
    output = [
        {**item, "result": {"blob": blobs[position]}} if position in blobs else item
        for position, item in enumerate(_items(body, "output"))
    ]
    shown = {**body, "output": output} | ({"tools": tools} if tools else {})
    return json.dumps(shown, ensure_ascii=False).encode()


def _citations(notes: list[Json], container_ids: tuple[str, ...]) -> Iterator[Citation]:
    """Yield what can be fetched. Where a citation names no container, the response's only one is meant."""
    only = container_ids[0] if len(container_ids) == 1 else ""
    for note in notes:
        if note.get("type") == "container_file_citation":
            container_id, file_id = str(note.get("container_id") or only), str(note.get("file_id") or "")
            if container_id and file_id:
                yield Citation(container_id, file_id, str(note.get("filename") or ""))


def _image(position: int, item: Json) -> ImageCall:
    error = _map(item.get("error"))
    details = _map(error.get("moderation_details"))
    result = item.get("result")
    status = str(item.get("status") or "")
    ended = f"it ended {status}" if not result and status in {"failed", "incomplete"} else ""
    is_blocked = bool(details) or _is_block(str(error.get("code") or ""))
    categories = details.get("categories")
    return ImageCall(
        position=position,
        call_id=str(item.get("id") or ""),
        result=result if isinstance(result, str) and result else None,
        revised_prompt=str(item.get("revised_prompt") or ""),
        error=str(error.get("message") or ended),
        categories=tuple(map(str, cast(list[object], categories))) if isinstance(categories, list) else (),
        blocked_at=("input" if details.get("moderation_stage") == "input" else "output")
        if is_blocked
        else "",
    )


def _container_ids(items: list[Json], notes: list[Json]) -> Iterator[str]:
    for holder in (*items, *notes):
        if holder.get("type") in {"code_interpreter_call", "container_file_citation"} and holder.get(
            "container_id"
        ):
            yield str(holder["container_id"])


def _texts(message: Json) -> Iterator[str]:
    for part in _items(message, "content"):
        if part.get("type") == "output_text":
            yield str(part.get("text") or "")


def _items(holder: Json, key: str) -> Iterator[Json]:
    found = holder.get(key)
    if isinstance(found, list):
        for item in cast(list[object], found):
            if isinstance(item, Mapping):
                yield cast(Json, item)


def _map(value: object) -> Json:
    return cast(Json, value) if isinstance(value, Mapping) else {}


def _count(holder: Json, key: str) -> int | None:
    value = holder.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
