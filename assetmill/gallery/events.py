"""What a page is told while it is open: tiles that changed, as server-sent events.

One look at the store serves every page, and nobody looks while no page is open. Connections are few: who
comes when all are taken is refused and asked to come again, and the page works without.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from assetmill.errors import StoreError
from assetmill.gallery.site import Site
from assetmill.redaction import redact_known

MOST_CONNECTIONS = 32
"""Of one wall."""
MOST_OF_SERVER = 256
"""Of all walls: each holds a file of the process, which often may have a thousand."""
ENDING = "assetmill.ending"
"""What a server keeps in its state for who answers without end: an event that is set when it wants to go."""
STREAMS = "assetmill.streams"
"""What a server keeps there to count them on all its walls."""

_LOOK_EVERY_S = 0.5
_REST = 4
"""A look that takes long, at a far store or at many stages, is followed by so many times its length."""
_BEAT_S = 15.0
_COME_AGAIN_S = 30
_TILES_AT_ONCE = 50
_STREAMED = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
"""What passes events on at once, a proxy too that would keep them until there are many."""
_AFTER = 2**53
_log = logging.getLogger(__name__)


class Streams:
    """How many pages of a server are told, whatever their wall. Used by one event loop."""

    def __init__(self) -> None:
        self.open = 0


class Events:
    """The live side of one site, for one event loop."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._open = 0
        self._news = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None

    async def answer(self, request: Request, headers: dict[str, str]) -> Response:
        """Answer a request for events: those that came after the one that the page knows."""
        streams = _streams(request)
        if self._open >= MOST_CONNECTIONS or streams.open >= MOST_OF_SERVER:
            most = max(self._open, streams.open)
            told = f"{most} pages are told already what happens; this one can be loaded again instead"
            again = headers | {"Retry-After": str(_COME_AGAIN_S), "Connection": "close"}
            return PlainTextResponse(told, HTTPStatus.SERVICE_UNAVAILABLE, again)
        self._open += 1
        streams.open += 1
        if self._watching is None or self._watching.done():
            self._watching = asyncio.create_task(self._watch())
        is_known = request.query_params.get("series", "") in {"", self._site.hanging.series}
        told = self._told(_after(request), _ending(request)) if is_known else _anew()
        return _Stream(told, headers | _STREAMED, lambda: self._left(streams))

    def _left(self, streams: Streams) -> None:
        self._open -= 1
        streams.open -= 1

    def wake(self) -> None:
        """Tell the pages now: something was hung from here."""
        news, self._news = self._news, asyncio.Event()
        news.set()
        if self._open and (self._watching is None or self._watching.done()):
            self._watching = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        while self._open and self._site.hanging.is_live:
            began, before = time.monotonic(), self._site.hanging.newest
            try:
                await run_in_threadpool(self._site.hanging.look)
            except StoreError as error:
                _log.warning("the store cannot be looked at: %s", error)
            except Exception:
                # Any: who watches for every page does not stop watching, whatever one look has met.
                _log.exception("what hangs could not be looked at")
            if self._site.hanging.newest > before or not self._site.hanging.is_live:
                news, self._news = self._news, asyncio.Event()
                news.set()
            await asyncio.sleep(max(_LOOK_EVERY_S, _REST * (time.monotonic() - began)))

    async def _told(self, after: int, ending: asyncio.Event) -> AsyncIterator[str]:
        yield "retry: 2000\n\n"
        is_told = False
        while True:
            # Both are asked before the tiles are read: nothing falls in between.
            news, is_live = self._news, self._site.hanging.is_live
            newest, changed = await run_in_threadpool(self._site.changed, after)
            starts = range(0, len(changed), _TILES_AT_ONCE)
            parts = [changed[start : start + _TILES_AT_ONCE] for start in starts]
            for number, part in enumerate(parts, start=1):
                # Only the last one has the number: who is cut off in between is told all of it again.
                yield _event("tiles", part, newest if number == len(parts) else None)
            after = newest
            if not is_live and not is_told:
                yield _event("over", None, newest)
            is_told = not is_live
            if not await _either(news, ending):
                # An event and no comment, which a page would not see: without one it takes us for gone.
                yield _event("beat", None, None)
            if ending.is_set():
                yield _event("ending", None, None)
                return


async def _anew() -> AsyncIterator[str]:
    """Tell a page that its numbers are of another hanging: it has to be loaded again."""
    yield _event("anew", None, None)


class _Stream(StreamingResponse):
    """A stream that says when nobody listens any more, however it ends."""

    def __init__(self, told: AsyncIterator[str], headers: dict[str, str], on_end: Callable[[], None]) -> None:
        super().__init__(told, headers=headers, media_type="text/event-stream")
        self._on_end = on_end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the page goes away."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._on_end()


async def _either(news: asyncio.Event, ending: asyncio.Event) -> bool:
    """Wait until one of them is set, or until it is time to say something."""
    waits = [asyncio.ensure_future(one.wait()) for one in (news, ending)]
    try:
        done, _ = await asyncio.wait(waits, timeout=_BEAT_S, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in waits:
            one.cancel()
    return bool(done)


def _ending(request: Request) -> asyncio.Event:
    """Return what tells that the server goes: without one that says so, it never does."""
    found = request.scope.get("state", {}).get(ENDING)
    return found if isinstance(found, asyncio.Event) else asyncio.Event()


def _streams(request: Request) -> Streams:
    """Return the count of a server's streams: without one that keeps it, each stream is alone."""
    found = request.scope.get("state", {}).get(STREAMS)
    return found if isinstance(found, Streams) else Streams()


def _event(name: str, data: Any, number: int | None) -> str:
    said = redact_known(json.dumps(data, separators=(",", ":")))
    return f"event: {name}\ndata: {said}\n" + (f"id: {number}\n\n" if number is not None else "\n")


def _after(request: Request) -> int:
    said = request.headers.get("last-event-id") or request.query_params.get("after", "")
    return min(int(said), _AFTER) if said.isascii() and said.isdecimal() and len(said) < 20 else 0
