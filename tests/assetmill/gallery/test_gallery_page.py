"""The page itself, in a real browser, from a folder: the way that allows a page least."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest
from playwright.sync_api import Page, expect

from assetmill.gallery.folder import write_folder
from assetmill.gallery.tiles import Tile
from assetmill.stage.services import Services
from tests.assetmill.gallery.conftest import IN_CHROMIUM, desk_of, picture, site_of, site_on, wall_of
from tests.millworks import run_here

pytestmark = IN_CHROMIUM


def hang(services: Services, folder: Path, tiles: list[Tile]) -> str:
    write_folder(site_on(services, wall_of(tiles)), folder, lambda _files: None)
    return (folder / "index.html").as_uri()


def test_a_run_is_looked_through_by_keys(services: Services, tmp_path: Path, page: Page) -> None:
    run_here(services, "chain")
    write_folder(site_of(services, "latest"), tmp_path / "wall", lambda _files: None)
    page.goto((tmp_path / "wall" / "index.html").as_uri())
    page.locator("#wall img").first.wait_for()
    assert page.locator("#wall li").count() == 2
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    viewer = page.locator("#viewer")
    viewer.wait_for()
    assert page.locator("#name").inner_text() == "second.png"
    assert "Draw it again." in page.locator("#facts").inner_text()
    page.keyboard.press("c")
    page.locator("#before").wait_for()
    assert page.locator("#stage").get_attribute("data-mode") == "wipe"
    page.keyboard.press("k")
    expect(page.locator("#name")).to_have_text("first.png")
    page.keyboard.press("Escape")
    viewer.wait_for(state="hidden")
    expect(page.locator("#wall li:first-child button")).to_be_focused()


def test_ten_thousand_pictures_need_few_elements(services: Services, tmp_path: Path, page: Page) -> None:
    one = picture(services, "a.png")
    tiles = [Tile(f"{n}.png", "scene", "output", f"row {n}", blob=one.blob) for n in range(10_000)]
    asked: list[str] = []
    page.on("request", lambda request: asked.append(unquote(urlparse(request.url).path)))
    page.goto(hang(services, tmp_path / "wall", tiles))
    page.locator("#wall img").first.wait_for()
    assert sum(Path(path).stat().st_size for path in asked) < 1_000_000
    for part in (0.3, 0.99, 0.5):
        page.evaluate("part => window.scrollTo(0, document.documentElement.scrollHeight * part)", part)
        expect(page.locator("#wall img").first).to_have_js_property("complete", True)
        assert 0 < page.locator("img").count() < 300
    page.keyboard.press("/")
    page.keyboard.type("row 9999")
    expect(page.locator("#count")).to_have_text("1 of 10000 tiles")
    assert page.locator("#wall li").count() == 1


def test_hostile_names_are_only_words(services: Services, tmp_path: Path, page: Page) -> None:
    evil = "<img src=x onerror=alert(1)></script><script>alert(1)</script>"
    tile = picture(services, f"{evil}.png", evil)
    missing = Tile(evil, evil, "failed", evil, evil)
    page.goto(hang(services, tmp_path / "wall", [tile, missing]))
    page.locator("#wall li >> nth=1").wait_for()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.locator("#viewer").wait_for()
    assert evil in page.locator("#facts").inner_text()


def test_a_reviewer_needs_a_keyboard_alone(services: Services, page: Page, served: str) -> None:
    page.goto(served)
    page.locator("#wall img").first.wait_for()
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    for number in range(6):
        expect(page.locator("#place")).to_have_text(f"{number + 1} of 6")
        if number == 2:
            page.keyboard.press("r")
            page.keyboard.type("The logo is cut off.")
            page.keyboard.press("Tab")
            page.keyboard.press("Enter")
            expect(page.locator(".reviews")).to_contain_text("The logo is cut off.")
            page.keyboard.press("Escape")
            page.keyboard.press("j")
            page.keyboard.press("Enter")
        else:
            page.keyboard.press("a")
    expect(page.locator(".reviews")).to_contain_text("ada approved")
    page.keyboard.press("Escape")
    page.locator("#filters select[name=stand]").select_option("rejected")
    expect(page.locator("#count")).to_have_text("1 of 6 tiles")
    stands = [desk_of(services).standing(one.removeprefix("sha256:")).stand() for one in _drawn(services)]
    assert sorted(stands) == ["approved"] * 5 + ["rejected"]


def _drawn(services: Services) -> list[str]:
    return [asset.blob.digest for record in services.ledger.stages() for asset in record.outputs]


@pytest.mark.parametrize("width", [375, 700, 1280])
def test_nothing_sticks_out(services: Services, tmp_path: Path, page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 740})
    long = "a" * 300
    page.goto(hang(services, tmp_path / "wall", [picture(services, f"{long}.png", long)]))
    page.locator("#wall img").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.locator("#wall button").click()
    page.locator("#viewer").wait_for()
    assert page.evaluate("document.getElementById('viewer').scrollWidth") <= width


def test_why_something_is_missing_stands_below_what_became_of_it(
    services: Services, tmp_path: Path, page: Page
) -> None:
    reason = "; ".join(f"draw {number}: image-1.png is 1536 px wide, not 1024" for number in range(1, 9))
    page.goto(hang(services, tmp_path / "wall", [Tile("hero", "hero", "failed", reason=reason)]))
    words, badge = page.locator("#wall .instead"), page.locator("#wall .picture em")
    expect(words).to_contain_text("draw 1: image-1.png")
    first_line = words.evaluate(
        "one => { const all = document.createRange(); all.selectNodeContents(one);"
        " return all.getBoundingClientRect().top; }"
    )
    assert first_line >= badge.evaluate("one => one.getBoundingClientRect().bottom")
    # A name that is that of the stage is said once.
    assert page.locator("#wall .caption").inner_text().split() == ["hero"]
