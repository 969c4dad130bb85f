"""Who may ask a server of ours: a web page of another place may not, and nobody by another name.

A browser sends what a page tells it to, to this machine too, and says in `Origin` which page it was. A name
that a stranger owns can be made to mean this machine (DNS rebinding); `Host` says which name was asked for.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from assetmill.private import make_folder, write_private

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_NAMES = ("127.0.0.1", "localhost", "[::1]")
_POLICY_VIOLATION = 1008


def origins(port: int) -> tuple[str, ...]:
    """Return the origins of pages that a server on this port serves itself."""
    return tuple(f"http://{name}:{port}" for name in _NAMES)


class Guard:
    """Lets through what asks for this machine by one of its names, and comes from no page but our own.

    `address` is the one by which others reach it, through a proxy of their own.
    """

    def __init__(self, app: App, port: int, address: str = "") -> None:
        self._app = app
        known = urlsplit(address.lower())
        self._hosts = frozenset({*(f"{name}:{port}" for name in _NAMES), known.netloc} - {""})
        self._origins = frozenset({*origins(port), f"{known.scheme}://{known.netloc}"} - {"://"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request or a web socket on, or refuse it with the reason."""
        problem = None if scope["type"] == "lifespan" else self._problem(scope)
        if problem is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": problem})
        else:
            body = json.dumps({"exception_message": problem}).encode()
            headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
            await send({"type": "http.response.start", "status": 403, "headers": headers})
            await send({"type": "http.response.body", "body": body})

    def _problem(self, scope: Scope) -> str | None:
        said = [(name, value.decode("latin-1").lower()) for name, value in scope["headers"]]
        hosts = [value for name, value in said if name == b"host"]
        if len(hosts) != 1 or hosts[0] not in self._hosts:
            return "this server answers by the names of this machine alone"
        if any(name == b"origin" and value not in self._origins for name, value in said):
            return "this server answers no page of another place"
        return None


def auth_string(folder: Path) -> str:
    """Return the user and password of the servers below a folder, made when first asked for.

    Whoever may read the file may spend: it is as private as the home it lies in.
    """
    path = make_folder(folder) / "auth"
    if not path.exists():
        mine = path.with_name(f".auth.{secrets.token_hex(4)}")
        write_private(mine, f"assetmill:{secrets.token_urlsafe(32)}\n".encode())
        # Of two that come at once, one names it.
        with suppress(FileExistsError):
            os.link(mine, path)
        mine.unlink()
    return path.read_text(encoding="ascii").strip()
