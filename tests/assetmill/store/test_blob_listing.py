"""A listing on Azure Blob costs what is asked for, not what else lies in the folder."""

from __future__ import annotations

from collections.abc import Generator
from http.server import BaseHTTPRequestHandler
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest

from assetmill.store.blob import BlobStore
from tests.assetmill.store.blob_service import store_on

PAGE = 50
KEYS = sorted(f"deep/v1/i/p/{number:03d}.{turn:03d}" for number in range(600) for turn in range(2))


class _Listing(BaseHTTPRequestHandler):
    """Answers "List Blobs" as the service documents it: by prefix, from a name on, a page at a time."""

    asked: ClassVar[list[dict[str, str]]] = []

    def do_GET(self) -> None:
        query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        self.asked.append(query)
        first = max(query.get("startFrom", ""), query.get("marker", ""))
        found = [key for key in KEYS if key.startswith(query.get("prefix", "")) and key >= first]
        more = found[PAGE] if len(found) > PAGE else ""
        blobs = "".join(_blob(key) for key in found[:PAGE])
        text = (
            f"<EnumerationResults><Blobs>{blobs}</Blobs><NextMarker>{more}</NextMarker></EnumerationResults>"
        )
        data = f'<?xml version="1.0" encoding="utf-8"?>{text}'.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def _blob(key: str) -> str:
    properties = (
        "<Creation-Time>Sat, 28 Nov 2026 10:00:00 GMT</Creation-Time>"
        "<Last-Modified>Sat, 28 Nov 2026 10:00:00 GMT</Last-Modified>"
        "<Content-Length>3</Content-Length><Content-Type>application/json</Content-Type><Etag>1</Etag>"
    )
    return f"<Blob><Name>{key}</Name><Properties>{properties}</Properties></Blob>"


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Generator[BlobStore]:
    _Listing.asked.clear()
    with store_on(_Listing, monkeypatch) as made:
        yield made


@pytest.mark.parametrize("number", ["000", "300", "599"])
def test_the_beginning_of_a_name_is_listed_without_the_rest_of_its_folder(
    store: BlobStore, number: str
) -> None:
    found = [entry.key for entry in store.list(f"v1/i/p/{number}.")]
    assert found == [f"v1/i/p/{number}.000", f"v1/i/p/{number}.001"]
    # One more may be on its way when the end is seen.
    assert len(_Listing.asked) <= 3


@pytest.mark.parametrize("prefix", ["v1/", "v1/i/p/", "v1/i/p"])
def test_a_whole_folder_is_listed_to_its_end(store: BlobStore, prefix: str) -> None:
    assert [entry.key for entry in store.list(prefix)] == [key.removeprefix("deep/") for key in KEYS]


def test_the_first_of_a_folder_is_told_before_the_rest_is_listed(store: BlobStore) -> None:
    assert next(store.list("v1/i/p/")).key == KEYS[0].removeprefix("deep/")
    assert len(_Listing.asked) <= 3 < len(KEYS) / PAGE
