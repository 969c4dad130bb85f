"""A small MCP server on loopback that answers in place of the public ones the vendor's scripts name."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

Json = dict[str, Any]
README = (
    "Azure REST API Specifications. This repository is the canonical source of the REST API specifications "
    "of Microsoft Azure. Its specification folder holds one folder per service, each with data-plane and "
    "resource-manager parts, and documents how to propose an addition."
)
ROUTES = {
    "https://gitmcp.io/Azure/azure-rest-api-specs": "/docs",
    "https://api.githubcopilot.com/mcp": "/profile",
}
_TEXT = {"type": "string"}
_TOOLS: dict[str, list[Json]] = {
    "/docs": [
        {
            "name": "fetch_azure_rest_api_docs",
            "description": "Fetch the Readme of the Azure REST API specifications repository.",
            "inputSchema": {"type": "object", "properties": {}},
        },
        {
            "name": "search_azure_rest_api_code",
            "description": "Search for code in the repository.",
            "inputSchema": {"type": "object", "properties": {"query": _TEXT}, "required": ["query"]},
        },
    ],
    "/profile": [
        {
            "name": "get_me",
            "description": "Get the profile of the authenticated GitHub user, with the username.",
            "inputSchema": {"type": "object", "properties": {}},
        }
    ],
}
_ANSWERS = {
    "fetch_azure_rest_api_docs": README,
    "search_azure_rest_api_code": "specification/storage/readme.md",
    "get_me": '{"login": "octo-stand-in", "name": "A GitHub profile"}',
}


class _Server(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    calls: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        asked: Json = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        result = self._result(asked["method"], asked.get("params") or {})
        body = json.dumps({"jsonrpc": "2.0", "id": asked.get("id"), "result": result}).encode()
        is_notification = "id" not in asked
        self.send_response(202 if is_notification else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "0" if is_notification else str(len(body)))
        self.end_headers()
        if not is_notification:
            self.wfile.write(body)

    def _result(self, method: str, parameters: Json) -> Json:
        if method == "initialize":
            about = {"name": "stand-in", "version": "1"}
            return {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": about}
        if method == "tools/list":
            return {"tools": _TOOLS[self.path]}
        if method == "tools/call":
            self.calls.append(str(parameters["name"]))
            return {"content": [{"type": "text", "text": _ANSWERS[str(parameters["name"])]}]}
        return {}

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the scripts' lines are the output."""


@contextlib.contextmanager
def serving() -> Generator[dict[str, str]]:
    """Serve on loopback; yields the emulator's setting `mcp_routes`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Server)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        base = f"http://127.0.0.1:{server.server_address[1]}"
        yield {url: base + path for url, path in ROUTES.items()}
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
