"""A tool server on loopback that has the tools of a recording and answers their calls as it shows them."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

from foundry_emulator.jsons import Json, as_list, as_object


class Tools:
    """What the server has and says; set anew for every exchange."""

    def __init__(self) -> None:
        self.address = ""
        self._listed: list[Json] = []
        self._outputs: dict[str, Json] = {}

    def follow(self, items: Iterable[Json]) -> None:
        """Have the tools that these output items list, and answer calls as they tell."""
        shown = list(items)
        self._listed = [as_object(tool) for item in shown for tool in as_list(item.get("tools"))]
        self._outputs = {str(item.get("name")): item for item in shown if item.get("type") == "mcp_call"}

    def answer(self, message: Json) -> Json | None:
        """Return the result of one request, None for a notification."""
        method = message.get("method")
        if method == "initialize":
            info = {"name": "recorded", "version": "1"}
            return {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": info}
        if method == "tools/list":
            return {"tools": [_as_listed(tool) for tool in self._listed]}
        if method == "tools/call":
            item = self._outputs.get(str(as_object(message.get("params")).get("name")), {})
            text = {"type": "text", "text": str(item.get("output") or "")}
            return {"content": [text], "isError": bool(item.get("error"))}
        return None


def _as_listed(tool: Json) -> Json:
    schema = tool.get("input_schema") or {"type": "object"}
    return {**{key: value for key, value in tool.items() if key != "input_schema"}, "inputSchema": schema}


@contextmanager
def tool_server() -> Generator[Tools]:
    """Serve tools until the block ends."""
    tools = Tools()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            message = cast(Json, json.loads(self.rfile.read(length)))
            result = tools.answer(message)
            told: Json = {"jsonrpc": "2.0", "id": message.get("id"), "result": result}
            data = json.dumps(told).encode() if result is not None else b""
            self.send_response(200 if result is not None else 202)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing: the comparison is what is printed."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        tools.address = f"http://127.0.0.1:{server.server_port}/mcp"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield tools
        finally:
            server.shutdown()
            thread.join()
