from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from assetmill.gallery.serving import Gallery
from assetmill.gallery.tiles import Tile
from assetmill.local.guard import Guard
from assetmill.stage.services import Services
from tests.assetmill.gallery.conftest import picture, site_on, wall_of

PORT = 4711
HERE = f"http://127.0.0.1:{PORT}"


@pytest.fixture
def gallery(services: Services) -> Gallery:
    page = services.blobs.put(b"<script>alert(1)</script>", "text/html")
    report = Tile("report.html", "write", "output", blob=page)
    return Gallery(site_on(services, wall_of([picture(services, "a.png"), report])))


@pytest.fixture
def browser(gallery: Gallery) -> Iterator[TestClient]:
    guard = Guard(gallery.app, PORT)  # pyright: ignore[reportArgumentType]
    with TestClient(guard, base_url=HERE, follow_redirects=False) as client:
        yield client


def enter(browser: TestClient, gallery: Gallery) -> None:
    reply = browser.get(gallery.entrance)
    assert (reply.status_code, reply.headers["location"]) == (303, "/")
    said = reply.headers["set-cookie"].lower()
    assert "httponly" in said
    assert "samesite=strict" in said


def test_the_link_lets_one_browser_in(browser: TestClient, gallery: Gallery) -> None:
    assert browser.get("/").status_code == 403
    enter(browser, gallery)
    assert browser.get("/").status_code == 200
    browser.cookies.clear()
    assert browser.get(gallery.entrance).status_code == 403
    assert browser.get("/tiles/0000.js").status_code == 403


@pytest.mark.parametrize("link", ["/enter/", "/enter/x", "/enter/%00", f"/enter/{'a' * 9000}"])
def test_a_forged_link_lets_nobody_in(browser: TestClient, gallery: Gallery, link: str) -> None:
    assert browser.get(link).status_code in {403, 404}
    enter(browser, gallery)


@pytest.mark.parametrize(
    "headers", [{"Host": "evil.example"}, {"Host": f"evil.example:{PORT}"}, {"Origin": "http://evil.example"}]
)
def test_a_page_of_another_place_is_refused(
    browser: TestClient, gallery: Gallery, headers: dict[str, str]
) -> None:
    enter(browser, gallery)
    assert browser.get("/wall.js", headers=headers).status_code == 403


@pytest.mark.parametrize(
    "path", ["/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/files/..%2f..", "/nothing"]
)
def test_nothing_but_the_wall_is_served(browser: TestClient, gallery: Gallery, path: str) -> None:
    enter(browser, gallery)
    assert browser.get(path).status_code == 404


def test_nothing_can_be_changed(browser: TestClient, gallery: Gallery) -> None:
    enter(browser, gallery)
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert browser.request(method, "/wall.js").status_code == 405


def test_a_page_runs_its_own_scripts_alone(browser: TestClient, gallery: Gallery) -> None:
    enter(browser, gallery)
    headers = browser.get("/").headers
    assert "script-src 'self'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"


def test_what_an_agent_wrote_is_kept_as_a_file(browser: TestClient, gallery: Gallery) -> None:
    enter(browser, gallery)
    told = browser.get("/tiles/0000.js").text
    path = told[told.index("files/") :].split('"')[0]
    assert browser.get(f"/{path}").headers["content-type"] == "image/png"
    page = "/" + told[told.rindex("files/") :].split('"')[0]
    headers = browser.get(page).headers
    assert headers["content-disposition"] == "attachment"
    assert headers["content-security-policy"] == "sandbox"
