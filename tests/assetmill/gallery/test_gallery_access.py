"""Whether everybody can use the pages: what axe-core says of them, light and dark, small and large."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any, Literal, cast

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from assetmill.gallery.changing import Changing
from assetmill.gallery.closeups import Closeups
from assetmill.gallery.serving import Gallery
from assetmill.gallery.walls import Walls
from assetmill.stage.services import Services
from tests.assetmill.gallery.conftest import IN_CHROMIUM, serving, site_on
from tests.millworks import run_here

pytestmark = IN_CHROMIUM


@pytest.fixture
def link(services: Services) -> Iterator[str]:
    """A wall on which everything is to be had: reviews, changes, a compared picture."""
    run = run_here(services, "chain")
    changing = Changing(lambda: nullcontext(services), lambda _services: nullcontext())
    wall = Walls(services.backend).find(run.run_id)
    site = site_on(services, wall, "ada")
    with serving(Gallery(site, changing, Closeups(site, services.backend))) as link:
        yield link
    changing.close()


def serious(page: Page) -> list[str]:
    """What axe-core finds that keeps people from using the page, by rule and place."""
    response = cast(dict[str, list[dict[str, Any]]], cast(Any, Axe()).run(page).response)
    violations = response["violations"]
    return [
        f"{one['id']}: {node['html'][:200]}"
        for one in violations
        if one["impact"] in {"serious", "critical"}
        for node in one["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 375])
def test_nobody_is_shut_out(
    services: Services, link: str, page: Page, scheme: Literal["light", "dark"], width: int
) -> None:
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(link)
    page.locator("#wall img").first.wait_for()
    assert serious(page) == []
    page.keyboard.press("?")
    page.locator("#help").wait_for()
    assert serious(page) == []
    page.keyboard.press("Escape")
    page.locator("#wall button").last.click()
    page.locator("#viewer").wait_for()
    page.keyboard.press("a")
    expect(page.locator(".reviews")).to_contain_text("ada approved")
    assert serious(page) == []
    page.keyboard.press("r")
    assert serious(page) == []
    page.locator("#review [data-say='']").click()
    page.locator("#stage").focus()
    page.locator(".lineage button").first.wait_for()
    for mode in ("wipe", "beside", "blink", "heat"):
        page.keyboard.press("c")
        expect(page.locator("#stage")).to_have_attribute("data-mode", mode)
        assert serious(page) == []
    expect(page.locator("#compared")).to_contain_text("SSIM 1.000")
    page.keyboard.press("e")
    page.locator("#change textarea").fill("make it red")
    page.locator("#change [name=price]").click()
    expect(page.locator("#priced")).to_contain_text("never more than")
    assert serious(page) == []


def test_a_fault_would_be_found(page: Page) -> None:
    page.set_content("<html lang=en><title>A page</title><main><h1>A page</h1><input></main>")
    assert serious(page) != []


def test_twice_the_size_sticks_nowhere_out(link: str, page: Page) -> None:
    # As a browser zooms: half as many pixels of the page on the same screen.
    page.set_viewport_size({"width": 640, "height": 400})
    page.goto(link)
    page.locator("#wall img").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 640
    page.locator("#wall button").first.click()
    page.locator("#viewer").wait_for()
    page.keyboard.press("e")
    assert page.evaluate("document.getElementById('viewer').scrollWidth") <= 640
    assert page.locator("#change [name=price]").is_visible()


def test_nothing_moves_for_who_wants_it_still(link: str, page: Page) -> None:
    page.emulate_media(reduced_motion="reduce")
    page.goto(link)
    page.locator("#wall img").first.wait_for()
    moving = "document.getAnimations({subtree: true}).length"
    page.locator("#wall button").first.hover()
    assert page.evaluate(moving) == 0
