"""The home page, the walls behind it, and runs that are started there."""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Page, expect
from starlette.testclient import TestClient

from assetmill.gallery.closeups import Closeups
from assetmill.gallery.house import House
from assetmill.gallery.overview import Overview
from assetmill.gallery.serving import Entrance, Gallery
from assetmill.gallery.site import Site
from assetmill.gallery.starting import RunOffers
from assetmill.gallery.thumbnails import ThumbnailStore
from assetmill.gallery.walls import Walls
from assetmill.local.guard import Guard
from assetmill.local.opened_house import opened_house
from assetmill.local.page_runs import begin_here
from assetmill.records import RunManifest
from assetmill.stage.services import Services
from tests.assetmill.gallery.conftest import IN_CHROMIUM, desk_of, serving, site_on
from tests.assetmill.gallery.test_gallery_access import serious
from tests.batchworks import carry_out, plan_batch, products, run_rows
from tests.millworks import run_here

PORT = 4711
HERE = f"http://127.0.0.1:{PORT}"
Begun = list[tuple[str, dict[str, Any], float]]


@pytest.fixture
def run(services: Services) -> RunManifest:
    return run_here(services, "chain")


@pytest.fixture
def begun() -> Begun:
    """What was begun, instead of beginning it."""
    return []


@pytest.fixture
def house(services: Services, begun: Begun) -> House:
    def build(what: str | None, door: Entrance) -> Gallery:
        site = site_on(services, Walls(services.backend).find(what), "ada")
        return Gallery(site, closeups=Closeups(site, services.backend), door=door)

    reviewing = site_on(services, Walls(services.backend).find(None), "ada").reviewing
    thumbnails = ThumbnailStore(services.settings.home, services.blobs)
    overview = Overview(services.backend, services.settings.configs, thumbnails, reviewing)
    starting = RunOffers(
        services.settings, services.ledger, lambda name, given, usd: begun.append((name, dict(given), usd))
    )
    return House(overview, build, starting, reviewer="ada")


@contextmanager
def entered(house: House) -> Generator[TestClient]:
    guard = Guard(house.app, PORT)  # pyright: ignore[reportArgumentType]
    with TestClient(guard, base_url=HERE, follow_redirects=False) as client:
        client.get(house.entrance)
        told = client.get("/session.js").text
        session = json.loads(told[told.index("(") + 1 : told.rindex(")")])
        client.headers["X-Gallery-Token"] = session["token"]
        client.headers["Origin"] = HERE
        yield client


@pytest.fixture
def browser(run: RunManifest, house: House) -> Iterator[TestClient]:
    with entered(house) as client:
        yield client


def test_home_tells_what_there_is_and_what_waits(
    browser: TestClient, services: Services, run: RunManifest, tmp_path: Path
) -> None:
    batch = run_rows(services, products(tmp_path, "mug", "lamp"))
    told = browser.get("/overview").json()
    assert {one["name"] for one in told["pipelines"]} == {"chain", "card"}
    (shown,) = [one for one in told["runs"] if one["name"] == run.run_id]
    assert (shown["state"], shown["done"], shown["of"], shown["undecided"]) == ("completed", 2, 2, 2)
    assert shown["spent"] == run.spent_usd
    assert [(one["name"], one["done"]) for one in told["batches"]] == [(batch.batch_id, 2)]
    for path in shown["thumbnails"]:
        assert browser.get(f"/{path}").headers["content-type"] == "image/webp"


@IN_CHROMIUM[0]
@IN_CHROMIUM[1]
def test_batches_of_one_pipeline_are_told_apart(
    page: Page, services: Services, house: House, tmp_path: Path
) -> None:
    run_rows(services, products(tmp_path, "mug"), name="autumn")
    run_rows(services, products(tmp_path, "lamp"))
    with serving(house) as link:
        page.goto(link)
        expect(page.locator("#batches .card b")).to_have_text(["card", "autumn"])
        expect(page.locator("#batches .card small").last).to_contain_text("card · 1 of 1 done")


@IN_CHROMIUM[0]
@IN_CHROMIUM[1]
def test_of_a_batch_that_is_not_sealed_nothing_is_told_as_a_zero(
    page: Page, services: Services, house: House, tmp_path: Path
) -> None:
    batch = plan_batch(services, products(tmp_path, "mug", "lamp"))
    carry_out(batch, slice(0), is_sealed=False)
    facts = page.locator("#batches .card small")
    with serving(house) as link:
        page.goto(link)
        expect(facts).to_contain_text("2 rows, none told of yet · cost not told yet")
        carry_out(batch, slice(1), is_sealed=False)
        page.reload()
        expect(facts).to_contain_text(re.compile(r"at least 1 of 2 done · at least \$0\.\d+ · "))


def test_behind_home_every_run_has_its_wall(browser: TestClient, run: RunManifest) -> None:
    for what in (run.run_id, "latest", "chain", "-", run.assets()[0].asset_id):
        assert browser.get(f"/walls/{what}/").status_code == 200
        assert b"first.png" in browser.get(f"/walls/{what}/tiles/0000.js").content


def test_a_page_that_is_loaded_again_shows_what_came(browser: TestClient, services: Services) -> None:
    assert b'"total":2' in browser.get("/walls/-/wall.js").content
    run_here(services, "chain", subject="a red lamp")
    assert browser.get("/walls/-/").status_code == 200
    # One of its two pictures has the same stage, and so the same asset, as before.
    assert b'"total":3' in browser.get("/walls/-/wall.js").content


@pytest.mark.parametrize(
    "path",
    [
        "/walls/nothing/",
        "/walls/..%2f..%2fetc/passwd",
        "/walls/%2e%2e/",
        "/walls/-/../../etc/passwd",
        f"/walls/{'x' * 3000}/",
        "/serving.py",
        "/index.html",
        "/thumbnails/x.webp",
        f"/thumbnails/{'0' * 64}.webp",
    ],
)
def test_nothing_else_is_served(browser: TestClient, path: str) -> None:
    assert browser.get(path).status_code == 404


PATHS = ("/", "/overview", "/forms/chain", "/walls/-/", "/walls/-/wall.js", "/walls/-/about/x", "/home.js")


@pytest.mark.parametrize("path", PATHS)
def test_nobody_else_comes_in(browser: TestClient, path: str) -> None:
    for headers in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}):
        assert browser.get(path, headers=headers).status_code == 403
    browser.cookies.clear()
    assert browser.get(path).status_code == 403


class TestRuns:
    def offer(self, browser: TestClient, **parameters: Any) -> dict[str, Any]:
        reply = browser.post("/plans", json={"pipeline": "chain", "parameters": parameters})
        assert reply.status_code == 200, reply.text
        return reply.json()

    def test_a_run_begins_at_the_price_that_was_shown(self, browser: TestClient, begun: Begun) -> None:
        assert browser.get("/forms/chain").json()["properties"]["subject"]["default"] == "a teal mug"
        assert self.offer(browser)["price"]["ceiling"] == 0
        offer = self.offer(browser, subject="a red lamp")
        assert offer["price"]["ceiling"] > 0
        assert begun == []
        said = {"offer": offer["offer"], "most_usd": offer["price"]["ceiling"]}
        assert browser.post("/runs", json=said).json() == {"pipeline": "chain"}
        assert begun == [("chain", {"subject": "a red lamp"}, offer["price"]["ceiling"])]
        assert browser.post("/runs", json=said).status_code == 409
        assert len(begun) == 1

    def test_another_price_is_no_yes(self, browser: TestClient, begun: Begun) -> None:
        for said in ({"most_usd": 0.0}, {"offer": "x"}, {"most_usd": 1e9}):
            offer = self.offer(browser, subject="a red lamp")
            yes = {"offer": offer["offer"], "most_usd": offer["price"]["ceiling"]}
            assert browser.post("/runs", json=yes | said).status_code == 409
        assert begun == []

    def test_a_pipeline_that_changed_is_refused(
        self, browser: TestClient, services: Services, begun: Begun
    ) -> None:
        offer = self.offer(browser, subject="a red lamp")
        path = services.settings.configs / "pipelines" / "chain.yaml"
        path.write_text(path.read_text().replace("Draw it again.", "Draw it again, larger."))
        yes = {"offer": offer["offer"], "most_usd": offer["price"]["ceiling"]}
        assert browser.post("/runs", json=yes).status_code == 409
        assert begun == []

    @pytest.mark.parametrize(
        "order",
        [
            {"pipeline": "../../etc/passwd", "parameters": {}},
            {"pipeline": "nothing", "parameters": {}},
            {"pipeline": "chain", "parameters": {"nothing": "x"}},
            {"pipeline": "chain", "parameters": {"subject": ["x"]}},
            {"pipeline": "chain", "parameters": {}, "budget_usd": 5},
            {"pipeline": "chain"},
        ],
    )
    def test_what_makes_no_sense_has_no_price(self, browser: TestClient, order: dict[str, Any]) -> None:
        assert browser.post("/plans", json=order).status_code == 422

    @pytest.mark.parametrize("path", ["/plans", "/runs"])
    def test_another_page_begins_nothing(self, browser: TestClient, begun: Begun, path: str) -> None:
        offer = self.offer(browser, subject="a red lamp")
        yes = {"offer": offer["offer"], "most_usd": offer["price"]["ceiling"]}
        order: dict[str, Any] = {"pipeline": "chain", "parameters": {}}
        said = order if path == "/plans" else yes
        for headers in ({"X-Gallery-Token": "x"}, {"Origin": "http://evil.example"}):
            assert browser.post(path, json=said, headers=headers).status_code == 403
        browser.cookies.clear()
        assert browser.post(path, json=said).status_code == 403
        assert begun == []

    def test_a_page_names_no_files_of_this_machine(self, browser: TestClient, services: Services) -> None:
        path = services.settings.configs / "pipelines" / "chain.yaml"
        path.write_text(path.read_text().replace("title: Subject", "title: Subject, format: path"))
        assert browser.get("/forms/chain").json()["properties"] == {}
        order = {"pipeline": "chain", "parameters": {"subject": "/etc/passwd"}}
        assert browser.post("/plans", json=order).status_code == 422

    def test_who_may_only_look_begins_nothing(self, services: Services, run: RunManifest) -> None:
        opened = opened_house(
            services.settings,
            desk_of(services),
            services.backend,
            None,
            None,
            everything=False,
            look_only=True,
        )
        with opened as house, entered(house) as client:
            assert client.get("/forms/chain").status_code == 403
            for path in ("/plans", "/runs", "/walls/-/prices", "/walls/-/changes"):
                assert client.post(path, json={}).status_code == 403

    def test_what_begins_is_a_process_under_that_ceiling(
        self, services: Services, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        commands: list[list[str]] = []

        def note(command: list[str], **_options: Any) -> None:
            commands.append(command)

        monkeypatch.setattr("assetmill.local.page_runs.subprocess.Popen", note)
        begin_here(services.settings)("chain", {"subject": "-x; rm"}, 0.25)
        begin_here(services.settings)("chain", {}, 0.0)
        (first, second) = commands
        assert first[first.index("--budget") + 1] == "0.25"
        assert json.loads(Path(first[first.index("--params") + 1]).read_text()) == {"subject": "-x; rm"}
        assert 0 < float(second[second.index("--budget") + 1]) < 0.0001


class TestInChromium:
    pytestmark = IN_CHROMIUM

    def test_a_hostile_pipeline_is_only_words(
        self, services: Services, house: House, run: RunManifest, page: Page
    ) -> None:
        evil = "<img src=x onerror=alert(1)></script><script>alert(1)</script>"
        written = json.dumps(evil)
        text = (
            f"name: evil\ndescription: {written}\n"
            f"parameters:\n  a: {{title: {written}, default: {written}}}\n"
            "stages:\n  - name: s\n    prompt: Draw {{ a }}.\n    tools: [{type: image_generation}]\n"
            "    outputs: [{name: s.png}]\n    approval: required\n"
            "  - name: after\n    prompt: Again.\n    inputs: [{from: s}]\n"
            "    tools: [{type: image_generation}]\n    outputs: [{name: after.png}]\n"
        )
        (services.settings.configs / "pipelines" / "evil.yaml").write_text(text)
        with serving(house) as link:
            page.goto(link)
            expect(page.locator("#pipelines")).to_contain_text(evil)
            page.get_by_role("button", name="Run evil").click()
            expect(page.locator("#fields")).to_contain_text(evil)
            # What follows the picture that is to be approved is no part of this run.
            expect(page.locator("#price")).to_contain_text("1 of 2 stages to make")

    @pytest.mark.usefixtures("run")
    @pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 375)])
    def test_from_home_to_a_run(
        self, house: House, page: Page, begun: Begun, scheme: Literal["light", "dark"], width: int
    ) -> None:
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 800})
        with serving(house) as link:
            page.goto(link)
            expect(page.locator("#waiting")).to_contain_text("2 pictures to decide")
            assert serious(page) == []
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            page.get_by_role("button", name="Run chain").click()
            expect(page.locator("#price")).to_have_text("0 of 2 stages to make: it costs nothing.")
            page.get_by_label("Subject").fill("a red lamp")
            expect(page.locator("#price")).to_contain_text("never more than $")
            assert serious(page) == []
            page.locator("#order [type=submit]").click()
            expect(page.locator("#told")).to_contain_text("chain was started")
            assert [(name, given) for name, given, _ in begun] == [("chain", {"subject": "a red lamp"})]
            page.locator("#waiting .card").first.click()
            page.locator("#wall img").first.wait_for()
            page.locator("#homeward").click()
            expect(page.locator("#pipelines")).to_contain_text("chain")


def test_a_site_is_no_part_of_another(services: Services, run: RunManifest) -> None:
    other = run_here(services, "chain", subject="a red lamp")
    site: Site = site_on(services, Walls(services.backend).find(run.run_id))
    assert not site.hangs(other.assets()[0].asset_id)
