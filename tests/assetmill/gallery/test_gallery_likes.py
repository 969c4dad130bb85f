"""Stars, favourites, a selection and its contact sheet; and filters by what records say."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from starlette.testclient import TestClient

from assetmill.errors import InvalidInput
from assetmill.gallery.serving import Gallery
from assetmill.gallery.sheets import MOST_IN_PDF, contact_sheet
from assetmill.gallery.stars import Liking, Stars
from assetmill.gallery.tiles import Tile
from assetmill.gallery.walls import Walls
from assetmill.local.guard import Guard
from assetmill.records import RunManifest
from assetmill.stage.services import Services
from tests.assetmill.gallery.conftest import IN_CHROMIUM, serving, site_on
from tests.doubles import png
from tests.millworks import run_here

PORT = 4711
HERE = f"http://127.0.0.1:{PORT}"
EVIL = "<img src=x onerror=alert(1)></script><script>alert(1)</script>"


@pytest.fixture
def run(services: Services) -> RunManifest:
    return run_here(services, "chain")


@pytest.fixture
def gallery(services: Services, run: RunManifest) -> Gallery:
    return Gallery(site_on(services, Walls(services.backend).find(run.run_id)))


@pytest.fixture
def browser(gallery: Gallery) -> Iterator[TestClient]:
    guard = Guard(gallery.app, PORT)  # pyright: ignore[reportArgumentType]
    with TestClient(guard, base_url=HERE, follow_redirects=False) as client:
        client.get(gallery.entrance)
        told = client.get("/session.js").text
        client.headers["X-Gallery-Token"] = json.loads(told[told.index("(") + 1 : told.rindex(")")])["token"]
        client.headers["Origin"] = HERE
        yield client


def liking(run: RunManifest, **changes: Any) -> dict[str, Any]:
    asset = run.assets()[0]
    sha256 = asset.blob.digest.removeprefix("sha256:")
    return {"asset_id": asset.asset_id, "sha256": sha256, "stars": 4, **changes}


def test_stars_are_kept_by_the_bytes(browser: TestClient, services: Services, run: RunManifest) -> None:
    told = browser.post("/likings", json=liking(run, is_favourite=True)).json()
    assert told == {"stars": 4, "favourite": True}
    assert Stars(services.settings.home).all() == {liking(run)["sha256"]: Liking(stars=4, is_favourite=True)}
    assert b'"likes":[12,12]' in browser.get("/wall.js").content
    browser.post("/likings", json=liking(run, stars=0))
    assert Stars(services.settings.home).all() == {}


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"stars": 6}, 422),
        ({"stars": -1}, 422),
        ({"sha256": "../x"}, 422),
        ({"asset_id": "../../x"}, 404),
        ({"note": EVIL}, 422),
    ],
)
def test_what_makes_no_sense_is_not_kept(
    browser: TestClient, services: Services, run: RunManifest, changes: dict[str, Any], status: int
) -> None:
    assert browser.post("/likings", json=liking(run, **changes)).status_code == status
    assert Stars(services.settings.home).all() == {}


def test_a_file_of_stars_that_is_damaged_costs_the_stars_alone(
    browser: TestClient, services: Services, run: RunManifest
) -> None:
    browser.post("/likings", json=liking(run))
    (services.settings.home / "gallery" / "stars.json").write_bytes(b"{")
    assert browser.get("/tiles/0000.js").status_code == 200
    assert browser.post("/likings", json=liking(run)).status_code == 200


@pytest.mark.parametrize("path", ["/likings", "/sheets"])
def test_another_page_does_nothing(browser: TestClient, run: RunManifest, path: str) -> None:
    said = liking(run) if path == "/likings" else {"assets": [run.assets()[0].asset_id], "format": "pdf"}
    assert browser.post(path, json=said).status_code == 200
    for headers in ({"X-Gallery-Token": "x"}, {"Origin": "http://evil.example"}, {"Host": "evil.example"}):
        assert browser.post(path, json=said, headers=headers).status_code == 403
    browser.cookies.clear()
    assert browser.post(path, json=said).status_code == 403


def test_a_contact_sheet_is_a_file_of_its_own(browser: TestClient, run: RunManifest) -> None:
    assets = [one.asset_id for one in run.assets()]
    page = browser.post("/sheets", json={"assets": assets, "format": "html"})
    assert page.headers["content-disposition"] == "attachment"
    assert page.text.count("data:image/webp") == 2
    assert "http" not in page.text.replace("http-equiv", "")
    paper = browser.post("/sheets", json={"assets": assets, "format": "pdf"})
    assert paper.content.startswith(b"%PDF-")
    assert paper.content.count(b"/Type /Page\n") == 1
    other = {"assets": [f"ast_{'0' * 8}_{'a' * 52}_01"], "format": "pdf"}
    assert browser.post("/sheets", json=other).status_code == 404
    nothing: dict[str, Any] = {"assets": [], "format": "pdf"}
    program: dict[str, Any] = {"assets": assets, "format": "exe"}
    for wrong in (nothing, program):
        assert browser.post("/sheets", json=wrong).status_code == 422


def test_a_sheet_takes_words_as_words_and_pages_as_needed() -> None:
    tiles = [Tile(EVIL, EVIL, "output", EVIL) for _ in range(30)]
    page = contact_sheet(EVIL, tiles, lambda _tile: None, "html").decode()
    assert "<script" not in page
    assert "<img" not in page
    thumbnail = io.BytesIO(png(64, 48)).getvalue()
    paper = contact_sheet("Ten \U0001f600", tiles, lambda _tile: thumbnail, "pdf")
    assert paper.count(b"/Type /Page\n") == 3
    with pytest.raises(InvalidInput, match="choose fewer"):
        contact_sheet("many", tiles * 5, lambda _tile: None, "pdf")
    assert len(tiles * 5) > MOST_IN_PDF


class TestInChromium:
    pytestmark = IN_CHROMIUM

    def test_stars_and_a_selection_by_keyboard(
        self, gallery: Gallery, page: Page, tmp_path: Path, services: Services
    ) -> None:
        with serving(gallery) as link:
            page.goto(link)
            page.locator("#wall img").first.wait_for()
            page.keyboard.press("j")
            page.keyboard.press("k")
            page.keyboard.press("4")
            expect(page.locator("#wall i").first).to_have_text("★★★★")
            page.keyboard.press("Enter")
            page.keyboard.press("f")
            expect(page.locator("#liked")).to_have_text("♥★★★★")
            page.keyboard.press("Escape")
            page.keyboard.press("x")
            page.locator("#wall button").last.click(modifiers=["Control"])
            expect(page.locator("#selected")).to_have_text("2 selected")
            for kind, start in (("pdf", b"%PDF"), ("html", b"<!doctype html>")):
                with page.expect_download() as download:
                    page.locator(f"[data-sheet={kind}]").click()
                download.value.save_as(tmp_path / "sheet")
                assert (tmp_path / "sheet").read_bytes().startswith(start)
            page.locator("#unselect").click()
            expect(page.locator("#selection")).to_be_hidden()

    def test_filters_by_what_the_records_say(self, gallery: Gallery, page: Page, run: RunManifest) -> None:
        with serving(gallery) as link:
            page.goto(link)
            count = page.locator("#count")
            expect(count).to_have_text("2 tiles")
            page.locator("#filters [type=search]").fill("again")
            expect(count).to_have_text("1 of 2 tiles")
            page.locator("#filters [type=search]").fill("")
            page.locator(".more summary").click()
            page.get_by_label("Cost at least").fill("1000")
            expect(count).to_have_text("0 of 2 tiles")
            page.get_by_label("Cost at least").fill("0.0001")
            expect(count).to_have_text("2 tiles")
            page.get_by_label("Checks").select_option("failed")
            expect(count).to_have_text("0 of 2 tiles")
            page.get_by_label("Checks").select_option("")
            page.get_by_label("Liked").select_option("favourite")
            expect(count).to_have_text("0 of 2 tiles")
