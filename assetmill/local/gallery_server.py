"""The gallery's web server: for this machine's browser, until it is stopped."""

from __future__ import annotations

import asyncio
import socket
import webbrowser
from collections.abc import Callable, Generator
from contextlib import contextmanager

import uvicorn

from assetmill.errors import InvalidInput
from assetmill.gallery.events import ENDING, STREAMS, Streams
from assetmill.gallery.house import House
from assetmill.local.guard import App, Guard

_LEAVE_WITHIN_S = 2


class PageServer(uvicorn.Server):
    """Serves pages, and lets their streams of events end before it goes: a page never sees one break off.

    `leave_within_s`: a browser that still loads pictures does not keep the server longer.
    """

    def __init__(self, app: App, leave_within_s: int = _LEAVE_WITHIN_S) -> None:
        super().__init__(
            uvicorn.Config(
                app,  # pyright: ignore[reportArgumentType] - the server's types are its own
                log_level="error",
                access_log=False,
                lifespan="off",
                timeout_graceful_shutdown=leave_within_s,
            )
        )
        self._ending: asyncio.Event | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen; every request is given the event of the end and the count of streams."""
        self._ending = self.lifespan.state[ENDING] = asyncio.Event()
        self.lifespan.state[STREAMS] = Streams()
        await super().startup(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let streams end, then everything else."""
        if self._ending:
            self._ending.set()
        await super().shutdown(sockets)


@contextmanager
def listening(port: int) -> Generator[socket.socket]:
    """Listen on a port of this machine, on a free one for 0: from here on a browser is answered, or waits.

    Raises:
        InvalidInput: somebody else has the port.
    """
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise InvalidInput(f"cannot listen on port {port}: {error.strerror}; name another one") from error
    with listener:
        yield listener


def serve_gallery(
    house: House, listener: socket.socket, tell: Callable[[str], None], *, has_browser: bool
) -> None:
    """Serve a house until a signal comes; `tell` is given the link, and a browser is opened if wanted."""
    port = listener.getsockname()[1]
    link = f"http://127.0.0.1:{port}{house.entrance}"
    guard = Guard(house.app, port)  # pyright: ignore[reportArgumentType] - Starlette's types are its own
    tell(link)
    if has_browser:
        webbrowser.open(link)
    PageServer(guard).run(sockets=[listener])
