"""A candidate that was not taken is taken on the page, by who reviews and by nobody else."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, expect
from starlette.testclient import TestClient

from assetmill.gallery.closeups import Closeups
from assetmill.gallery.serving import Gallery
from assetmill.gallery.walls import Walls
from assetmill.records import AssetRecord, RunManifest
from assetmill.stage.services import Services
from tests.assetmill.gallery.conftest import IN_CHROMIUM, desk_of, serving, site_on
from tests.doubles import ScriptedGateway, image_item, png
from tests.millworks import run_here, services_on

HERO = """
name: hero
stages:
  - name: hero
    prompt: Draw a mug.
    tools: [{type: image_generation, quality: low}]
    best_of: 3
    reroll: 1
    approval: required
    outputs: [{name: hero.png}]
"""


@pytest.fixture
def mill(services: Services) -> Services:
    (services.settings.configs / "pipelines" / "hero.yaml").write_text(HERO)
    shown = iter(["teal", "gold", "plum"])
    gateway = ScriptedGateway(lambda _request: [image_item(png(1024, 1024, next(shown)))])
    return services_on(services.settings, services.backend, gateway)


@pytest.fixture
def run(mill: Services) -> RunManifest:
    return run_here(mill, "hero")


def gallery(mill: Services, run: RunManifest, reviewer: str | None = "ada") -> Gallery:
    site = site_on(mill, Walls(mill.backend).find(run.run_id), reviewer)
    return Gallery(site, closeups=Closeups(site, mill.backend, mill))


def output_of(run: RunManifest) -> AssetRecord:
    return next(one for one in run.assets() if one.role == "output")


def candidate_of(run: RunManifest) -> AssetRecord:
    return next(one for one in run.assets() if one.role == "candidate")


@contextmanager
def entered(gallery: Gallery) -> Generator[TestClient]:
    with TestClient(gallery.app, base_url="http://127.0.0.1", follow_redirects=False) as client:
        client.get(gallery.entrance)
        told = client.get("/session.js").text
        session = json.loads(told[told.index("{") : told.rindex("}") + 1])
        client.headers["X-Gallery-Token"] = session["token"]
        yield client


@pytest.mark.parametrize(
    ("reviewer", "changes", "status"),
    [
        (None, {}, 404),
        ("ada", {"sha256": "f" * 64}, 409),
        ("ada", {"sha256": "x"}, 422),
        ("ada", {"asset_id": "../../x"}, 404),
        ("ada", {"of": "../../x"}, 404),
        ("ada", {"by": "grace"}, 422),
    ],
)
def test_what_is_not_to_be_taken_is_refused(
    mill: Services, run: RunManifest, reviewer: str | None, changes: dict[str, str], status: int
) -> None:
    wanted = candidate_of(run)
    sha256 = wanted.blob.digest.removeprefix("sha256:")
    order = {"of": output_of(run).asset_id, "asset_id": wanted.asset_id, "sha256": sha256, **changes}
    with entered(gallery(mill, run, reviewer)) as browser:
        assert browser.post("/takings", json=order).status_code == status
        assert browser.post("/takings", json=order, headers={"X-Gallery-Token": "x"}).status_code == 403
    sha256 = output_of(run).blob.digest.removeprefix("sha256:")
    assert desk_of(mill).standing(sha256).reviews == ()


class TestInABrowser:
    pytestmark = IN_CHROMIUM

    def test_this_one_is_taken_instead(self, mill: Services, run: RunManifest, page: Page) -> None:
        wanted = candidate_of(run)
        with serving(gallery(mill, run)) as link:
            page.goto(link)
            page.locator("#wall button").first.click()
            page.get_by_role("button", name="Take this one instead").first.click()
            expect(page.locator(".candidates .hint").first).to_contain_text("Taken: the next run goes on")
            expect(page.locator(".reviews")).to_contain_text(f"instead of it {wanted.asset_id} is taken")
        again = run_here(mill, "hero")
        assert (again.status, again.spent_usd) == ("completed", 0)
        assert output_of(again).asset_id == wanted.asset_id
