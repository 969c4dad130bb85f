"""What a response's JSON says was made: its items, read once, without trust in any field.

Every image call is kept, wanted or not: each was paid for. Unknown fields and item types are ignored.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from assetmill.agents.wording import Wording, filter_marks, read_wording
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
    size: str = ""
    quality: str = ""
    action: str = ""

    @property
    def is_charged(self) -> bool:
        """Whether a picture was drawn: one that was refused afterwards, or not handed over, is paid too."""
        return self.result is not None or self.blocked_at == "output" or not self.error

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
    that wait for the caller: function, computer and approval requests. `refusal` is what the model said
    instead of an answer. `is_idle`: no tool has worked, and no word was said. `error` and `wording` are why
    the response went wrong; `blocked_at` is what moderation refused of it as a whole, `categories` why.
    """

    images: tuple[ImageCall, ...]
    citations: tuple[Citation, ...]
    container_ids: tuple[str, ...]
    text: str
    answer: str
    calls: tuple[Json, ...]
    error: str
    refusal: str = ""
    is_idle: bool = False
    wording: Wording = field(default_factory=Wording)
    blocked_at: Literal["", "prompt", "output"] = ""
    categories: tuple[str, ...] = ()

    @property
    def lacks_pictures(self) -> bool:
        """Whether a picture was drawn whose bytes are not here, though nothing says that it went wrong."""
        return any(image.result is None and not image.error for image in self.images)

    @property
    def is_no_answer(self) -> bool:
        """Whether a stage that asks for no file has got nothing all the same, or a refusal instead."""
        return not self.text and bool(self.refusal or self.is_idle)


def read_response(body: Json) -> Produced:
    """Return what a response's body holds."""
    items = list(_items(body, "output"))
    messages = [item for item in items if item.get("type") == "message"]
    parts = [part for message in messages for part in _items(message, "content")]
    notes = [note for part in parts for note in _items(part, "annotations")]
    said = [message for message in messages if message.get("phase") != "commentary"] or messages
    error, marks = read_wording(body.get("error")), list(filter_marks(body))
    reason = _text(_map(body.get("incomplete_details")), "reason")
    container_ids = tuple(dict.fromkeys(_container_ids(items, notes)))
    text = "\n".join(text for message in said for text in _texts(message)).strip()
    return Produced(
        images=_images(body),
        citations=tuple(_citations(notes, container_ids)),
        container_ids=container_ids,
        text=text,
        answer="".join(_texts(said[-1])).strip() if said else "",
        calls=tuple(item for item in items if _text(item, "type") in _WAITING),
        error=error.message or reason,
        refusal=_words(parts, "refusal", "refusal"),
        is_idle=not text and all(_text(item, "type") in {"message", "reasoning"} for item in items),
        wording=error,
        blocked_at=_blocked_at(error, reason, marks),
        categories=tuple(sorted({*error.categories}.union(*(names for _, names in marks)))),
    )


def _blocked_at(
    error: Wording, reason: str, marks: Sequence[tuple[str, frozenset[str]]]
) -> Literal["", "prompt", "output"]:
    """Return what moderation refused, by the error, by why it is incomplete, or by its list of filters."""
    is_ours = (
        error.filtered_at or any(side == "prompt" for side, _ in marks) or "invalid_prompt" in error.codes
    )
    is_blocked = error.meaning() == "blocked" or read_wording({"code": reason}).meaning() == "blocked"
    if not is_blocked and not marks:
        return ""
    return "prompt" if is_ours else "output"


def _images(body: Json) -> tuple[ImageCall, ...]:
    return tuple(
        _image(position, _map(item))
        for position, item in enumerate(_list(body.get("output")))
        if _map(item).get("type") == "image_generation_call"
    )


def _citations(notes: Sequence[Json], container_ids: tuple[str, ...]) -> Iterator[Citation]:
    """Yield what can be fetched. Where a citation names no container, the response's only one is meant."""
    only = container_ids[0] if len(container_ids) == 1 else ""
    for note in notes:
        container_id, file_id = _text(note, "container_id") or only, _text(note, "file_id")
        if note.get("type") == "container_file_citation" and container_id and file_id:
            yield Citation(container_id, file_id, _text(note, "filename"))


def _words(parts: Sequence[Json], kind: str, key: str) -> str:
    return "\n".join(_text(part, key) for part in parts if part.get("type") == kind).strip()


_WAITING = frozenset({"function_call", "computer_call", "mcp_approval_request"})


_NORMAL = ("", "default", "auto")
"""What a response is said to be served as that costs the normal price."""


def served_lane(body: Json) -> str:
    """Return the `service_tier` that a response names, "" where it names none."""
    named: object = body.get("service_tier")
    return named if isinstance(named, str) else ""


def read_usage(body: Json) -> Usage:
    """Return what the service says was used; counts of calls come from the items themselves."""
    usage = _map(body.get("usage"))
    given, made = _map(usage.get("input_tokens_details")), _map(usage.get("output_tokens_details"))
    image = _map(_map(body.get("tool_usage")).get("image_gen"))
    cached = _map(image.get("cached_tokens_details"))
    kinds = [item.get("type") for item in _items(body, "output")]
    return Usage(
        input_tokens=_count(usage, "input_tokens"),
        output_tokens=_count(usage, "output_tokens"),
        image_input_tokens=_count(image, "input_tokens"),
        image_output_tokens=_count(image, "output_tokens"),
        cached_input_tokens=_count(given, "cached_tokens"),
        cache_write_tokens=_count(given, "cache_write_tokens"),
        reasoning_tokens=_count(made, "reasoning_tokens"),
        image_text_input_tokens=_count(_map(image.get("input_tokens_details")), "text_tokens"),
        image_text_output_tokens=_count(_map(image.get("output_tokens_details")), "text_tokens"),
        image_cached_tokens=_count(cached, "cached_image_tokens"),
        image_text_cached_tokens=_count(cached, "cached_text_tokens"),
        service_tier=served_lane(body) if served_lane(body) not in _NORMAL else None,
        images=sum(1 for image_call in _images(body) if image_call.result),
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
        {**_map(item), "result": {"blob": blobs[position]}} if position in blobs else item
        for position, item in enumerate(_list(body.get("output")))
    ]
    shown = {**body, "output": output} | ({"tools": tools} if tools else {})
    return json.dumps(shown, ensure_ascii=False).encode()


def _image(position: int, item: Json) -> ImageCall:
    error = read_wording(item.get("error"))
    details = _map(_map(item.get("error")).get("moderation_details"))
    result = item.get("result")
    is_blocked = bool(details) or error.meaning() == "blocked"
    is_input = details.get("moderation_stage") == "input"
    return ImageCall(
        position=position,
        call_id=_text(item, "id"),
        result=result if isinstance(result, str) and result else None,
        revised_prompt=_text(item, "revised_prompt"),
        error=error.message or error.code or _failure(item),
        categories=error.categories,
        blocked_at=("input" if is_input else "output") if is_blocked else "",
        size=_text(item, "size"),
        quality=_text(item, "quality"),
        action=_text(item, "action"),
    )


def _failure(item: Json) -> str:
    """Say that a call went wrong which gives no reason, "" where nothing says so."""
    status = _text(item, "status")
    is_bare = not item.get("result") and status in {"failed", "incomplete"}
    return f"it ended {status}" if item.get("error") or is_bare else ""


def _container_ids(items: Sequence[Json], notes: Sequence[Json]) -> Iterator[str]:
    for holder in (*items, *notes):
        is_ours = _text(holder, "type") in {"code_interpreter_call", "container_file_citation"}
        if is_ours and (container_id := _text(holder, "container_id")):
            yield container_id


def _texts(message: Json) -> Iterator[str]:
    for part in _items(message, "content"):
        if part.get("type") == "output_text":
            yield _text(part, "text")


def _items(holder: Json, key: str) -> Iterator[Json]:
    for item in _list(holder.get(key)):
        if isinstance(item, Mapping):
            yield cast(Json, item)


def _list(value: object) -> list[object]:
    return cast(list[object], value) if isinstance(value, list) else []


def _map(value: object) -> Json:
    return cast(Json, value) if isinstance(value, Mapping) else {}


def _text(holder: Json, key: str) -> str:
    value = holder.get(key)
    return value if isinstance(value, str) else ""


def _count(holder: Json, key: str) -> int | None:
    value = holder.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
