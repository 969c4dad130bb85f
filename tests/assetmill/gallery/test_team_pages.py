"""A page that a team shares: who comes by which link, what that link is for, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from assetmill.gallery.details import Details
from assetmill.gallery.door import TeamDoor
from assetmill.gallery.links import LinkScope, ReviewLinks
from assetmill.gallery.rates import RateLimit
from assetmill.gallery.reviewing import Reviewing
from assetmill.gallery.site import Site
from assetmill.gallery.team import TeamPages
from assetmill.gallery.thumbnails import ThumbnailStore
from assetmill.gallery.waiting import what_waits
from assetmill.gallery.walls import Walls
from assetmill.local.guard import Guard
from assetmill.reviews.ledger import ReviewLedger
from assetmill.stage.services import Services
from assetmill.store import layout
from assetmill.store.opening import open_store
from tests.batchworks import colourful
from tests.millworks import PICTURE, run_here, services_on, settings_in
from tests.reviewyard import desk_for, say

PORT = 4712
HERE = f"http://127.0.0.1:{PORT}"
HERO = f"""
name: hero
stages:
  - name: draw
    prompt: Draw a mug.
    approval: required{PICTURE % "hero"}
"""


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    settings = settings_in(tmp_path, hero=HERO)
    services = services_on(settings, open_store(settings.store_url), colourful())
    yield services
    services.close()


class Team:
    """A team's page on a store with one picture that waits, and browsers that come by links."""

    def __init__(self, services: Services) -> None:
        self.services, self.desk = services, desk_for(services)
        self.run = run_here(services, "hero")
        self.links = ReviewLinks(services.settings.home)
        self.pages = TeamPages(self._site, lambda: what_waits(services.backend, services.settings, ["hero"]))
        self.opens(TeamDoor(self.links, self.pages.page_of))
        self.picture = self.run.assets()[0]

    def opens(self, door: TeamDoor) -> None:
        self.app = Guard(door, PORT, "https://review.example")

    def _site(self, what: str, reviewer: str | None) -> Site:
        services = self.services
        wall = Walls(services.backend).find(what, everything=False)
        thumbnails = ThumbnailStore(services.settings.home, services.blobs)
        reviewing = Reviewing(self.desk, services.ledger, reviewer)
        return Site(wall, Details(services.ledger), thumbnails, services.blobs, reviewing=reviewing)

    @property
    def wall(self) -> str:
        return f"/on/{self.run.run_id}"

    @property
    def said(self) -> list[str]:
        """Everything that is recorded of the picture."""
        return list(ReviewLedger(self.services.backend).of(self.picture.blob.digest))

    def browser(self, scope: LinkScope = "decide", reviewer: str = "ada", lasts_s: float = 60) -> TestClient:
        _, token = self.links.make(reviewer, scope, lasts_s)
        client = self.stranger()
        client.get(f"/enter/{token}")
        return client

    def stranger(self) -> TestClient:
        return TestClient(self.app, base_url=HERE, follow_redirects=False)  # pyright: ignore[reportArgumentType]

    def say(self, browser: TestClient, kind: str = "approved", **more: object) -> int:
        sha256 = self.picture.blob.digest.removeprefix("sha256:")
        order = {"kind": kind, "asset_id": self.picture.asset_id, "sha256": sha256, **more}
        session = browser.get(f"{self.wall}/session.js").text
        token = json.loads(session[session.index("{") : session.rindex("}") + 1]).get("token", "")
        headers = {"X-Gallery-Token": token}
        return browser.post(f"{self.wall}/reviews", json=order, headers=headers).status_code


@pytest.fixture
def team(services: Services) -> Team:
    return Team(services)


def test_a_reviewer_finds_what_waits_and_decides_as_themselves(team: Team) -> None:
    browser = team.browser(reviewer="bo")
    home = browser.get("/")
    assert home.status_code == 200
    assert f'href="{team.wall}/"' in home.text
    assert "What waits for bo" in home.text
    assert browser.get(f"{team.wall}/").status_code == 200
    assert team.say(browser) == 200
    sha256 = team.picture.blob.digest.removeprefix("sha256:")
    assert team.desk.standing(sha256).approvers == ("bo",)
    assert run_here(team.services, "hero").status == "completed"


def test_home_tells_what_it_waits_for_now(services: Services) -> None:
    picture = run_here(services, "hero").assets()[0]

    def home() -> tuple[int, str]:
        (one,) = what_waits(services.backend, services.settings, ["hero"])
        return one.pictures, one.said

    assert home()[0] == 1
    assert "`assetmill reviewers add NAME` makes one" in home()[1]
    desk = desk_for(services)
    assert home() == (1, "Waits for approval")
    say(desk, "rejected", picture, reason="too teal")
    assert home() == (0, "Everything is decided: the next run goes on with it.")


def test_a_link_to_look_decides_and_spends_nothing(team: Team) -> None:
    browser = team.browser("look")
    assert browser.get(f"{team.wall}/wall.js").status_code == 200
    sha256 = team.picture.blob.digest.removeprefix("sha256:")
    assert browser.get(f"{team.wall}/thumbnails/{sha256}.webp").status_code == 200
    order = {"kind": "approved", "asset_id": team.picture.asset_id, "sha256": sha256}
    reply = browser.post(f"{team.wall}/reviews", json=order)
    assert (reply.status_code, "asks for one that may decide" in reply.text) == (403, True)
    for path in ("/changes", "/prices", "/anything"):
        assert "asks for one that may spend" in browser.post(f"{team.wall}{path}", json={}).text
    assert team.said == []


def test_a_link_to_decide_does_not_spend(team: Team) -> None:
    browser = team.browser("decide")
    reply = browser.post(f"{team.wall}/changes", json={})
    assert (reply.status_code, "asks for one that may spend" in reply.text) == (403, True)


@pytest.mark.parametrize(
    "token",
    ["", "x", "0" * 12, f"{'0' * 12}.{'a' * 43}", f"../links/{'0' * 12}.{'a' * 43}", "%2e%2e/x", "a" * 9000],
)
def test_a_forged_link_lets_nobody_in(team: Team, token: str) -> None:
    browser = team.stranger()
    assert browser.get(f"/enter/{token}").status_code == 403
    browser.cookies.set("assetmill-link", token)
    assert browser.get(f"{team.wall}/").status_code == 403
    assert team.said == []


def test_the_secret_of_another_link_opens_none(team: Team) -> None:
    (one, first), (_, second) = (team.links.make("ada", scope, 60) for scope in ("look", "spend"))
    mixed = f"{one.link_id}.{second.partition('.')[2]}"
    assert team.links.find(mixed) is None
    assert team.links.find(first) == one


def test_what_is_kept_of_a_link_opens_nothing(team: Team, services: Services) -> None:
    link, token = team.links.make("ada", "spend", 60)
    kept = (services.settings.home / "links" / f"{link.link_id}.json").read_text()
    assert token.partition(".")[2] not in kept
    assert team.links.find(f"{link.link_id}.{link.digest[:43]}") is None


def test_an_expired_link_ends_in_the_middle_of_a_session(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = team.browser(lasts_s=60)
    assert browser.get(f"{team.wall}/").status_code == 200
    now = team.run.finished_at + 3600
    monkeypatch.setattr("time.time", lambda: now)
    assert browser.get(f"{team.wall}/").status_code == 403
    assert browser.post(f"{team.wall}/reviews", json={}).status_code == 403
    assert team.said == []


def test_a_revoked_link_ends_at_once(team: Team) -> None:
    browser = team.browser()
    assert browser.get("/").status_code == 200
    for link in team.links.all():
        team.links.revoke(link.link_id)
    assert browser.get("/").status_code == 403
    assert browser.post(f"{team.wall}/reviews", json={}).status_code == 403
    assert team.said == []


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Host": "review.example", "Origin": "https://review.example"}, 200),
        ({"Host": "review.example", "Origin": "http://review.example"}, 403),
    ],
)
def test_only_the_pages_own_address_is_answered(team: Team, headers: Mapping[str, str], status: int) -> None:
    assert team.browser().get("/", headers=dict(headers)).status_code == status


def test_swapped_bytes_are_refused_and_nothing_is_recorded(team: Team) -> None:
    assert team.say(team.browser(), sha256="0" * 64) == 409
    assert team.said == []


@pytest.mark.parametrize("kind", ["approved", "rejected", "commented"])
@pytest.mark.parametrize("there", [b"another picture", None])
def test_what_the_store_holds_no_more_is_not_spoken_of(team: Team, kind: str, there: bytes | None) -> None:
    """The page was loaded; then its bytes were swapped in the store, under the same digest, or lost."""
    browser, key = team.browser(), layout.blob(team.picture.blob.digest)
    data = team.services.backend.get(key)
    team.services.backend.delete(key)
    if there is not None:
        team.services.backend.create(key, there)
    assert team.say(browser, kind, reason="why") == 409
    assert team.said == []
    team.services.backend.put(key, data)
    assert team.say(browser, kind, reason="why") == 200
    team.services.backend.delete(key)
    assert team.say(browser, "withdrawn") == 200


def test_names_are_text(services: Services) -> None:
    from assetmill.gallery.waiting import Waiting, waiting_page

    evil = "<script>alert(1)</script>"
    page = waiting_page(evil, "look", [Waiting("run_1", evil, 1, evil, 0.0)])
    assert "<script" not in page


def test_who_asks_too_often_is_told_to_wait(team: Team) -> None:
    team.opens(TeamDoor(team.links, team.pages.page_of, RateLimit(3, 1, lambda: 0.0)))
    browser = team.browser()
    codes = [team.say(browser, "commented", reason="again") for _ in range(5)]
    assert codes == [200, 200, 200, 429, 429]
    assert len(team.said) == 3
    assert team.say(team.browser(), "commented", reason="another link") == 200


def test_guessing_links_is_slow(team: Team) -> None:
    browser = team.stranger()
    codes = [browser.get("/enter/x").status_code for _ in range(40)]
    assert codes[:10] == [403] * 10
    assert 429 in codes


def test_a_bucket_fills_again_with_time() -> None:
    now = [0.0]
    limit = RateLimit(2, 0.5, lambda: now[0])
    assert [limit.wait_s("a"), limit.wait_s("a"), limit.wait_s("a")] == [0, 0, 2.0]
    assert limit.wait_s("b") == 0
    now[0] = 2.0
    assert [limit.wait_s("a"), limit.wait_s("a")] == [0, 2.0]
