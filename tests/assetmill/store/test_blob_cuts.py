"""An answer of Azure Blob that stops half-way is an outage: it is waited for, and asked for again."""

from __future__ import annotations

from collections.abc import Generator
from http.server import BaseHTTPRequestHandler
from typing import ClassVar

import pytest

from assetmill.errors import StoreAway
from assetmill.store.blob import BlobStore
from tests.assetmill.store.blob_service import store_on

DATA = bytes(range(256)) * 400


class _Cutting(BaseHTTPRequestHandler):
    """Answers reads, of ranges too, and hangs up in the middle of so many of them."""

    protocol_version = "HTTP/1.1"
    cuts: ClassVar[int] = 0
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        asked = self.headers.get("x-ms-range") or self.headers.get("Range")
        self.asked.append(asked or "")
        start = int(asked.removeprefix("bytes=").partition("-")[0]) if asked else 0
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(DATA) - start))
        self.send_header("Last-Modified", "Sat, 28 Nov 2026 10:00:00 GMT")
        self.send_header("ETag", '"1"')
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{len(DATA) - 1}/{len(DATA)}")
        self.end_headers()
        is_cut = len(self.asked) <= self.cuts
        self.wfile.write(DATA[start : start + 1_000] if is_cut else DATA[start:])
        self.close_connection = is_cut

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Generator[BlobStore]:
    _Cutting.asked.clear()
    with store_on(_Cutting, monkeypatch) as made:
        yield made


def test_a_read_that_is_cut_goes_on_where_it_was(store: BlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Cutting, "cuts", 2)
    assert store.get("v1/k/x") == DATA
    assert _Cutting.asked[1:] == [f"bytes={1_000 * n}-{len(DATA) - 1}" for n in (1, 2)]


def test_a_read_that_is_cut_each_time_is_an_outage(store: BlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Cutting, "cuts", 99)
    with pytest.raises(StoreAway, match="body error"):
        store.get("v1/k/x")
