"""A candidate that was not taken is taken on the page, by who reviews and by nobody else."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from starlette.testclient import TestClient

from assetmill.batches.opening import prepare_again, store_start
from assetmill.gallery.closeups import Closeups
from assetmill.gallery.serving import Gallery
from assetmill.gallery.walls import Walls
from assetmill.records import AssetRecord, RunManifest
from assetmill.stage.services import Services
from tests.assetmill.gallery.conftest import IN_CHROMIUM, desk_of, serving, site_on
from tests.batchworks import carry_out, plan_batch, products
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


def gallery(mill: Services, what: str, reviewer: str | None = "ada") -> Gallery:
    site = site_on(mill, Walls(mill.backend).find(what), reviewer)
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
    with entered(gallery(mill, run.run_id, reviewer)) as browser:
        assert browser.post("/takings", json=order).status_code == status
        assert browser.post("/takings", json=order, headers={"X-Gallery-Token": "x"}).status_code == 403
    sha256 = output_of(run).blob.digest.removeprefix("sha256:")
    assert desk_of(mill).standing(sha256).reviews == ()


def told_of(mill: Services, what: str, asset: str, reviewer: str | None = "ada") -> tuple[list[bool], str]:
    with entered(gallery(mill, what, reviewer)) as browser:
        told = browser.get(f"/about/{asset}").json()
    return [one["can_take"] for one in told["candidates"]], told["why_not"]


def test_no_button_is_shown_that_would_refuse(mill: Services, run: RunManifest) -> None:
    output = output_of(run)
    assert told_of(mill, run.run_id, output.asset_id) == ([True, True], "")
    # A stage that needs no approval asks no round of `reroll`: nothing is drawn for it.
    path = mill.settings.configs / "pipelines" / "hero.yaml"
    path.write_text(HERO.replace("    reroll: 1\n", ""))
    taken, why_not = told_of(mill, run.run_id, output.asset_id)
    assert taken == [False, False]
    assert "`reroll: 0` of stage 'hero' leaves no round" in why_not
    path.write_text(HERO.replace("    approval: required\n", ""))
    assert told_of(mill, run.run_id, output.asset_id) == ([True, True], "")
    taken, why_not = told_of(mill, run.run_id, output.asset_id, reviewer=None)
    assert taken == [False, False]
    assert "`assetmill reviewers add NAME` makes one" in why_not
    path.unlink()
    assert told_of(mill, run.run_id, output.asset_id)[0] == [False, False]


def test_a_candidate_of_a_row_is_taken(mill: Services, tmp_path: Path) -> None:
    rows = HERO.replace("name: hero\n", "name: rows\nparameters: {product: {title: Product}}\n", 1)
    rows = rows.replace("a mug", "{{ product }}").replace("best_of: 3", "best_of: 2")
    (mill.settings.configs / "pipelines" / "rows.yaml").write_text(rows)
    batch = plan_batch(mill, products(tmp_path, "a mug"), "rows")
    store_start(batch)
    manifest = carry_out(batch)
    assert manifest is not None
    [picture] = manifest.rows[0].assets
    with entered(gallery(mill, batch.batch_id)) as browser:
        [other] = browser.get(f"/about/{picture.asset_id}").json()["candidates"]
        assert other["can_take"]
        order = {"of": picture.asset_id, "asset_id": other["id"], "sha256": other["sha256"]}
        assert browser.post("/takings", json=order).status_code == 200
    again = carry_out(prepare_again(batch.batch_id, mill))
    assert again is not None
    assert [one.asset_id for one in again.rows[0].assets] == [other["id"]]


class TestInABrowser:
    pytestmark = IN_CHROMIUM

    def test_this_one_is_taken_instead(self, mill: Services, run: RunManifest, page: Page) -> None:
        wanted = candidate_of(run)
        with serving(gallery(mill, run.run_id)) as link:
            page.goto(link)
            page.locator("#wall button").first.click()
            page.get_by_role("button", name="Take this one instead").first.click()
            expect(page.locator(".candidates .hint").first).to_contain_text("Taken: the next run goes on")
            expect(page.locator(".reviews")).to_contain_text(f"instead of it {wanted.asset_id} is taken")
        again = run_here(mill, "hero")
        assert (again.status, again.spent_usd) == ("completed", 0)
        assert output_of(again).asset_id == wanted.asset_id
