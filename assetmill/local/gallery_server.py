"""The gallery's web server: for this machine's browser, until it is stopped."""

from __future__ import annotations

import socket
import webbrowser
from collections.abc import Callable, Generator
from contextlib import contextmanager

import uvicorn

from assetmill.errors import InvalidInput
from assetmill.gallery.house import House
from assetmill.local.guard import Guard

_LEAVE_WITHIN_S = 2
"""A browser that still loads pictures does not keep the command from ending."""


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
    config = uvicorn.Config(
        guard,  # pyright: ignore[reportArgumentType]
        log_level="error",
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=_LEAVE_WITHIN_S,
    )
    tell(link)
    if has_browser:
        webbrowser.open(link)
    uvicorn.Server(config).run(sockets=[listener])
