"""Links of reviewers, as they are made, listed and ended; and the page that they lead to, on a real port."""

from __future__ import annotations

import httpx
import pytest

from assetmill.local.team_server import team_page
from assetmill.reviews.reviewers import add_reviewer
from assetmill.stage.services import Services
from tests.assetmill.cli.terminal import Terminal


@pytest.fixture
def project(services: Services) -> Services:
    add_reviewer("ada", ("brand",), services.settings.configs, services.settings.home)
    return services


@pytest.mark.usefixtures("project")
def test_a_link_is_made_listed_and_revoked(assetmill: Terminal) -> None:
    assert assetmill("links", "add", "ada", "--for", "2d") == 0, assetmill.err
    url = assetmill.out.strip()
    assert url.startswith("http://127.0.0.1:4290/enter/")
    told = assetmill.document("links")
    assert [(one["reviewer"], one["scope"]) for one in told["links"]] == [("ada", "decide")]
    assert url.rpartition(".")[2] not in str(told)
    assert "digest" not in told["links"][0]
    assert assetmill("links", "revoke", told["links"][0]["link_id"]) == 0
    assert assetmill.document("links")["links"] == []


@pytest.mark.usefixtures("project")
def test_who_is_no_reviewer_may_look_at_most(assetmill: Terminal) -> None:
    assert assetmill("links", "add", "eve") == 2
    assert "no reviewer 'eve'" in assetmill.err
    assert assetmill("links", "add", "eve", "--scope", "look") == 0
    assert assetmill("links", "add", "ada", "--for", "1s") == 2
    assert assetmill("links", "revoke", "nothing") == 2
    assert assetmill("links", "remove", "x") == 2


def test_the_page_answers_whom_a_link_lets_in(project: Services, assetmill: Terminal) -> None:
    assert assetmill("links", "add", "ada") == 0
    path = "/enter/" + assetmill.out.strip().rpartition("/")[2]
    with team_page(project.settings, 0) as port, httpx.Client(base_url=f"http://127.0.0.1:{port}") as browser:
        assert browser.get("/").status_code == 403
        home = browser.get(path, follow_redirects=True)
        assert (home.status_code, "What waits for ada" in home.text) == (200, True)
        assert browser.get("/on/nothing/").status_code == 404
        assert browser.get("/", headers={"Host": "evil.example"}).status_code == 403
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/")
