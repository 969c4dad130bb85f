"""MCP servers that drip, redirect for ever or never end: each call is over in time and says why."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from foundry_emulator.mcp.client import McpClient, McpProblem
from foundry_emulator.testing.calls import Raw

TIMEOUT_S = 0.5
Answer = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """Answers every request as its server is told to."""

    protocol_version = "HTTP/1.1"

    @property
    def host(self) -> Hostile:
        """The server that tells what to answer."""
        assert isinstance(self.server, Hostile)
        return self.server

    def do_POST(self) -> None:
        """Answer a message."""
        self.message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.host.asked += 1
        self.host.answer(self)

    def begin(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Connection": "close", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def drip(self, data: bytes) -> None:
        """Send a little again and again until the client is gone."""
        try:
            while not self.host.over.wait(0.01):
                self.wfile.write(data)
                self.wfile.flush()
        except OSError:
            return

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class Hostile(ThreadingHTTPServer):
    """A server that answers as it likes."""

    daemon_threads = True

    def __init__(self, answer: Answer) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer, self.asked, self.over = answer, 0, threading.Event()


@contextmanager
def serving(answer: Answer) -> Generator[tuple[Hostile, str]]:
    server = Hostile(answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server, f"http://127.0.0.1:{server.server_port}/mcp"
    finally:
        server.over.set()
        server.shutdown()
        server.server_close()
        thread.join()


def drips_its_body(handler: Handler) -> None:
    handler.begin(200, Content_Type="text/event-stream")
    handler.drip(b": \n")


def drips_its_headers(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    handler.drip(b"a")


def redirects_to_itself(handler: Handler) -> None:
    handler.begin(307, Location=handler.path, Content_Length="0")


def answers_and_stays(handler: Handler) -> None:
    handler.begin(200, Content_Type="text/event-stream")
    answer = {"jsonrpc": "2.0", "id": handler.message.get("id"), "result": {"tools": [{"name": "add"}]}}
    handler.wfile.write(f"data: {json.dumps(answer)}\n\n".encode())
    handler.drip(b": \n")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (drips_its_body, "gave no answer to initialize"),
        (drips_its_headers, "gave no answer to initialize|does not answer"),
        (redirects_to_itself, "answered with 307"),
    ],
)
def test_a_hostile_server_is_left_in_time_and_asked_once(answer: Answer, said: str) -> None:
    with serving(answer) as (server, url):
        with pytest.raises(McpProblem, match=said):
            McpClient(url, {}, timeout_s=TIMEOUT_S).list_tools()
        assert server.asked == 1


def test_an_answer_counts_though_its_stream_stays_open() -> None:
    with serving(answers_and_stays) as (_, url):
        client = McpClient(url, {}, timeout_s=TIMEOUT_S)
        assert client.list_tools() == [{"name": "add"}]


def test_a_response_whose_server_redirects_for_ever_ends_and_names_it(raw: Raw) -> None:
    with serving(redirects_to_itself) as (server, url):
        tool = {"type": "mcp", "server_label": "m", "server_url": url, "require_approval": "never"}
        body = raw.respond("list:m", tools=[tool])
        assert body["status"] == "completed"
        listed = next(item for item in body["output"] if item["type"] == "mcp_list_tools")
        assert "307" in str(listed["error"])
        assert listed["tools"] == []
        assert server.asked == 1
