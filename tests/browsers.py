"""A real Chromium for tests, and a server for it to ask."""

from __future__ import annotations

import shutil
import socket
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page, sync_playwright

from assetmill.local.gallery_server import PageServer

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    if "link" in request.fixturenames:
        # Before the page, and so closed after it: a page that still loads must not lose its server.
        request.getfixturevalue("link")
    page = chromium.new_page(viewport={"width": 1280, "height": 800})
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if not _is_told_to_wait(message) else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    refused: list[str] = []
    page.on("response", lambda reply: refused.append(f"{reply.status} {reply.url}") if not reply.ok else None)

    def note(dialog: Dialog) -> None:
        said.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", note)
    yield page
    page.close()
    # Every error, every refusal by the content policy and every `alert` of a hostile name ends up here.
    assert not said, (said, refused)


def _is_told_to_wait(message: ConsoleMessage) -> bool:
    """Whether a browser notes that a word came too quickly: the page sends it again by itself."""
    return "status of 429" in message.text and message.location["url"].endswith("/reviews")


@contextmanager
def answering(app: Any, listener: socket.socket) -> Generator[None]:
    """Let an application answer who asks on a socket."""
    server = PageServer(app, leave_within_s=1)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()
