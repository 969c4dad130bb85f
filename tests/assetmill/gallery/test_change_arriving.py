"""A change drawn while the page looks on: its partial pictures come one after the other, then the picture."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from queue import SimpleQueue

import pytest
from playwright.sync_api import Page, expect

from assetmill.agents.gateway import Frame, OnFrame, Response
from assetmill.gallery.changing import Changing
from assetmill.gallery.serving import Gallery
from assetmill.gallery.walls import Walls
from assetmill.stage.services import Services
from tests.assetmill.gallery.conftest import IN_CHROMIUM, serving, site_on
from tests.doubles import ScriptedGateway, always, image_item, png
from tests.millworks import run_here, services_on

pytestmark = IN_CHROMIUM


class AtASign(ScriptedGateway):
    """A service of which every partial picture and the end come at a sign."""

    def __init__(self) -> None:
        super().__init__(always(image_item(png(1024, 1024, "red"))))
        self.signs = SimpleQueue[None]()

    def follow_response(self, response_id: str, *, deadline_s: float, on_frame: OnFrame | None) -> Response:
        for number in (1, 2):
            self.signs.get(timeout=60)
            if on_frame:
                on_frame(Frame(number, png(64 * number, 64 * number, "red")))
        self.signs.get(timeout=60)
        return super().follow_response(response_id, deadline_s=deadline_s, on_frame=None)


@pytest.fixture
def gateway() -> AtASign:
    return AtASign()


@pytest.fixture
def link(services: Services, gateway: AtASign) -> Iterator[str]:
    run = run_here(services, "chain")
    drawing = services_on(services.settings, services.backend, gateway)
    changing = Changing(lambda: nullcontext(drawing), lambda _services: nullcontext())
    try:
        with serving(Gallery(site_on(services, Walls(services.backend).find(run.run_id)), changing)) as link:
            yield link
    finally:
        for _ in range(3):
            gateway.signs.put(None)  # whatever it still waits for
        changing.close()


def test_the_frames_of_a_change_arrive_live(gateway: AtASign, link: str, page: Page) -> None:
    page.goto(link)
    tiles = page.locator("#wall .picture")
    expect(tiles).to_have_count(2)
    tiles.first.click()
    page.keyboard.press("e")
    page.locator("#change textarea").fill("make it red")
    page.locator("#change [name=price]").click()
    expect(page.locator("#priced")).to_contain_text("never more than $")
    page.locator("#change [name=confirm]").click()
    edit = tiles.nth(2)
    expect(edit).to_have_attribute("data-state", "drawing")
    for number in (1, 2):
        gateway.signs.put(None)
        expect(edit).to_have_attribute("data-frames", str(number))
        expect(edit.locator("img")).to_have_js_property("naturalWidth", 64 * number)
        expect(edit).to_have_attribute("data-state", "drawing")
    gateway.signs.put(None)
    expect(edit).to_have_attribute("data-state", "output")
    expect(page.locator("#name")).to_have_text("first-edit.png")
    assert len(gateway.posts) == 1
