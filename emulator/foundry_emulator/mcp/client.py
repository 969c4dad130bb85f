"""A small MCP client over streamable HTTP: initialise, list tools, call one, on allowed hosts only."""

from __future__ import annotations

import http.client
import itertools
import json
import socket
import threading
import urllib.parse
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Literal, cast

_PROTOCOL = "2025-06-18"
_TIMEOUT_S = 20.0
_LIMIT_BYTES = 8 * 1024 * 1024
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
Json = dict[str, Any]


class McpProblem(Exception):
    """The server could not be asked, or answered with an error of the protocol."""

    def __init__(self, kind: Literal["http_error", "mcp_protocol_error"], code: int, message: str) -> None:
        super().__init__(kind, code, message)
        self.kind, self.code, self.message = kind, code, message

    def __str__(self) -> str:
        return self.message

    def as_json(self) -> Json:
        """Return the error as an `mcp_call` item carries it."""
        return {"type": self.kind, "code": self.code, "message": self.message}


class McpClient:
    """One MCP server. Every public call opens a session and ends it."""

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        hosts: frozenset[str] = frozenset(),
        *,
        timeout_s: float = _TIMEOUT_S,
    ) -> None:
        self._timeout_s = timeout_s
        self._url = urllib.parse.urlsplit(url)
        self._headers = dict(headers)
        self._hosts = hosts
        self._ids = itertools.count(1)
        self._session: str | None = None

    def list_tools(self) -> list[Json]:
        """Return the tool definitions as the server gives them.

        Raises:
            McpProblem: the host is not allowed, does not answer, or answers with an error.
        """
        self._begin()
        tools: list[Json] = []
        cursor: str | None = None
        for _ in range(20):
            result = self._ask("tools/list", {"cursor": cursor} if cursor else {})
            page = result.get("tools")
            if isinstance(page, list):
                tools += [cast(Json, tool) for tool in cast("list[Any]", page) if isinstance(tool, dict)]
            cursor = result.get("nextCursor")
            if not cursor:
                break
        return tools

    def call(self, name: str, arguments: Json) -> tuple[str, bool]:
        """Call a tool and return its text, and whether the tool itself reports an error.

        Raises:
            McpProblem: as for `list_tools`.
        """
        self._begin()
        result = self._ask("tools/call", {"name": name, "arguments": arguments})
        content: list[Any] = result.get("content") or []
        texts = [str(cast(Json, part).get("text", "")) for part in content if isinstance(part, dict)]
        return "\n".join(text for text in texts if text), bool(result.get("isError"))

    def _begin(self) -> None:
        if self._session is not None:
            return
        self._session = ""
        client = {"name": "assetmill-emulator", "version": "1"}
        self._ask("initialize", {"protocolVersion": _PROTOCOL, "capabilities": {}, "clientInfo": client})
        self._post({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def _ask(self, method: str, params: Json) -> Json:
        wanted = next(self._ids)
        body = self._post({"jsonrpc": "2.0", "id": wanted, "method": method, "params": params})
        for message in _messages(body):
            if message.get("id") != wanted:
                continue
            if isinstance(error := message.get("error"), dict):
                details = cast(Json, error)
                code = details.get("code")
                number = code if isinstance(code, int) else -32603
                raise McpProblem("mcp_protocol_error", number, str(details.get("message", "error")))
            result = message.get("result")
            return cast(Json, result) if isinstance(result, dict) else {}
        raise McpProblem("mcp_protocol_error", -32603, f"The MCP server gave no answer to {method}.")

    def _connection(self) -> http.client.HTTPConnection:
        host = self._url.hostname or ""
        if self._url.scheme not in ("http", "https") or not host:
            raise McpProblem("http_error", 400, "The MCP server URL is not an http address.")
        if host not in _LOOPBACK and host not in self._hosts:
            raise McpProblem(
                "http_error", 403, f"The emulator may not call the MCP host '{host}': allow it at start."
            )
        kind = http.client.HTTPSConnection if self._url.scheme == "https" else http.client.HTTPConnection
        try:
            return kind(host, self._url.port, timeout=self._timeout_s)
        except ValueError as problem:
            raise McpProblem("http_error", 400, "The MCP server URL has no valid port.") from problem

    def _post(self, message: Json) -> bytes:
        headers = {
            **self._headers,
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": _PROTOCOL,
        }
        if self._session:
            headers["Mcp-Session-Id"] = self._session
        path = self._url.path or "/"
        target = f"{path}?{self._url.query}" if self._url.query else path
        connection = self._connection()
        try:
            connection.request("POST", target, json.dumps(message), headers)
            with _cut_off(connection, self._timeout_s):
                response = connection.getresponse()
                self._session = response.getheader("Mcp-Session-Id") or self._session
                body = _read(response)
        except (OSError, http.client.HTTPException, ValueError) as problem:
            raise McpProblem("http_error", 502, f"The MCP server does not answer: {problem}") from problem
        finally:
            connection.close()
        if response.status >= 300:
            raise McpProblem(
                "http_error", response.status, f"The MCP server answered with {response.status}."
            )
        return body


@contextmanager
def _cut_off(connection: http.client.HTTPConnection, timeout_s: float) -> Generator[None]:
    """End a reply that takes longer: a server that sends a byte now and then is never silent for long."""
    sock = connection.sock

    def cut() -> None:
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(timeout_s, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _read(response: http.client.HTTPResponse) -> bytes:
    """Return what came: a stream may hold the answer and stay open."""
    try:
        return response.read(_LIMIT_BYTES)
    except http.client.IncompleteRead as cut:
        return cut.partial


def _messages(body: bytes) -> list[Json]:
    """Read JSON-RPC messages from a plain body or from server-sent events."""
    text = body.decode("utf-8", "replace")
    chunks = [text]
    if not text.lstrip().startswith(("{", "[")):
        chunks = [line[5:] for line in text.splitlines() if line.startswith("data:")]
    messages: list[Json] = []
    for chunk in chunks:
        try:
            value: Any = json.loads(chunk)
        except ValueError:
            continue
        batch: list[Any] = cast("list[Any]", value) if isinstance(value, list) else [value]
        messages += [cast(Json, one) for one in batch if isinstance(one, dict)]
    return messages
