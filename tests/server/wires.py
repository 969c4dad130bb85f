"""A wire between a client and a server: bytes go through it as they come, until somebody meddles with it."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: a socket that is closed resets its connection."""

Link = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Wire:
    """Connections to a port of its own, led on to another one. Use it as a context.

    What is said of it holds for connections that are open and for those that come.
    """

    def __init__(self, target: int) -> None:
        self.target, self.port = target, 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._whole = asyncio.Event()
        self._delay_s, self._refuses = 0.0, False
        self._writers = set[asyncio.StreamWriter]()
        self._links = set[asyncio.Task[None]]()

    def __enter__(self) -> Wire:
        self._thread.start()
        self._do(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut(self) -> None:
        """Let nothing through, and tell nobody; what was sent arrives when it is mended."""
        self._say(self._whole.clear)

    def delay(self, seconds: float) -> None:
        """Let everything arrive so much later."""
        self._delay_s = seconds

    def reset(self) -> None:
        """Break off every connection, also those that come, until it is mended."""
        self._refuses = True
        self._say(lambda: [_break_off(writer) for writer in list(self._writers)])

    def mend(self) -> None:
        """Let everything through again."""
        self._delay_s, self._refuses = 0.0, False
        self._say(self._whole.set)

    def _say(self, what: Callable[[], object]) -> None:
        self._loop.call_soon_threadsafe(what)

    def _do(self, what: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(what, self._loop).result()

    async def _open(self) -> None:
        self._whole.set()
        self._server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def _close(self) -> None:
        self._server.close()
        for link in list(self._links):
            link.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = asyncio.ensure_future(self._lead((reader, writer)))
        self._links.add(link)
        link.add_done_callback(self._links.discard)

    async def _lead(self, near: Link) -> None:
        """Lead one connection on until either end closes it; a server that is not there refuses it."""
        opened = [near[1]]
        self._writers.add(near[1])
        try:
            await self._whole.wait()
            if self._refuses:
                return
            far = await asyncio.open_connection("127.0.0.1", self.target)
            opened.append(far[1])
            self._writers.add(far[1])
            await asyncio.gather(self._pass(near[0], far[1]), self._pass(far[0], near[1]))
        except OSError:
            return  # one end is gone: so is the other
        finally:
            for writer in opened:
                self._writers.discard(writer)
                _break_off(writer)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            await asyncio.sleep(self._delay_s)
            await self._whole.wait()
            writer.write(data)
            await writer.drain()
        await self._whole.wait()
        with suppress(OSError):
            writer.write_eof()


def _break_off(writer: asyncio.StreamWriter) -> None:
    raw: Any = writer.get_extra_info("socket")
    with suppress(OSError):
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
