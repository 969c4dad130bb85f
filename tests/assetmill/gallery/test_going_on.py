"""From the last decision on one person's page to what is drawn next, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from assetmill.gallery.asking import Asking, PassOffer
from assetmill.gallery.house import House
from assetmill.gallery.overview import Overview
from assetmill.gallery.serving import Entrance, Gallery
from assetmill.gallery.thumbnails import ThumbnailStore
from assetmill.gallery.walls import Walls
from assetmill.plan.plan import Cost
from assetmill.records import RunManifest
from assetmill.stage.services import Services
from tests.assetmill.gallery.conftest import IN_CHROMIUM, serving, site_on
from tests.millworks import run_here

pytestmark = IN_CHROMIUM


class Passes:
    """What comes next, by this test; it notes what was started."""

    def __init__(self) -> None:
        self.started: list[PassOffer] = []

    def offer(self, what: str) -> PassOffer:
        return PassOffer(what, ("draw",), Cost(0.005, 0.01, 0.02), ("draw: <b>too dark</b>",))

    def start(self, offer: PassOffer) -> None:
        self.started.append(offer)


@pytest.fixture
def run(services: Services) -> RunManifest:
    return run_here(services, "chain")


@pytest.fixture
def passes() -> Passes:
    return Passes()


@pytest.fixture
def link(services: Services, run: RunManifest, passes: Passes) -> Iterator[str]:
    def build(what: str | None, door: Entrance) -> Gallery:
        site = site_on(services, Walls(services.backend).find(what), "ada")
        return Gallery(site, door=door, asks_for_next=True, then_run=True)

    thumbnails = ThumbnailStore(services.settings.home, services.blobs)
    overview = Overview(services.backend, services.settings.configs, thumbnails, None)
    house = House(overview, build, None, Asking(passes), start=run.run_id, reviewer="ada")
    with serving(house) as link:
        yield link


def say_too_dark(page: Page, link: str) -> None:
    """Begin to reject the first picture; the reason is typed and not sent."""
    page.goto(link)
    page.locator("#wall button").first.press("Enter")
    page.locator("#picture").wait_for()
    page.keyboard.press("r")
    page.keyboard.type("too dark")


def test_once_all_is_decided_the_price_comes_and_a_yes_begins(
    page: Page, link: str, run: RunManifest, passes: Passes
) -> None:
    say_too_dark(page, link)
    page.keyboard.press("Control+Enter")
    expect(page.locator(".reviews")).to_contain_text("too dark")
    expect(page.locator("#why")).to_be_hidden()  # else what is typed goes on with the reason
    assert passes.started == []
    page.keyboard.press("j")
    expect(page.locator("#place")).to_have_text("2 of 2")
    page.keyboard.press("a")
    page.wait_for_url(f"**/again/{run.run_id}")
    expect(page.locator(".figure")).to_have_text("1 to draw: about $0.0100, at most $0.0200.")
    expect(page.locator(".lines li")).to_have_text("draw: <b>too dark</b>")
    assert passes.started == []
    page.locator(".main").click()
    page.wait_for_url("**/")
    assert [one.what for one in passes.started] == [run.run_id]
    expect(page.locator("#runs .card")).to_have_count(1)
    page.wait_for_load_state("networkidle")


def test_a_rejection_leads_to_the_price_of_drawing_it_again(
    page: Page, link: str, run: RunManifest, passes: Passes
) -> None:
    say_too_dark(page, link)
    page.locator("#redraw").click()
    page.wait_for_url(f"**/again/{run.run_id}")
    assert passes.started == []
