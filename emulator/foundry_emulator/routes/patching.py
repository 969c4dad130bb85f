"""The fault `patch`: a reply is made as it should be and then changed, so that any answer can be imitated.

Its parameters: `patch` (RFC 6902) and `merge` (RFC 7396) change the body, `text` is sent in its place (a page
of some gateway, JSON that is no object), `status` and `headers` replace theirs (a header that is null is
taken away), and `instead: true` answers without carrying the request out. In a stream `events` says what is
done where: each has `type` or `at` for the events that it is about, and `merge`, `patch`, `insert` (an event
put before them), `drop: true` or `cut: true` (the connection is cut before them).
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, cast

import jsonpatch

from foundry_emulator.boundary.errors import invalid
from foundry_emulator.boundary.faults import Fault
from foundry_emulator.boundary.merging import merged
from foundry_emulator.jsons import Json, as_list, as_object
from foundry_emulator.responses.events import frame
from foundry_emulator.routes.reply import Reply

Cut = Callable[[], Awaitable[None]]


def patched(fault: Fault, reply: Reply, cut: Cut) -> Reply:
    """Return a reply as a fault wants it; `cut` cuts the connection in the middle of a stream."""
    headers = {**reply.headers, **as_object(fault.params.get("headers"))}
    text, rules = fault.params.get("text"), as_list(fault.params.get("events"))
    is_replaced = isinstance(text, str)
    is_kept = reply.body is not None and not is_replaced
    return Reply(
        body=as_object(_changed(reply.body or {}, fault.params)) if is_kept else None,
        status=int(fault.number("status", reply.status)),
        content=text.encode() if isinstance(text, str) else reply.content,
        media_type=reply.media_type,
        stream=None if reply.stream is None or is_replaced else _stream(reply.stream, rules, cut),
        headers=headers,
        layer=reply.layer,
    )


def instead(fault: Fault, cut: Cut) -> Reply:
    """Return the whole answer of a fault that lets nothing happen."""
    return patched(fault, Reply({}, layer="gateway"), cut)


def _changed(value: Json, change: Mapping[str, Any]) -> Any:
    if "merge" in change:
        value = as_object(merged(value, change["merge"]))
    if "patch" not in change:
        return value
    try:
        return jsonpatch.apply_patch(value, as_list(change["patch"]))
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException) as problem:
        raise invalid(f"The planned patch does not fit the reply: {problem}", "patch") from problem


async def _stream(frames: AsyncIterator[bytes], changes: Sequence[Any], cut: Cut) -> AsyncIterator[bytes]:
    rules = [as_object(change) for change in changes]
    number = 0
    async for text in frames:
        event = _parsed(text)
        meant = [rule for rule in rules if _is_meant(rule, event, number)]
        number += 1
        for rule in meant:
            if "insert" in rule:
                yield frame({"sequence_number": event.get("sequence_number"), **rule["insert"]}).encode()
        if any(rule.get("cut") for rule in meant):
            await cut()
            return
        if any(rule.get("drop") for rule in meant):
            continue
        for rule in meant:
            event = as_object(_changed(event, rule))
        yield frame(event).encode() if meant else text


def _parsed(text: bytes) -> Json:
    lines = text.decode().splitlines()
    data = next((line.removeprefix("data: ") for line in lines if line.startswith("data: ")), "{}")
    return cast(Json, json.loads(data))


def _is_meant(rule: Json, event: Json, number: int) -> bool:
    return rule.get("at", number) == number and rule.get("type", event.get("type")) == event.get("type")
