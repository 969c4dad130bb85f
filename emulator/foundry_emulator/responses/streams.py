"""The frames of one response's stream: written by a run on any thread, followed by readers on the loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from foundry_emulator.jsons import Json
from foundry_emulator.responses.events import frame


class Stream:
    """Numbers events and keeps them; closed once, after which followers end."""

    def __init__(self, loop: asyncio.AbstractEventLoop, keep: Callable[[int, str], None] | None) -> None:
        self.frames: list[str] = []
        self._loop = loop
        self._keep = keep
        self._closed = False
        self._waiting: set[asyncio.Event] = set()

    def push(self, event: Json) -> None:
        """Add an event; any thread may."""
        number = len(self.frames)
        text = frame({**event, "sequence_number": number})
        if self._keep:
            self._keep(number, text)
        self.frames.append(text)
        self._loop.call_soon_threadsafe(self._wake)

    def close(self) -> None:
        """End the stream after what was pushed; any thread may."""
        self._closed = True
        self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        for waiting in self._waiting:
            waiting.set()

    async def follow(self, start: int = 0, *, keepalive_s: float = 0.0) -> AsyncIterator[str]:
        """Yield the frames from number `start` on, as they come, until the stream is closed.

        When nothing has come for `keepalive_s`, a `keepalive` is added; 0 adds none.
        """
        news = asyncio.Event()
        self._waiting.add(news)
        try:
            while True:
                news.clear()
                while start < len(self.frames):
                    yield self.frames[start]
                    start += 1
                if self._closed and start >= len(self.frames):
                    return
                try:
                    await asyncio.wait_for(news.wait(), keepalive_s or None)
                except TimeoutError:
                    self.push({"type": "keepalive"})
        finally:
            self._waiting.discard(news)
