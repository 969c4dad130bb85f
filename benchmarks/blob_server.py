"""Serve a folder as Azure Blob serves a container, as far as the product asks: put, get, head, delete, list.

Each folder in it is a container. Names are listed in their order, 5,000 a page, as the service documents it.
"""

from __future__ import annotations

import argparse
import itertools
import re
import secrets
import time
from collections.abc import Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from assetmill.errors import KeyExists, KeyMissing
from assetmill.store.backend import ObjectHead
from assetmill.store.local import LocalStore
from tests.object_servers import AZURITE_ACCOUNT

_PAGE = 5_000


class BlobHandler(BaseHTTPRequestHandler):
    """Answers one connection."""

    protocol_version = "HTTP/1.1"
    # An answer goes in one piece: the client acknowledges a first one 40 ms late, and the next waits for it.
    wbufsize = -1
    folder: ClassVar[Path]
    listings: ClassVar[dict[str, Iterator[ObjectHead]]] = {}
    """Those that were cut at the end of a page, by the marker that goes on with them."""

    def do_PUT(self) -> None:
        """Write an object."""
        data = self.rfile.read(int(self.headers["Content-Length"] or 0))
        store, key = self._place()
        try:
            (store.create if self.headers.get("If-None-Match") == "*" else store.put)(key, data)
        except KeyExists:
            self._answer(409, b"<Error><Code>BlobAlreadyExists</Code></Error>")
        else:
            self._answer(201, b"")

    def do_DELETE(self) -> None:
        """Remove an object."""
        store, key = self._place()
        is_there = store.head(key) is not None
        store.delete(key)
        self._answer(202 if is_there else 404, b"")

    def do_POST(self) -> None:
        """Remove objects that are named together, which is how the product's library removes one, too."""
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        answers: list[str] = []
        for number, path in enumerate(re.findall(r"^DELETE (\S+) HTTP", body, re.MULTILINE)):
            store, key = self._place(path)
            store.delete(key)
            told = f"Content-Type: application/http\r\nContent-ID: {number}\r\n\r\nHTTP/1.1 202 Accepted"
            answers.append(f"--batch\r\n{told}\r\nx-ms-version: 2023-11-03\r\n\r\n")
        text = "".join([*answers, "--batch--\r\n"]).encode()
        self._answer(202, text, media_type="multipart/mixed; boundary=batch")

    def do_HEAD(self) -> None:
        """Tell an object's size."""
        store, key = self._place()
        found = store.head(key)
        if found is None:
            self._answer(404, b"")
        else:
            self._answer(200, b"", found.modified_at, found.size_bytes)

    def do_GET(self) -> None:
        """Read an object, or list some."""
        store, key = self._place()
        query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        if query.get("comp") == "list":
            return self._answer(200, self._page(store, query).encode())
        try:
            data = store.get(key)
        except KeyMissing:
            return self._answer(404, b"<Error><Code>BlobNotFound</Code></Error>")
        asked = self.headers.get("x-ms-range") or self.headers.get("Range")
        if asked is None:
            return self._answer(200, data)
        first, _, last = asked.removeprefix("bytes=").partition("-")
        return self._answer(206, data[int(first) : int(last) + 1], range_of=f"{asked[6:]}/{len(data)}")

    def _page(self, store: LocalStore, query: dict[str, str]) -> str:
        prefix, first = query.get("prefix", ""), query.get("startFrom", "")
        found = self.listings.pop(query.get("marker", ""), None) or (
            head for head in store.list(prefix) if head.key >= first
        )
        page = list(itertools.islice(found, _PAGE))
        marker = ""
        if len(page) == _PAGE:
            self.listings[marker := secrets.token_hex(8)] = found
        blobs = "".join(map(_described, page))
        body = f"<Blobs>{blobs}</Blobs><NextMarker>{marker}</NextMarker>"
        return f'<?xml version="1.0" encoding="utf-8"?><EnumerationResults>{body}</EnumerationResults>'

    def _place(self, path: str = "") -> tuple[LocalStore, str]:
        _, account, container, *key = unquote(urlsplit(path or self.path).path).split("/")
        if account != AZURITE_ACCOUNT:
            raise ValueError(account)
        # A benchmark's store need not survive a power cut.
        return LocalStore(self.folder / container, flush=lambda _: None), "/".join(key)

    def _answer(
        self,
        status: int,
        data: bytes,
        modified_at: float | None = None,
        size: int | None = None,
        *,
        range_of: str = "",
        media_type: str = "application/octet-stream",
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(data) if size is None else size))
        self.send_header("Content-Type", media_type)
        self.send_header("Last-Modified", formatdate(modified_at or time.time(), usegmt=True))
        self.send_header("ETag", '"1"')
        if range_of:
            self.send_header("Content-Range", f"bytes {range_of}")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def _described(head: ObjectHead) -> str:
    when = formatdate(head.modified_at, usegmt=True)
    properties = (
        f"<Creation-Time>{when}</Creation-Time><Last-Modified>{when}</Last-Modified><Etag>1</Etag>"
        f"<Content-Length>{head.size_bytes}</Content-Length><Content-Type>application/json</Content-Type>"
    )
    return f"<Blob><Name>{escape(head.key)}</Name><Properties>{properties}</Properties></Blob>"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    BlobHandler.folder = parser.parse_args().folder
    with ThreadingHTTPServer(("127.0.0.1", 0), BlobHandler) as server:
        print(f"http://127.0.0.1:{server.server_port}/{AZURITE_ACCOUNT}", flush=True)
        server.serve_forever()
