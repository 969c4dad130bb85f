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

    Where moderation refused it, `blocked_at` is `input` or `output`, and `categories` say why.
    """

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
    """A file in a container that a message points to."""

    container_id: str
    file_id: str
    filename: str


@dataclass(frozen=True)
class Produced:
    """Everything of a response that can become an asset or must be answered.

    `calls` are items that wait for the caller: function, computer and approval requests.
    """

    images: tuple[ImageCall, ...]
    citations: tuple[Citation, ...]
    container_ids: tuple[str, ...]
    text: str
    calls: tuple[Json, ...]
    error: str
    is_filtered: bool


def read_response(body: Json) -> Produced:
    """Return what a response's body holds."""
    items = list(_items(body, "output"))
    messages = [item for item in items if item.get("type") == "message"]
    parts = [part for message in messages for part in _items(message, "content")]
    notes = [note for part in parts for note in _items(part, "annotations")]
    error = _map(body.get("error"))
    reason = str(_map(body.get("incomplete_details")).get("reason") or "")
    return Produced(
        images=tuple(_image(item) for item in items if item.get("type") == "image_generation_call"),
        citations=tuple(
            Citation(str(note.get("container_id")), str(note.get("file_id")), str(note.get("filename")))
            for note in notes
            if note.get("type") == "container_file_citation"
        ),
        container_ids=tuple(dict.fromkeys(_container_ids(items, notes))),
        text="\n".join(
            str(part.get("text") or "") for part in parts if part.get("type") == "output_text"
        ).strip(),
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
        images=sum(1 for image_call in read_response(body).images if image_call.result),
        code_sessions=len({c for c in _container_ids(list(_items(body, "output")), [])}),
        file_searches=kinds.count("file_search_call"),
    )


def without_pictures(body: Json, blobs: Mapping[str, str]) -> bytes:
    """Return the body as JSON with every stored picture replaced by its digest.

    A result that could not be decoded has no digest in `blobs` and stays as received. The headers of servers
    are left out: a service that repeats them must not make us keep a secret.
    """
    tools = [
        {key: value for key, value in tool.items() if key not in {"headers", "authorization"}}
        for tool in _items(body, "tools")
    ]
    output = [
        {**item, "result": {"blob": blobs[str(item.get("id"))]}} if str(item.get("id")) in blobs else item
        for item in _items(body, "output")
    ]
    shown = {**body, "output": output} | ({"tools": tools} if tools else {})
    return json.dumps(shown, ensure_ascii=False).encode()


def _image(item: Json) -> ImageCall:
    error = _map(item.get("error"))
    details = _map(error.get("moderation_details"))
    result = item.get("result")
    is_blocked = bool(details) or _is_block(str(error.get("code") or ""))
    categories = details.get("categories")
    return ImageCall(
        call_id=str(item.get("id")),
        result=result if isinstance(result, str) and result else None,
        revised_prompt=str(item.get("revised_prompt") or ""),
        error=str(error.get("message") or ""),
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
