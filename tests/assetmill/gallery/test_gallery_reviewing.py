"""Reviews through the page's own request: what is signed, and everything that is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from assetmill import redaction
from assetmill.gallery.serving import Gallery
from assetmill.gallery.walls import Walls
from assetmill.local.guard import Guard
from assetmill.records import RunManifest
from assetmill.stage.services import Services
from assetmill.store import layout
from tests.assetmill.gallery.conftest import desk_of, site_on
from tests.doubles import png
from tests.millworks import run_here

PORT = 4711
HERE = f"http://127.0.0.1:{PORT}"


@pytest.fixture
def run(services: Services) -> RunManifest:
    return run_here(services, "chain")


@pytest.fixture
def browser(services: Services, run: RunManifest) -> Iterator[TestClient]:
    wall = Walls(services.backend).find(run.run_id)
    gallery = Gallery(site_on(services, wall, "ada"))
    guard = Guard(gallery.app, PORT)  # pyright: ignore[reportArgumentType]
    with TestClient(guard, base_url=HERE, follow_redirects=False) as client:
        client.get(gallery.entrance)
        told = client.get("/session.js").text
        session = json.loads(told[told.index("{") : told.rindex("}") + 1])
        assert session["reviewer"] == "ada"
        client.headers["X-Gallery-Token"] = session["token"]
        client.headers["Origin"] = HERE
        yield client


def order(run: RunManifest, **changes: Any) -> dict[str, Any]:
    asset = run.assets()[0]
    sha256 = asset.blob.digest.removeprefix("sha256:")
    return {"kind": "approved", "asset_id": asset.asset_id, "sha256": sha256, **changes}


def said_of(services: Services, run: RunManifest) -> list[str]:
    sha256 = run.assets()[0].blob.digest.removeprefix("sha256:")
    return [one.kind for one in desk_of(services).standing(sha256).reviews]


def test_a_word_is_signed_and_shown(browser: TestClient, services: Services, run: RunManifest) -> None:
    assert browser.post("/reviews", json=order(run)).json()["stand"] == "approved"
    rejected = order(run, kind="rejected", reason="too dark", point=[0.5, 0.25])
    told = browser.post("/reviews", json=rejected).json()
    assert told["stand"] == "rejected"
    assert told["reviews"][-1]["point"] == [0.5, 0.25]
    assert said_of(services, run) == ["approved", "rejected"]
    assert '"stand":"rejected"' in browser.get("/tiles/0000.js").text
    # Both pictures of this run have the same bytes: what was said of one was said of both.
    assert '"stands":["rejected"]' in browser.get("/wall.js").text


def test_swapped_bytes_are_refused(browser: TestClient, services: Services, run: RunManifest) -> None:
    loaded = order(run)
    record = run.stages[0].record
    assert record is not None
    other = services.blobs.put(png(1024, 1024, "red"), "image/png")
    swapped = record.outputs[0].model_copy(update={"blob": other})
    stored = record.model_copy(update={"outputs": (swapped,)})
    services.backend.put(layout.stage("chain", record.fingerprint), stored.model_dump_json().encode())
    reply = browser.post("/reviews", json=loaded)
    assert reply.status_code == 409
    assert "not what you looked at" in reply.text
    assert said_of(services, run) == []


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"kind": "rejected"}, 422),
        ({"kind": "commented", "reason": "  "}, 422),
        ({"kind": "deleted"}, 422),
        ({"sha256": "x"}, 422),
        ({"sha256": "f" * 64}, 409),
        ({"asset_id": f"ast_{'0' * 8}_{'a' * 52}_01"}, 404),
        ({"asset_id": "../../x"}, 404),
        ({"point": [2, 0]}, 422),
        ({"point": ["NaN", 0]}, 422),
        ({"reason": "x" * 5000}, 422),
        ({"reason": "x" * 100_000}, 422),
        ({"reviewer": "grace"}, 422),
    ],
)
def test_what_makes_no_sense_is_refused(
    browser: TestClient, services: Services, run: RunManifest, changes: dict[str, Any], status: int
) -> None:
    assert browser.post("/reviews", json=order(run, **changes)).status_code == status
    assert said_of(services, run) == []
    assert browser.get("/").status_code == 200


@pytest.mark.parametrize(
    "headers", [{"X-Gallery-Token": "x"}, {"X-Gallery-Token": ""}, {"Origin": "http://evil.example"}]
)
def test_another_page_reviews_nothing(
    browser: TestClient, services: Services, run: RunManifest, headers: dict[str, str]
) -> None:
    assert browser.post("/reviews", json=order(run), headers=headers).status_code == 403
    browser.cookies.clear()
    assert browser.post("/reviews", json=order(run)).status_code == 403
    assert said_of(services, run) == []


def test_a_secret_is_never_signed(
    browser: TestClient, services: Services, run: RunManifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redaction, "_known", {"hunter2hunter2hunter2"})
    reply = browser.post("/reviews", json=order(run, kind="commented", reason="hunter2hunter2hunter2"))
    assert reply.status_code == 422
    assert "hunter2" not in reply.text
    assert said_of(services, run) == []


def test_who_may_only_look_says_nothing(services: Services, run: RunManifest) -> None:
    gallery = Gallery(site_on(services, Walls(services.backend).find(run.run_id)))
    with TestClient(gallery.app, base_url=HERE, follow_redirects=False) as client:
        client.get(gallery.entrance)
        assert '"reviewer":null' in client.get("/session.js").text
        assert client.post("/reviews", json=order(run), headers={"X-Gallery-Token": ""}).status_code == 403
    assert said_of(services, run) == []
