"""A tiny HTTP server that speaks enough S3 for one bucket, and can be told to misbehave."""

from __future__ import annotations

import threading
import urllib.parse
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from xml.sax.saxutils import escape

import boto3.session

from assetmill.store.s3 import S3Store

BUCKET = "bucket"
DATE = "Sun, 22 Nov 2026 10:00:00 GMT"


@dataclass(frozen=True)
class Fault:
    """What happens to a request: a reply instead of the work, or the work done and its reply spoilt."""

    kind: Literal["reply", "drop after work", "cut body"]
    status: int = 0
    code: str = ""
    body: str | None = None


@dataclass
class StandIn:
    """The server's state; `faults` are used up one a request, `always` stays."""

    url: str = ""
    objects: dict[str, bytes] = field(default_factory=dict[str, bytes])
    seen: list[tuple[str, str, dict[str, str]]] = field(default_factory=list[tuple[str, str, dict[str, str]]])
    faults: list[Fault] = field(default_factory=list[Fault])
    always: Fault | None = None
    honours_conditions: bool = True
    lists_by_directory: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def store(self, *, attempts: int = 4, page_size: int = 1000, prefix: str = "") -> S3Store:
        return S3Store(
            BUCKET, prefix, endpoint_url=self.url, session=_session(), attempts=attempts, page_size=page_size
        )


@contextmanager
def s3_stand_in() -> Generator[StandIn]:
    state = StandIn()

    class Handler(_Handler):
        stand_in = state

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    stand_in: StandIn
    protocol_version = "HTTP/1.1"
    timeout = 10

    def log_message(self, format: str, *args: object) -> None:
        pass

    def handle_one_request(self) -> None:
        super().handle_one_request()
        # One request a connection, so that no idle keep-alive holds the server open.
        self.close_connection = True

    def do_GET(self) -> None:
        self._answer(b"")

    def do_HEAD(self) -> None:
        self._answer(b"")

    def do_DELETE(self) -> None:
        self._answer(b"")

    def do_PUT(self) -> None:
        self._answer(self.rfile.read(int(self.headers["Content-Length"])))

    def _answer(self, body: bytes) -> None:
        state = self.stand_in
        with state.lock:
            state.seen.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}))
            fault = state.faults.pop(0) if state.faults else state.always
            if fault and fault.kind == "reply":
                return self._reply(fault.status, _error(fault))
            status, reply = self._work(body)
        if fault and fault.kind == "drop after work":
            return None
        return self._reply(status, reply, cut=fault is not None and fault.kind == "cut body")

    def _work(self, body: bytes) -> tuple[int, bytes]:
        state = self.stand_in
        path, _, query = self.path.partition("?")
        key = urllib.parse.unquote(path).removeprefix(f"/{BUCKET}").removeprefix("/")
        if self.command == "PUT":
            if state.honours_conditions and self.headers["If-None-Match"] == "*" and key in state.objects:
                return 412, _error(Fault("reply", 412, "PreconditionFailed"))
            state.objects[key] = body
            return 200, b""
        if self.command == "DELETE":
            state.objects.pop(key, None)
            return 204, b""
        if "list-type" in query:
            return 200, self._listing(dict(urllib.parse.parse_qsl(query)))
        if key and key not in state.objects:
            return 404, _error(Fault("reply", 404, "NoSuchKey"))
        return 200, state.objects.get(key, b"")

    def _listing(self, query: dict[str, str]) -> bytes:
        keys = [key for key in self.stand_in.objects if key.startswith(query.get("prefix", ""))]
        keys.sort()
        if self.stand_in.lists_by_directory:
            keys.sort(key=_by_directory)
        start, size = int(query.get("continuation-token", "0")), int(query["max-keys"])
        page, more = keys[start : start + size], start + size < len(keys)
        contents = "".join(
            f"<Contents><Key>{escape(urllib.parse.quote(key))}</Key><Size>{len(self.stand_in.objects[key])}</Size>"
            "<LastModified>2026-11-22T10:00:00.000Z</LastModified></Contents>"
            for key in page
        )
        token = f"<NextContinuationToken>{start + size}</NextContinuationToken>" if more else ""
        truncated = f"<IsTruncated>{str(more).lower()}</IsTruncated>"
        encoding = "<EncodingType>url</EncodingType>"
        return f"<ListBucketResult>{encoding}{truncated}{token}{contents}</ListBucketResult>".encode()

    def _reply(self, status: int, body: bytes, *, cut: bool = False) -> None:
        self.send_response(status)
        self.send_header("Last-Modified", DATE)
        self.send_header("Connection", "close")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[: len(body) // 2] if cut else body)


@cache
def _session() -> boto3.session.Session:
    # It parses megabytes of service descriptions at its first client.
    return boto3.session.Session("access", "secret")


def _by_directory(key: str) -> list[str]:
    return key.split("/")


def _error(fault: Fault) -> bytes:
    if fault.body is not None:
        return fault.body.encode()
    return f"<Error><Code>{fault.code}</Code><Message>told to</Message></Error>".encode()
