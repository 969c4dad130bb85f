"""What passes by in a stream: pictures as they are drawn, the last word on the response, an error.

A stream is a view. What it brings is kept, because a later read was seen to lack it; how the response ended
is asked of the service all the same.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from assetmill.agents.gateway import Frame, Json, OnFrame

_ENDS = frozenset({"response.completed", "response.failed", "response.incomplete"})


class WatchedStream:
    """What was seen of one response in its stream."""

    def __init__(self, on_frame: OnFrame | None = None) -> None:
        self._on_frame = on_frame
        self._told: set[str] = set()
        self.pictures: list[Json] = []
        self.final: Json | None = None
        self.error: Json | None = None
        self.last: int | None = None
        """The number of the last event."""

    @property
    def is_over(self) -> bool:
        """Whether the stream itself said how its response ended."""
        return self.final is not None or self.error is not None

    def take(self, event: Json, number: int | None = None) -> None:
        """Note an event; pictures are told at once, each whole one once.

        An event whose `number` in the stream was passed already is one of a replay, and is left out.
        """
        if number is not None:
            if self.last is not None and number <= self.last:
                return
            self.last = number
        kind = str(event.get("type"))
        if kind == "response.image_generation_call.partial_image":
            self._partial(event)
        elif kind == "response.output_item.done":
            self._picture(as_map(event.get("item")))
        elif kind == "error":
            self.error = as_map(event.get("error")) or event
        elif kind in _ENDS:
            self.final = as_map(event.get("response")) or None
            for item in pictures_of(self.final or {}):
                self._picture(item)

    def complete(self, body: Json) -> Json:
        """Return a body with the pictures and the reason that a later read of it lacks."""
        whole = with_pictures(body, self.pictures)
        if body.get("status") == "failed" and not body.get("error"):
            error = as_map((self.final or {}).get("error")) or self.error
            return {**whole, "error": error} if error else whole
        return whole

    def _partial(self, event: Json) -> None:
        index, data = event.get("partial_image_index"), decoded(event.get("partial_image_b64"))
        if self._on_frame and data:
            call_id = event.get("item_id")
            named = call_id if isinstance(call_id, str) else ""
            self._on_frame(Frame(index if isinstance(index, int) else 0, data, named))

    def _picture(self, item: Json) -> None:
        result = item.get("result")
        data = decoded(result) if item.get("type") == "image_generation_call" else None
        if data is None or str(result) in self._told:
            return
        self._told.add(str(result))
        self.pictures.append(item)
        if self._on_frame:
            call_id = item.get("id")
            named = call_id if isinstance(call_id, str) else ""
            self._on_frame(Frame(len(self.pictures) - 1, data, named, is_final=True))


def pictures_of(body: Json) -> Iterator[Json]:
    """Yield the image calls of a body that bring their picture."""
    output = body.get("output")
    for item in cast(list[object], output) if isinstance(output, list) else ():
        call = as_map(item)
        if call.get("type") == "image_generation_call" and decoded(call.get("result")):
            yield call


def with_pictures(body: Json, pictures: Sequence[Json]) -> Json:
    """Return a body whose image calls have the results of `pictures` where they lack their own.

    A call is known by its ID, else by its place among those that are left; calls that the body does not
    list are added.
    """
    if not pictures:
        return body
    output = body.get("output")
    items = list(cast(list[object], output)) if isinstance(output, list) else []
    known = {str(call.get("result")) for call in pictures_of(body)}
    left = [call for call in pictures if str(call.get("result")) not in known]
    lacking = [place for place, item in enumerate(items) if _lacks(as_map(item))]
    for place in lacking:
        call_id = as_map(items[place]).get("id")
        own = next((call for call in left if call_id and call.get("id") == call_id), None)
        if own is not None:
            left.remove(own)
            items[place] = {**as_map(items[place]), "result": own["result"]}
    for place in [place for place in lacking if _lacks(as_map(items[place]))]:
        if left:
            items[place] = {**as_map(items[place]), "result": left.pop(0)["result"]}
    return {**body, "output": [*items, *left]}


def _lacks(item: Json) -> bool:
    return item.get("type") == "image_generation_call" and not item.get("result") and not item.get("error")


def decoded(text: object) -> bytes | None:
    """Return what a base64 text holds, None for anything else."""
    if not isinstance(text, str) or not text:
        return None
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def as_map(value: object) -> Json:
    """Return a JSON object, {} for anything else."""
    return cast(Mapping[str, Any], value) if isinstance(value, Mapping) else {}
