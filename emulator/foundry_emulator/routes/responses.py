"""Responses: made in front, in the background or as a stream; polled, followed, cancelled, listed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence

from foundry_emulator import data
from foundry_emulator.at_rest import forget_response
from foundry_emulator.boundary.errors import invalid, not_emulated
from foundry_emulator.jsons import Json
from foundry_emulator.responses import shapes, wire
from foundry_emulator.responses.admission import admit
from foundry_emulator.responses.events import frames_after
from foundry_emulator.responses.including import included
from foundry_emulator.responses.items import shown
from foundry_emulator.responses.registry import ActiveResponse
from foundry_emulator.responses.wire import RUNNING
from foundry_emulator.routes.endpoint import Call, Operation, Reply, cut_connection
from foundry_emulator.routes.paging import page

_FOREGROUND_HEADERS = {
    "azureai-fe-is-streaming": "False",
    "skip-error-remapping": "true",
    "x-ms-is-spilled-over": "false",
}
_EVENT_STREAM = "text/event-stream; charset=utf-8"


def _shown(body: Json, include: frozenset[str]) -> Json:
    return {**body, "output": [shown(item, include) for item in body["output"]]}


def _worded(call: Call, body: Json, include: frozenset[str]) -> Json:
    return shapes.body(call.project.settings.dialect, _shown(body, include))


async def create(call: Call) -> Reply:
    """Make a response with an agent or a model deployment."""
    request = await call.fields()
    agent_name = call.request.path_params.get("agent_name")
    admitted = admit(call.project, request, call.request.headers, agent_name)
    active = call.responses.start(admitted, call.fault)
    headers = _agent_headers(active)
    if admitted.stream:
        return _streamed(_followed(call, active), headers)
    if not active.is_background:
        await _foreground(call, active)
        if active.refusal is not None:
            forget_response(call.project.state, active.id)
            raise active.refusal
    return Reply(_worded(call, active.response, admitted.include), headers=headers)


def _streamed(frames: AsyncIterator[bytes], headers: Mapping[str, str] | None = None) -> Reply:
    own = {**(headers or {}), "cache-control": "no-cache"}
    return Reply(stream=frames, media_type=_EVENT_STREAM, headers=own)


def _agent_headers(active: ActiveResponse) -> dict[str, str]:
    reference = active.admitted.item_extras.get("agent_reference")
    headers = {
        "x-ms-served-model": data.dated_model(active.response["model"]),
        "x-ms-aoai-configured-data-retention-days": "30",
        **active.admitted.headers,
    }
    if not (active.is_background or active.admitted.stream):
        headers |= {**_FOREGROUND_HEADERS, "azureai-processed-tier": active.response["service_tier"]}
    if reference:
        headers["x-agent-version-resolution"] = "pinned"
        headers["x-agent-version-resolved"] = reference["version"]
    return headers


async def _foreground(call: Call, active: ActiveResponse) -> None:
    """Wait for a response; when its caller leaves first, generation stops."""
    finished = asyncio.ensure_future(call.responses.finished(active))
    left = asyncio.ensure_future(call.disconnected())
    try:
        await asyncio.wait({finished, left}, return_when=asyncio.FIRST_COMPLETED)
        if not finished.done() and not call.project.settings.finish_without_caller:
            call.responses.abandon(active)
        await finished
    finally:
        left.cancel()


async def _followed(call: Call, active: ActiveResponse) -> AsyncIterator[bytes]:
    """Send a response's events as they come."""
    state, stream = call.project.state, active.stream
    if stream is None:
        return
    fault, number = active.fault, 0
    try:
        async for text in stream.follow(keepalive_s=call.project.settings.keepalive_s):
            if fault is not None and number >= fault.number("event", 1):
                if fault.name == "clean_early_close":
                    return
                if fault.name == "cut_stream":
                    await cut_connection(call)
                    return
            if fault is not None and fault.name == "slow":
                await asyncio.sleep(fault.number("delay_s", 1.0))
            yield state.render(text)
            number += 1
    finally:
        needs_caller = not (active.is_background or call.project.settings.finish_without_caller)
        if needs_caller and call.responses.running(active.id):
            call.responses.abandon(active)


async def retrieve(call: Call) -> Reply:
    """Return a response, or its events from a sequence number on."""
    response_id = call.path("response_id")
    include = _included(call)
    body = call.responses.need(response_id)
    if (call.query("stream") or "").lower() == "true":
        return _resumed(call, response_id)
    shown_body = _shown(body, include)
    if call.project.settings.hide_results:
        shown_body["output"] = [_without_result(item) for item in shown_body["output"]]
    return Reply(shapes.stored(call.project.settings.dialect, shown_body))


def _without_result(item: Json) -> Json:
    return {**item, "result": None} if item["type"] == "image_generation_call" else item


def _included(call: Call) -> frozenset[str]:
    params = call.request.query_params
    return included([*params.getlist("include"), *params.getlist("include[]")])


def _resumed(call: Call, response_id: str) -> Reply:
    text = call.query("starting_after")
    if text is not None and not (text.isascii() and text.isdigit() and len(text) < 10):
        raise invalid("Invalid 'starting_after': expected a sequence number.", "starting_after")
    after = None if text is None else int(text)
    active = call.responses.running(response_id)
    if active is not None and active.stream is not None and active.is_background:
        live = _live(call, active, 0 if after is None else after + 1)
        return _streamed(live)
    frames = call.project.state.events(response_id)
    if not frames:
        message = "Only background responses that were created with stream=true can be streamed again."
        raise invalid(message, "stream")
    return _streamed(_kept(call, frames_after(frames, after)))


async def _live(call: Call, active: ActiveResponse, start: int) -> AsyncIterator[bytes]:
    if active.stream is not None:
        async for text in active.stream.follow(start):
            yield call.project.state.render(text)


async def _kept(call: Call, frames: Sequence[str]) -> AsyncIterator[bytes]:
    for text in frames:
        yield call.project.state.render(text)


async def list_responses(call: Call) -> Reply:
    """List responses of any status, by conversation and agent; newest first unless told."""
    conversation_id, agent_name = call.query("conversation_id"), call.query("agent_name")
    state = call.project.state
    is_filtered = conversation_id and not call.project.settings.ignore_list_filter
    docs = state.responses_of(conversation_id) if conversation_id and is_filtered else state.all("response")
    newest = call.project.clock.now() - call.project.settings.listing_lag_s
    found = [
        doc.body
        for doc in docs
        if doc.body["created_at"] <= newest
        and not (call.project.settings.list_when_over and _is_on_the_line(doc.body))
        and agent_name in (None, (doc.body.get("agent_reference") or {}).get("name"))
    ]
    chosen, has_more = page(call, found, lambda body: body["id"])
    dialect = call.project.settings.dialect
    entries = [shapes.listed(dialect, _shown(body, frozenset())) for body in chosen]
    return Reply(wire.listing(entries, has_more=has_more))


def _is_on_the_line(body: Json) -> bool:
    return body["status"] in RUNNING and not body["background"]


async def delete(call: Call) -> Reply:
    """Forget a response."""
    response_id = call.path("response_id")
    call.responses.delete(response_id)
    return Reply({"id": response_id, "object": "response", "deleted": True})


async def cancel(call: Call) -> Reply:
    """Cancel a background response."""
    return Reply(_worded(call, call.responses.cancel(call.path("response_id")), frozenset()))


async def input_items(call: Call) -> Reply:
    """List what a response was given, newest first unless told."""
    response_id = call.path("response_id")
    call.responses.need(response_id)
    doc = call.project.state.get("input_items", response_id)
    items: list[Json] = doc.body["items"] if doc else []
    include = _included(call)
    chosen, has_more = page(call, items, lambda item: item["id"])
    return Reply(wire.listing([shown(item, include) for item in chosen], has_more=has_more))


async def compact(call: Call) -> Reply:
    """Refuse compaction by name."""
    del call
    raise not_emulated("compaction of responses")


async def count_tokens(call: Call) -> Reply:
    """Estimate the tokens of an input."""
    request = await call.fields()
    text = request.raw.get("input")
    words = text if isinstance(text, str) else str(text or "")
    total = wire.tokens_in(words) + wire.tokens_in(request.text("instructions") or "")
    return Reply({"object": "response.input_tokens", "input_tokens": total})


_ONE = "/responses/{response_id}"
OPERATIONS = (
    Operation("responses.create", "POST", "/responses", create, "written rules instead of a model"),
    Operation("responses.list", "GET", "/responses", list_responses, "Foundry only"),
    Operation("responses.input_tokens.count", "POST", "/responses/input_tokens", count_tokens, "an estimate"),
    Operation("responses.compact", "POST", "/responses/compact", compact, "refused by name"),
    Operation("responses.retrieve", "GET", _ONE, retrieve),
    Operation("responses.delete", "DELETE", _ONE, delete),
    Operation("responses.cancel", "POST", f"{_ONE}/cancel", cancel),
    Operation("responses.input_items.list", "GET", f"{_ONE}/input_items", input_items),
)
