"""The control API: bill, expiries, faults, clock, settings, request log. No part of the service itself."""

from __future__ import annotations

from foundry_emulator import at_rest
from foundry_emulator.boundary.errors import invalid
from foundry_emulator.routes.endpoint import Call, Operation, Reply

_LOG_PAGE = 1000


async def bill(call: Call) -> Reply:
    """Return every charge."""
    return Reply({"charges": call.project.state.bill()})


async def expire(call: Call) -> Reply:
    """Expire files, containers, responses, vector stores, or all of them."""
    body = await call.fields()
    kinds = body.texts("kinds") or ["all"]
    try:
        return Reply({"expired": at_rest.expire_in(call.project.state, kinds)})
    except ValueError as problem:
        raise invalid(str(problem), "kinds") from problem


async def expire_one_kind(call: Call) -> Reply:
    """Expire everything of the kind in the address."""
    try:
        return Reply({"expired": at_rest.expire_in(call.project.state, [call.path("kind")])})
    except ValueError as problem:
        raise invalid(str(problem), "kind") from problem


async def set_faults(call: Call) -> Reply:
    """Replace the fault plan."""
    body = await call.fields()
    body.only("faults")
    call.project.faults.set(body.objects("faults") or [])
    return Reply(call.project.faults.as_json())


async def get_faults(call: Call) -> Reply:
    """Show how often each fault was carried out."""
    return Reply(call.project.faults.as_json())


async def clear_faults(call: Call) -> Reply:
    """Drop the fault plan."""
    call.project.faults.clear()
    return Reply(call.project.faults.as_json())


async def clock(call: Call) -> Reply:
    """Move the emulator's clock forwards."""
    body = await call.fields()
    seconds = body.number("advance_s", 0, 10 * 365 * 86_400) or 0
    return Reply({"now": call.project.clock.advance(seconds)})


async def get_settings(call: Call) -> Reply:
    """Show the settings."""
    return Reply(call.project.settings.as_json())


async def set_settings(call: Call) -> Reply:
    """Change some settings; they outlive a restart."""
    body = await call.fields()
    call.project.set_settings(call.project.settings.changed(body.raw))
    return Reply(call.project.settings.as_json())


async def reset(call: Call) -> Reply:
    """Forget everything but secrets."""
    call.responses.stop(forget=True)
    call.project.reset()
    return Reply({"reset": True})


async def requests(call: Call) -> Reply:
    """Return how often each operation was called, and the newest calls."""
    newest = list(call.project.requests)[-_LOG_PAGE:]
    return Reply({"counts": dict(call.project.counts), "requests": newest})


async def clear_requests(call: Call) -> Reply:
    """Forget the request log."""
    call.project.counts.clear()
    call.project.requests.clear()
    return Reply({"counts": {}, "requests": []})


async def notes(call: Call) -> Reply:
    """Return what pictures were to show and the emulator does not know, with the responses that drew them."""
    return Reply({"notes": list(call.project.notes)})


async def health(call: Call) -> Reply:
    """Say that the server is up and how much it is doing."""
    return Reply({"status": "ok", "running": call.responses.count})


OPERATIONS = (
    Operation("control.bill", "GET", "/bill", bill),
    Operation("control.expire", "POST", "/expire", expire),
    Operation("control.expire_kind", "POST", "/expire/{kind}", expire_one_kind),
    Operation("control.faults.set", "POST", "/faults", set_faults),
    Operation("control.faults.get", "GET", "/faults", get_faults),
    Operation("control.faults.clear", "DELETE", "/faults", clear_faults),
    Operation("control.clock", "POST", "/clock", clock),
    Operation("control.settings.get", "GET", "/settings", get_settings),
    Operation("control.settings.set", "POST", "/settings", set_settings),
    Operation("control.reset", "POST", "/reset", reset),
    Operation("control.requests", "GET", "/requests", requests),
    Operation("control.requests.clear", "DELETE", "/requests", clear_requests),
    Operation("control.notes", "GET", "/notes", notes),
    Operation("control.health", "GET", "/health", health),
)
