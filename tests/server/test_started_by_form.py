"""A run that somebody starts by the form of a real page: typed, priced, confirmed, and seen to its end."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from assetmill.settings import Settings
from assetmill.store.ledger import Ledger
from assetmill.store.opening import open_store
from tests.assetmill.gallery.conftest import IN_CHROMIUM
from tests.browsers import chromium, page
from tests.millworks import CHAIN, settings_in

__all__ = ["chromium", "page"]

pytestmark = [*IN_CHROMIUM, pytest.mark.server, pytest.mark.xdist_group("prefect")]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path, chain=CHAIN)


@pytest.fixture
def link(settings: Settings) -> Iterator[str]:
    """The link of `assetmill open`; at the end everything that was started for the project is stopped."""
    where = {"ASSETMILL_HOME": str(settings.home), "ASSETMILL_CONFIGS": str(settings.configs)}
    command, env = [sys.executable, "-m", "assetmill.cli.main"], os.environ | where
    with subprocess.Popen(
        [*command, "open", "--no-browser", "--json"], stdout=subprocess.PIPE, env=env, text=True
    ) as opened:
        assert opened.stdout
        told = ""
        while not told.endswith("}\n"):
            told += opened.stdout.readline()
        try:
            yield json.loads(told)["url"]
        finally:
            # Shown with a failure: what the run said is nowhere else.
            for log in (settings.home / "gallery" / "runs").glob("*.log"):
                logging.getLogger(__name__).warning(log.read_text(errors="replace"))
            opened.kill()
            subprocess.run([*command, "stop"], check=True, env=env, capture_output=True)


def test_a_run_is_started_by_its_form(settings: Settings, link: str, page: Page) -> None:
    page.goto(link)
    page.get_by_role("button", name="Run chain").click()
    subject = page.get_by_label("Subject")
    expect(subject).to_have_value("a teal mug")
    subject.fill("a red lamp")
    expect(page.locator("#price")).to_contain_text("2 of 2 stages to make: about $")
    start = page.locator("#order [type=submit]")
    expect(start).to_have_text(re.compile(r"Start for at most \$\d"))
    shown = float((start.text_content() or "").rpartition("$")[2])
    start.click()
    expect(page.locator("#told")).to_contain_text("chain was started")
    card = page.locator("#runs .card").first
    expect(card).to_be_visible(timeout=60_000)
    card.click()
    tiles = page.locator("#wall .picture")
    expect(tiles).to_have_count(2)
    for tile in (tiles.first, tiles.last):
        expect(tile).to_have_attribute("data-state", "output", timeout=60_000)
    ledger = Ledger(open_store(settings.store_url))
    run = ledger.find_manifest(ledger.find_run("latest"))
    assert run is not None
    assert (run.status, run.parameters) == ("completed", {"subject": "a red lamp"})
    assert 0 < (run.spent_usd or 0) <= shown
