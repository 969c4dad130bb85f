"""The server over HTTP: for programs of this machine that know its token, and for no web page."""

from __future__ import annotations

import secrets
import socket
from typing import Any

import uvicorn
from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings

from assetmill.local.guard import App, Guard, Receive, Scope, Send, auth_string
from assetmill.settings import Settings

PATH = "/mcp"


def token_of(settings: Settings) -> str:
    """Return the bearer token of this home's server, made when first asked for."""
    return auth_string(settings.home / "mcp").partition(":")[2]


class BearerGuard:
    """Lets through who knows the token."""

    def __init__(self, app: App, token: str) -> None:
        self._app, self._expected = app, f"bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "lifespan" or self._knows(scope):
            return await self._app(scope, receive, send)
        headers = [(b"www-authenticate", b"Bearer"), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 401, "headers": headers})
        await send({"type": "http.response.body", "body": b""})
        return None

    def _knows(self, scope: Scope) -> bool:
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        said = given[0][:7].lower() + given[0][7:] if len(given) == 1 else b""
        return secrets.compare_digest(said, self._expected)


def guarded_app(server: MCPServer[Any], port: int, token: str) -> Guard:
    """Return the application behind both guards: who asks by which name, and whether they know the token."""
    # The SDK's own check of names is off: ours stands before it, and refuses the same and more.
    unchecked = TransportSecuritySettings(enable_dns_rebinding_protection=False)
    app = server.streamable_http_app(streamable_http_path=PATH, transport_security=unchecked)
    return Guard(BearerGuard(app, token), port)  # pyright: ignore[reportArgumentType]


def serve_http(server: MCPServer[Any], listener: socket.socket, token: str) -> None:
    """Serve until a signal comes."""
    app = guarded_app(server, listener.getsockname()[1], token)
    config = uvicorn.Config(app, log_level="error", access_log=False, lifespan="on")  # pyright: ignore[reportArgumentType]
    uvicorn.Server(config).run(sockets=[listener])
