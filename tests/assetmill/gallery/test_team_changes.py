"""What reviewers may do on a team's page besides deciding: stars, and changes for those who may spend."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from assetmill.gallery.asking import Asking
from assetmill.gallery.changing import Changing
from assetmill.gallery.door import TeamDoor
from assetmill.gallery.links import LinkScope
from assetmill.local.next_passes import CommandPasses
from assetmill.local.team_server import team_pages
from assetmill.stage.services import Services
from assetmill.store.opening import open_store
from tests.assetmill.gallery.test_team_pages import HERO, Team
from tests.batchworks import colourful
from tests.millworks import services_on, settings_in


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    settings = settings_in(tmp_path, hero=HERO)
    services = services_on(settings, open_store(settings.store_url), colourful())
    yield services
    services.close()


@pytest.fixture
def changing(services: Services) -> Iterator[Changing]:
    changing = Changing(lambda: nullcontext(services), lambda _services: nullcontext())
    yield changing
    changing.close()


@pytest.fixture
def team(services: Services, changing: Changing) -> Team:
    """A team's page as `serve` shows it, on doubles."""
    team = Team(services)
    asking = Asking(CommandPasses(services.settings, services.backend))
    pages = team_pages(services.settings, services.backend, asking, changing)
    team.opens(TeamDoor(team.links, pages.page_of))
    return team


def session(team: Team, browser: TestClient) -> dict[str, Any]:
    told = browser.get(f"{team.wall}/session.js").text
    return json.loads(told[told.index("{") : told.rindex("}") + 1])


def post(team: Team, browser: TestClient, path: str, **said: object) -> tuple[int, Any]:
    token = {"X-Gallery-Token": session(team, browser)["token"]}
    reply = browser.post(f"{team.wall}/{path}", json=said, headers=token)
    return reply.status_code, reply.json() if reply.is_success else reply.text


def picture(team: Team) -> dict[str, str]:
    sha256 = team.picture.blob.digest.removeprefix("sha256:")
    return {"asset_id": team.picture.asset_id, "sha256": sha256}


def test_a_change_is_drawn_once_by_who_may_spend(team: Team, changing: Changing) -> None:
    browser = team.browser("spend")
    status, offer = post(team, browser, "prices", **picture(team), instruction="make it red")
    assert status == 200
    assert offer["price"]["ceiling"] > 0
    yes = {"offer": offer["offer"], "most_usd": offer["price"]["ceiling"]}
    assert post(team, browser, "changes", **yes)[0] == 200
    assert post(team, browser, "changes", **yes)[0] == 409
    changing.wait()
    runs = [run for run in team.services.ledger.runs() if run != team.run.run_id]
    assert [manifest.status for run in runs if (manifest := team.services.ledger.read_manifest(run))] == [
        "completed"
    ]
    # It hangs where it was asked for, also when the page is loaded again.
    browser.get(f"{team.wall}/")
    assert '"total":2' in browser.get(f"{team.wall}/wall.js").text


@pytest.mark.parametrize("scope", ["look", "decide"])
def test_a_link_that_may_not_spend_is_shown_no_change_and_makes_none(team: Team, scope: LinkScope) -> None:
    browser = team.browser(scope)
    assert session(team, browser)["can_change"] is False
    for path in ("prices", "changes", "choices"):
        status, told = post(team, browser, path, **picture(team), instruction="make it red")
        assert (status, "asks for one that may spend" in told) == (403, True)
    # Somebody's offer is of no use to who may not confirm it.
    _, offer = post(team, team.browser("spend"), "prices", **picture(team), instruction="make it red")
    yes = {"offer": offer["offer"], "most_usd": offer["price"]["ceiling"]}
    assert post(team, browser, "changes", **yes)[0] == 403
    assert browser.post(f"/again/{team.run.run_id}", content="offer=x").status_code == 403
    assert team.services.ledger.runs() == [team.run.run_id]


def test_everybody_has_stars_of_their_own(team: Team) -> None:
    ada, bo = team.browser(reviewer="ada"), team.browser(reviewer="bo")
    status, _ = post(team, ada, "likings", **picture(team), stars=4, is_favourite=True)
    assert status == 200
    assert '"stars":4' in ada.get(f"{team.wall}/tiles/0000.js").text
    assert '"stars":0' in bo.get(f"{team.wall}/tiles/0000.js").text
    assert session(team, team.browser("look"))["can_like"] is False


def test_the_pages_of_a_team_are_dressed(team: Team) -> None:
    browser = team.browser("look")
    assert browser.get("/gallery.css").headers["content-type"].startswith("text/css")
    assert browser.get("/icon.svg").status_code == 200
    home = browser.get("/").text
    sha256 = picture(team)["sha256"]
    assert f'src="/thumbnails/{sha256}.webp"' in home
    assert browser.get(f"/thumbnails/{sha256}.webp").status_code == 200
    assert browser.get(f"/thumbnails/{'0' * 64}.webp").status_code == 404
    assert team.stranger().get(f"/thumbnails/{sha256}.webp").status_code != 200
    assert "style-src 'self'" in browser.get("/").headers["content-security-policy"]
    for path in ("/home.js", "/links", "/on/%2e%2e/gallery.css"):
        assert browser.get(path).status_code == 404


def test_a_browser_is_told_to_say_where_the_form_comes_from(team: Team) -> None:
    # Without a referrer it would say `Origin: null`, and the guard would refuse its own form.
    reply = team.browser("spend").get(f"/again/{team.run.run_id}")
    assert reply.headers["referrer-policy"] == "same-origin"


def test_what_a_reviewer_typed_is_only_words(team: Team) -> None:
    browser = team.browser("spend")
    hostile = '"><img src=x onerror=alert(1)></ul><script>alert(2)</script>{{ 7 * 7 }}'
    assert team.say(browser, "rejected", reason=hostile) == 200
    for path in ("/", f"/again/{team.run.run_id}"):
        shown = browser.get(path)
        assert "<img src=x" not in shown.text
        assert "<script" not in shown.text
    # Plain data in a script, which the page shows as text.
    told = browser.get(f"{team.wall}/tiles/0000.js").text
    (tile,) = json.loads(told[told.index("[") : told.rindex("]") + 1])
    assert tile["reviews"][0]["reason"] == hostile


@pytest.mark.parametrize(
    "path", ["files/../../links/x.json", "files/%2e%2e/%2e%2e/x", "thumbnails//etc/passwd"]
)
def test_a_path_leads_nowhere_else(team: Team, path: str) -> None:
    assert team.browser("spend").get(f"{team.wall}/{path}").status_code == 404
