"""Stores on servers that answer as Azure Blob does."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from assetmill.store.blob import BlobStore


@contextmanager
def store_on(handler: type[BaseHTTPRequestHandler], monkeypatch: pytest.MonkeyPatch) -> Generator[BlobStore]:
    """Open a store whose requests a handler answers."""
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "account")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "a2V5")
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield BlobStore("azure://box/deep", endpoint_url=f"http://127.0.0.1:{server.server_port}/account")
    server.shutdown()
    server.server_close()
