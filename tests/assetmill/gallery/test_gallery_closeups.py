"""One picture looked at more closely: its family, the candidates beside it, and where it differs."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect
from starlette.testclient import TestClient

from assetmill.editing.adopting import adopt_all
from assetmill.gallery.closeups import Closeups
from assetmill.gallery.serving import Gallery
from assetmill.gallery.walls import Walls
from assetmill.local.guard import Guard
from assetmill.records import RunManifest
from assetmill.stage.services import Services
from tests.assetmill.gallery.conftest import IN_CHROMIUM, desk_of, serving, site_on
from tests.doubles import ScriptedGateway, image_item, png
from tests.millworks import run_here, services_on

PORT = 4711
COLOURS = ("teal", "gold", "plum")
CHOSEN = """
name: chosen
stages:
  - name: hero
    prompt: Draw a mug.
    tools: [{type: image_generation, quality: low}]
    best_of: 3
    outputs: [{name: hero.png}]
  - name: night
    prompt: Draw it at night.
    tools: [{type: image_generation, quality: low}]
    inputs: [{from: hero}]
    outputs: [{name: night.png}]
"""


@pytest.fixture
def run(services: Services) -> RunManifest:
    (services.settings.configs / "pipelines" / "chosen.yaml").write_text(CHOSEN)
    shown = iter([*COLOURS, "navy"])
    gateway = ScriptedGateway(lambda _request: [image_item(png(1024, 1024, next(shown)))])
    return run_here(services_on(services.settings, services.backend, gateway), "chosen")


@pytest.fixture
def gallery(services: Services, run: RunManifest) -> Gallery:
    site = site_on(services, Walls(services.backend).find(run.run_id), "ada")
    return Gallery(site, closeups=Closeups(site, services.backend))


@pytest.fixture
def browser(gallery: Gallery) -> Iterator[TestClient]:
    guard = Guard(gallery.app, PORT)  # pyright: ignore[reportArgumentType]
    with TestClient(guard, base_url=f"http://127.0.0.1:{PORT}", follow_redirects=False) as client:
        client.get(gallery.entrance)
        yield client


def pair(run: RunManifest) -> tuple[str, str]:
    """The IDs of the two pictures of the run: what was chosen, and what was made from it."""
    hero, night = [one.asset_id for one in run.assets() if one.role == "output"]
    return hero, night


def test_a_picture_is_told_with_its_family_and_its_candidates(browser: TestClient, run: RunManifest) -> None:
    hero, night = pair(run)
    told = browser.get(f"/about/{hero}").json()
    assert told["family"]["edges"] == [[hero, night]]
    assert {one["name"]: one["at"] for one in told["family"]["members"]} == {"hero.png": 0, "night.png": 1}
    assert len(told["candidates"]) == 2
    for one in told["candidates"]:
        assert one["reason"].endswith("was taken")
        assert browser.get(f"/{one['thumbnail']}").status_code == 200
        assert browser.get(f"/{one['file']}").headers["content-type"] == "image/png"


def test_two_pictures_are_compared_and_the_difference_is_a_picture(
    browser: TestClient, run: RunManifest
) -> None:
    hero, night = pair(run)
    told = browser.get(f"/compared/{night}/{hero}").json()
    assert told["changed"] == 1.0
    assert 0 <= told["ssim"] < 1
    reply = browser.get(f"/{told['heat']}")
    with Image.open(io.BytesIO(reply.content)) as heat:
        assert (heat.format, heat.size) == ("WEBP", (1024, 1024))
    assert browser.get(f"/compared/{hero}/{hero}").json()["ssim"] == 1.0


def test_the_checks_of_a_chosen_picture_are_told(services: Services) -> None:
    checked = CHOSEN.replace("name: hero.png", "name: hero.png, checks: {aspect: '1:1'}")
    (services.settings.configs / "pipelines" / "checked.yaml").write_text(
        checked.replace("name: chosen", "name: checked")
    )
    run = run_here(services, "checked")
    (chunk,) = [site_on(services, Walls(services.backend).find(run.run_id)).read("tiles/0000.js")]
    assert chunk is not None
    assert b'"check":"aspect' in chunk.data


@pytest.mark.parametrize("what", ["about", "compared", "heats"])
def test_what_hangs_nowhere_here_is_told_to_nobody(
    browser: TestClient, services: Services, run: RunManifest, tmp_path: Path, what: str
) -> None:
    (tmp_path / "secret.png").write_bytes(png(64, 64, "red"))
    other = adopt_all([tmp_path / "secret.png"], services, "0" * 32).assets()[0].asset_id
    tail = "" if what == "about" else f"/{pair(run)[0]}"
    for name in (other, "%2e%2e", "..%2f..", "ast_x", "ast_a_b_c_d", "x" * 5000):
        assert browser.get(f"/{what}/{name}{tail}").status_code == 404
    browser.cookies.clear()
    assert browser.get(f"/{what}/{pair(run)[0]}{tail}").status_code == 403
    assert browser.get(f"/{what}/{other}", headers={"Host": "evil.example"}).status_code == 403


_IS_AT = """([x, y]) => {
  const shown = document.querySelector("#picture").getBoundingClientRect();
  const dot = document.querySelector("#marks button").getBoundingClientRect();
  const apart = (at, want) => Math.abs(at - want);
  return shown.width > 0 && apart(dot.x + dot.width / 2, shown.x + shown.width * x) <= 2
    && apart(dot.y + dot.height / 2, shown.y + shown.height * y) <= 2;
}"""
"""Whether the mark stands at a place of the picture, in parts of its sides, to two pixels."""


class TestInChromium:
    pytestmark = IN_CHROMIUM

    @pytest.fixture
    def link(self, gallery: Gallery) -> Iterator[str]:
        with serving(gallery) as link:
            yield link

    def test_the_graph_is_a_way_through_the_family(self, page: Page, link: str) -> None:
        page.goto(link)
        page.locator("#wall button").first.click()
        page.locator(".lineage button", has_text="night.png").click()
        expect(page.locator("#name")).to_have_text("night.png")
        expect(page.locator(".lineage [aria-current]")).to_have_text("night.png")

    def test_a_candidate_is_laid_over_what_was_taken(self, page: Page, link: str) -> None:
        page.goto(link)
        page.locator("#wall button").first.click()
        page.locator(".candidates button").first.click()
        expect(page.locator("#stage")).to_have_attribute("data-mode", "wipe")
        before = page.locator("#before")
        expect(before).to_have_js_property("naturalWidth", 1024)
        sides = "Left: hero-2.png, right: hero.png"
        for said in (sides, sides, "hero-2.png and hero.png, in turn"):
            expect(page.locator("#compared")).to_have_text(said)
            page.keyboard.press("c")
        expect(page.locator("#compared")).to_contain_text("100.0 % of it differs")
        expect(page.locator("#heat")).to_have_js_property("naturalWidth", 1024)

    def test_what_was_pointed_at_is_marked(
        self, services: Services, run: RunManifest, page: Page, link: str
    ) -> None:
        hero = next(one for one in run.assets() if one.role == "output")
        desk = desk_of(services)
        sha256 = hero.blob.digest.removeprefix("sha256:")
        desk.say("commented", hero, "ada", seen=sha256, reason="a scratch", point=(0.25, 0.75))
        page.goto(link)
        page.locator("#wall button").first.click()
        dot = page.locator("#marks button")
        expect(dot).to_have_attribute("title", "ada: a scratch")
        for key in ("", "z"):
            if key:
                page.keyboard.press(key)
            # Its place follows the picture's, which is known once its bytes are there and laid out.
            page.wait_for_function(_IS_AT, arg=[0.25, 0.75])
