"""A page whose pictures are read slowly, or whose server falls silent, while its run goes on."""

from __future__ import annotations

from playwright.sync_api import APIResponse, Page, Route, expect

from assetmill.gallery.serving import Gallery
from assetmill.runs.run import Run
from assetmill.stage.services import Services
from tests.assetmill.gallery.conftest import IN_CHROMIUM, serving
from tests.assetmill.gallery.test_gallery_events import carry_out, gallery, run

__all__ = ["gallery", "run"]

pytestmark = IN_CHROMIUM


def test_tiles_that_come_late_are_not_older_than_what_was_told(
    services: Services, run: Run, gallery: Gallery, page: Page
) -> None:
    held: list[tuple[Route, APIResponse]] = []
    page.route("**/tiles/0000.js", lambda route: held.append((route, route.fetch())))
    with serving(gallery) as link:
        page.goto(link, wait_until="commit")
        while not held:
            page.wait_for_timeout(10)
        # What the page will be given is read; on its way the run goes on.
        carry_out(run, services, "first")
        expect(page.locator("#live")).to_have_text("Live: 1 of 2 shown")
        route, reply = held[0]
        route.fulfill(response=reply)
        tiles = page.locator("#wall .picture")
        expect(tiles.first).to_have_attribute("data-state", "output")
        expect(tiles.last).to_have_attribute("data-state", "queued")
        page.goto("about:blank")


def test_a_search_that_is_overtaken_leaves_no_tile_as_it_was(
    services: Services, run: Run, gallery: Gallery, page: Page
) -> None:
    with serving(gallery) as link:
        page.goto(link)
        tiles = page.locator("#wall .picture")
        expect(tiles).to_have_count(2)
        page.get_by_label("Search").fill("s")
        # Every search waits for a sign: the two ends below are told before the first one is drawn.
        page.evaluate(
            """() => {
              const search = gallery.matching;
              gallery.held = [];
              gallery.matching = async (...asked) => {
                await new Promise((resolve) => gallery.held.push(resolve));
                return search(...asked);
              };
            }"""
        )
        for told, label in enumerate(("first", "second"), start=1):
            carry_out(run, services, label)
            page.wait_for_function("number => gallery.held.length >= number", arg=told)
        page.evaluate("() => gallery.held.forEach((resolve) => resolve())")
        for tile in (tiles.first, tiles.last):
            expect(tile).to_have_attribute("data-state", "output")
        page.goto("about:blank")


def test_a_server_that_is_not_heard_is_said_to_be_gone(run: Run, gallery: Gallery, page: Page) -> None:
    page.clock.install()
    live = page.locator("#live")
    with serving(gallery) as link:
        page.goto(link)
        expect(live).to_have_text("Live: 0 of 2 shown")
        # As over a connection that is cut where neither end sees it.
        page.clock.fast_forward("00:46")
        expect(live).to_have_text("Not live: the page's server does not answer. It is asked again.")
        page.clock.fast_forward("00:31")
        expect(live).to_have_text("Live: 0 of 2 shown")
        page.goto("about:blank")
