"""The HTTP boundary: who may ask, what a request says, how a reply or an error leaves, and planned faults."""

from __future__ import annotations

import asyncio
import functools
import hmac
import json
import logging
import re
import secrets
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, cast

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from foundry_emulator.boundary.errors import Surface, WireError, invalid, prompt_refused
from foundry_emulator.boundary.faults import RESPONSE_FAULTS, Fault, damaged
from foundry_emulator.boundary.fields import Fields, type_name
from foundry_emulator.boundary.quota import plainer
from foundry_emulator.jsons import Json, as_list, compact
from foundry_emulator.project import Project
from foundry_emulator.responses.registry import Responses
from foundry_emulator.routes.patching import instead, patched
from foundry_emulator.routes.reply import Reply
from foundry_emulator.routes.versions import check_version

_LOG = logging.getLogger(__name__)
TRANSPORT = "assetmill.transport"
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_BODY_LIMIT = 128 * 1024 * 1024
_FROM_THE_MODEL = (
    *(
        "responses.create",
        "responses.retrieve",
        "responses.cancel",
        "files.",
        "vector_stores.",
        "containers.",
    ),
    "deployments.",
)
_VERSIONS = "1.0,2025-05-15-preview,2025-11-15-preview"
_TIMED_OUT = 408
_JSON_TYPES = ("application/json", "application/merge-patch+json")


@dataclass
class Call:
    """One request to one operation."""

    project: Project
    responses: Responses
    request: Request
    operation: str
    fault: Fault | None = None
    request_id: str = field(default_factory=lambda: secrets.token_hex(16))

    def path(self, name: str) -> str:
        """Return a part of the address."""
        return str(self.request.path_params[name])

    def query(self, name: str) -> str | None:
        """Return a query parameter, or None when it is missing or empty."""
        return self.request.query_params.get(name) or None

    async def fields(self) -> Fields:
        """Read the body as a JSON object; an empty body is an empty object.

        Raises:
            WireError: 400 for anything else, 413 and 415 for size and content type.
        """
        raw = await self.request.body()
        if not raw:
            return Fields({})
        kind = self.request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in _JSON_TYPES:
            raise WireError(415, "unsupported_content_type", f"Unsupported content type: '{kind[:80]}'.")
        if len(raw) > _BODY_LIMIT:
            raise WireError(413, "content_size_exceeded", "The request body is too large.")
        return Fields(_parsed(raw))

    async def disconnected(self) -> None:
        """Return when the caller has left."""
        while (await self.request.receive())["type"] != "http.disconnect":
            pass


def _parsed(raw: bytes) -> Json:
    try:
        value: Any = json.loads(raw, parse_constant=_no_constant)
        if _SURROGATE.search(raw):
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as problem:
        message = "We could not parse the JSON body of your request."
        raise invalid(message, None, "invalid_json") from problem
    if not isinstance(value, dict):
        message = f"Invalid body: expected an object, but got {type_name(value)} instead."
        raise invalid(message, None, "invalid_type")
    return cast(Json, value)


def _no_constant(name: str) -> None:
    raise ValueError(name)


Handler = Callable[[Call], Awaitable[Reply]]


@dataclass(frozen=True)
class Operation:
    """One operation of the wire contract: where it is, what carries it out, what it is called in tests."""

    name: str
    method: str
    path: str
    handler: Handler
    note: str = ""
    """A known difference from the real service, for the coverage table."""


class Endpoint:
    """An operation as an ASGI application on one surface."""

    def __init__(
        self, project: Project, responses: Responses, operation: Operation, surface: Surface
    ) -> None:
        self._project = project
        self._responses = responses
        self._operation = operation
        self._surface: Surface = surface

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive, send)
        started = time.monotonic()
        call = Call(self._project, self._responses, request, self._operation.name)
        status = 0
        try:
            reply = await self._answer(call)
            status = reply.status if reply else 0
            if reply is not None:
                await self._response(call, reply, started)(scope, receive, send)
        except ClientDisconnect:
            _LOG.debug("%s: the caller left", self._operation.name)
        finally:
            self._note(call, status)

    async def _answer(self, call: Call) -> Reply | None:
        """Return the reply; None when the connection was cut instead."""
        try:
            check_caller(call, self._surface)
            if self._surface != "control" and self._project.settings.dialect.is_azure:
                check_version(call.request.url.path, call.query("api-version"))
            fault = None if self._surface == "control" else self._project.faults.take(call.operation)
            if fault is None:
                return await self._operation.handler(call)
            return await self._faulty(call, fault)
        except WireError as error:
            return self._refusal(error, call)
        except ClientDisconnect:
            raise
        except Exception:
            # The HTTP boundary: an answer in the service's words, the traceback in the log.
            _LOG.exception("%s failed inside the emulator", call.operation)
            failure = WireError(500, "server_error", "The emulator failed to answer this request.")
            return self._refusal(failure, call)

    def _refusal(self, error: WireError, call: Call) -> Reply:
        """Word an error as this surface does; conversations are Foundry's own, not the model's."""
        if error.layer == "model" and call.operation.startswith("conversations."):
            error.layer = "foundry" if call.project.settings.dialect.is_azure else "model"
        is_first = call.project.settings.dialect.is_first
        body = error.envelope(self._surface, call.request_id, is_first=is_first)
        headers = {"x-request-id": call.request_id, **error.headers}
        return Reply(body, error.status, headers=headers, layer=error.layer)

    async def _faulty(self, call: Call, fault: Fault) -> Reply | None:
        name = fault.name
        prompt_refused = name == "moderation_input" and fault.params.get("where") != "image"
        if name in RESPONSE_FAULTS and not prompt_refused:
            call.fault = fault
            if name == "slow":
                await asyncio.sleep(fault.number("delay_s", 1.0))
            return await self._operation.handler(call)
        if name == "patch":
            cut = functools.partial(cut_connection, call)
            return instead(fault, cut) if fault.params.get("instead") else await self._patched(call, fault)
        if name == "drop_before":
            return await _cut(call)
        if name == "late":
            await call.request.body()
            _spawn(self._later(call, fault.number("delay_s", 1.0)))
            return await _cut(call)
        before = refusal(fault, call)
        if before is not None:
            raise before
        reply = await self._operation.handler(call)
        if name in ("drop_after_accept", "half_body"):
            return await _cut(call, compact(reply.body or {}) if name == "half_body" else "")
        if name == "garbage":
            return Reply(content=b"<html>\x00 upstream connect error", media_type="application/json")
        raise failed(fault, "The service failed to answer.")

    async def _patched(self, call: Call, fault: Fault) -> Reply:
        try:
            reply = await self._operation.handler(call)
        except WireError as error:
            reply = self._refusal(error, call)
        return patched(fault, reply, functools.partial(cut_connection, call))

    async def _later(self, call: Call, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        try:
            await self._operation.handler(call)
        except WireError as error:
            _LOG.info("late %s was refused: %s", call.operation, error)

    def _response(self, call: Call, reply: Reply, started: float) -> Response:
        # A gateway answers before the service is asked: what the service says of itself is not there.
        own = {} if reply.layer == "gateway" else self._standard_headers(call, started)
        given = {**own, **reply.headers}
        headers = {name: str(value) for name, value in given.items() if value is not None}
        if reply.body is not None and not self._comes_from_the_model(call, reply):
            headers.setdefault("content-type", "application/json; charset=utf-8")
        if reply.stream is not None:
            return StreamingResponse(reply.stream, reply.status, headers, reply.media_type)
        content = reply.content
        if content is None and reply.body is not None:
            damage = call.fault.name if call.fault and call.operation != "responses.create" else ""
            spoil = functools.partial(damaged, damage) if damage else None
            content = self._project.state.render(compact(reply.body), spoil)
        if call.fault and call.fault.name == "drip" and content:
            pieces = _dripping(content, call.fault.number("delay_s", 0.05))
            return StreamingResponse(pieces, reply.status, headers, reply.media_type)
        return Response(content, reply.status, headers, reply.media_type)

    def _comes_from_the_model(self, call: Call, reply: Reply) -> bool:
        """Say whether Foundry's own layer does not word this answer: others name no character set."""
        if reply.layer is not None:
            return reply.layer == "gateway" or (reply.layer == "model" and self._surface == "openai")
        if call.project.settings.dialect.is_first and call.operation == "responses.retrieve":
            return False
        return call.operation.startswith(_FROM_THE_MODEL)

    def _standard_headers(self, call: Call, started: float) -> dict[str, str]:
        if self._surface == "control":
            return {"Cache-Control": "no-store"}
        dialect = call.project.settings.dialect
        ids = {"x-request-id": call.request_id, "apim-request-id": str(uuid.UUID(call.request_id))}
        if not dialect.is_azure:
            return {**ids, **self._model_headers(started)}
        return {
            **ids,
            "x-ms-region": "local",
            "x-ms-response-type": "standard",
            "api-supported-versions": _VERSIONS if not dialect.is_first else _VERSIONS.partition(",")[2],
            **(self._model_headers(started) if self._surface == "openai" else {}),
        }

    def _model_headers(self, started: float) -> dict[str, str]:
        spent_ms = int((time.monotonic() - started) * 1000)
        return {"openai-version": "2020-10-01", "openai-processing-ms": str(spent_ms)}

    def _note(self, call: Call, status: int) -> None:
        if self._surface == "control":
            return
        self._project.counts[call.operation] += 1
        self._project.requests.append(
            {
                "at": round(self._project.clock.now(), 3),
                "operation": call.operation,
                "method": call.request.method,
                "path": call.request.url.path,
                "status": status,
                "retry_count": call.request.headers.get("x-stainless-retry-count"),
            }
        )


async def _dripping(content: bytes, delay_s: float) -> AsyncIterator[bytes]:
    step = max(len(content) // 16, 1)
    for start in range(0, len(content), step):
        yield content[start : start + step]
        await asyncio.sleep(delay_s)


_background: set[asyncio.Task[None]] = set()


def _spawn(work: Any) -> None:
    """Start work that nobody waits for; the set keeps the loop from losing it."""
    task = asyncio.get_running_loop().create_task(work)
    _background.add(task)
    task.add_done_callback(_background.discard)


async def _cut(call: Call, half: str = "") -> None:
    """Cut the connection, after half a body if there is one."""
    transport = call.request.scope.get(TRANSPORT)
    if transport is None:
        raise WireError(500, "server_error", "This server cannot cut connections.")
    if half:
        head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(half) * 2}\r\n\r\n"
        transport.write(head.encode() + half.encode()[: max(len(half) // 2, 1)])
        await asyncio.sleep(0.02)
    transport.abort()
    await call.disconnected()


async def cut_connection(call: Call) -> None:
    """Cut the connection in the middle of a stream."""
    await _cut(call)


def _limited(fault: Fault, call: Call) -> WireError:
    seconds, settings = fault.number("retry_after_s", 1), call.project.settings
    headers = {"retry-after": f"{seconds:g}", "retry-after-ms": str(int(seconds * 1000))}
    message = "Rate limit reached. Try again later."
    limited = WireError(429, "rate_limit_exceeded", message, headers=headers)
    if settings.silent_rate_limits or settings.gateway_rate_limits:
        return plainer(limited, from_gateway=settings.gateway_rate_limits)
    return limited


def failed(fault: Fault, message: str) -> WireError:
    """Return the failure that a fault wants; a time-out is worded by the gateway, as recorded."""
    status = int(fault.number("status", 500))
    if status == _TIMED_OUT:
        return WireError(status, "Timeout", "The operation was timeout.", layer="gateway")
    return WireError(status, "server_error", message)


def refusal(fault: Fault, call: Call) -> WireError | None:
    """Return the error with which a fault refuses a request before anything happened."""
    if fault.name == "rate_limit":
        return _limited(fault, call)
    if fault.name == "error_before":
        return failed(fault, "The service is unavailable.")
    if fault.name == "redirect":
        return WireError(307, "redirect", "Moved.", headers={"location": str(call.request.url)})
    if fault.name == "account_block":
        usual = (
            "Your resource has been temporarily blocked because we detected behavior that may violate our "
            "content policy."
        )
        return WireError(403, "Forbidden", str(fault.params.get("message") or usual), layer="gateway")
    if fault.name == "moderation_input":
        return prompt_refused(as_list(fault.params.get("categories")) or ("violence",))
    return None


def check_caller(call: Call, surface: Surface) -> None:
    """Refuse callers without the surface's token.

    Raises:
        WireError: 401.
    """
    secret = call.project.state.secret("control" if surface == "control" else "access")
    header = call.request.headers.get("authorization", "")
    scheme, _, given = header.partition(" ")
    if scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), secret.encode()):
        return
    message = (
        "Access denied due to missing or invalid token. Provide a token issued by the identity endpoint."
    )
    challenge = {"www-authenticate": 'Bearer authorization_uri="", error="invalid_token"'}
    raise WireError(401, "Unauthorized", message, headers=challenge)
