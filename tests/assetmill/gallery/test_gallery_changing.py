"""Changes through the page's own requests: what is begun at which price, and everything that is not."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from assetmill.editing.adopting import adopt_all
from assetmill.gallery.changing import ChangeOrder, Changing
from assetmill.gallery.serving import Gallery
from assetmill.gallery.walls import Walls
from assetmill.local.guard import Guard
from assetmill.records import RunId, RunManifest
from assetmill.stage.services import Services
from assetmill.store import layout
from tests.assetmill.gallery.conftest import site_on
from tests.doubles import ScriptedGateway, png
from tests.millworks import run_here

PORT = 4711
HERE = f"http://127.0.0.1:{PORT}"


@pytest.fixture
def run(services: Services) -> RunManifest:
    return run_here(services, "chain")


@pytest.fixture
def gateway(services: Services, run: RunManifest) -> ScriptedGateway:
    """The service; its bill is emptied of the run that there was before."""
    gateway = services.gateway
    assert isinstance(gateway, ScriptedGateway)
    gateway.posts.clear()
    return gateway


@pytest.fixture
def changing(services: Services) -> Iterator[Changing]:
    changing = Changing(lambda: nullcontext(services), lambda _services: nullcontext())
    yield changing
    changing.close()


@pytest.fixture
def gallery(services: Services, run: RunManifest, changing: Changing) -> Gallery:
    return Gallery(site_on(services, Walls(services.backend).find(run.run_id)), changing)


@pytest.fixture
def browser(gallery: Gallery) -> Iterator[TestClient]:
    yield from entered(gallery)


def entered(gallery: Gallery) -> Iterator[TestClient]:
    guard = Guard(gallery.app, PORT)  # pyright: ignore[reportArgumentType]
    with TestClient(guard, base_url=HERE, follow_redirects=False) as client:
        client.get(gallery.entrance)
        told = client.get("/session.js").text
        session = json.loads(told[told.index("(") + 1 : told.rindex(")")])
        client.headers["X-Gallery-Token"] = session["token"]
        client.headers["Origin"] = HERE
        yield client


def order(run: RunManifest, **changes: Any) -> dict[str, Any]:
    asset = run.assets()[0]
    sha256 = asset.blob.digest.removeprefix("sha256:")
    return {"asset_id": asset.asset_id, "sha256": sha256, "instruction": "make it red", **changes}


def offered(browser: TestClient, run: RunManifest, **changes: Any) -> dict[str, Any]:
    reply = browser.post("/prices", json=order(run, **changes))
    assert reply.status_code == 200, reply.text
    return reply.json()


def yes_to(offer: dict[str, Any]) -> dict[str, Any]:
    return {"offer": offer["offer"], "most_usd": offer["price"]["ceiling"]}


def runs(services: Services, run: RunManifest) -> list[RunId]:
    """The runs that began after the one that made the picture."""
    return [one for one in services.ledger.runs() if one != run.run_id]


def test_a_price_is_asked_for_nothing(
    browser: TestClient, services: Services, run: RunManifest, gateway: ScriptedGateway
) -> None:
    offer = offered(browser, run)
    assert 0 < offer["price"]["expected"] <= offer["price"]["ceiling"]
    assert gateway.posts == []
    assert runs(services, run) == []


def test_a_yes_draws_it_once(
    browser: TestClient, services: Services, run: RunManifest, gateway: ScriptedGateway, changing: Changing
) -> None:
    offer = offered(browser, run)
    assert browser.post("/changes", json=yes_to(offer)).json() == {"at": 2}
    assert browser.post("/changes", json=yes_to(offer)).status_code == 409
    changing.wait()
    assert len(gateway.posts) == 1
    (begun,) = runs(services, run)
    manifest = services.ledger.read_manifest(begun)
    assert manifest is not None
    assert manifest.status == "completed"
    assert services.ceilings_of(begun)[0].usd == offer["price"]["ceiling"]


def test_another_price_is_no_yes(
    browser: TestClient, services: Services, run: RunManifest, gateway: ScriptedGateway
) -> None:
    offer = offered(browser, run)
    for said in ({"most_usd": offer["price"]["ceiling"] / 2}, {"offer": "x"}, {"offer": ""}):
        assert browser.post("/changes", json=yes_to(offered(browser, run)) | said).status_code == 409
    assert gateway.posts == []
    assert runs(services, run) == []


def test_a_price_that_changed_is_refused(
    browser: TestClient, services: Services, run: RunManifest, gateway: ScriptedGateway
) -> None:
    offer = offered(browser, run)
    prices = services.settings.tables / "prices.toml"
    dearer = prices.read_text().replace("output = 30", "output = 60")
    assert dearer != prices.read_text()
    prices.unlink()
    prices.write_text(dearer)
    reply = browser.post("/changes", json=yes_to(offer))
    assert reply.status_code == 409
    assert "ask for it again" in reply.text
    assert gateway.posts == []
    assert runs(services, run) == []
    again = offered(browser, run)
    assert again["price"]["ceiling"] > offer["price"]["ceiling"]


def swap(services: Services, run: RunManifest) -> None:
    record = run.stages[0].record
    assert record is not None
    other = services.blobs.put(png(1024, 1024, "red"), "image/png")
    swapped = record.outputs[0].model_copy(update={"blob": other})
    stored = record.model_copy(update={"outputs": (swapped,)})
    services.backend.put(layout.stage("chain", record.fingerprint), stored.model_dump_json().encode())


@pytest.mark.parametrize("is_offered", [False, True])
def test_swapped_bytes_are_refused(
    browser: TestClient,
    services: Services,
    run: RunManifest,
    gateway: ScriptedGateway,
    is_offered: bool,
) -> None:
    offer = offered(browser, run) if is_offered else {}
    swap(services, run)
    path, said = ("/changes", yes_to(offer)) if is_offered else ("/prices", order(run))
    reply = browser.post(path, json=said)
    assert reply.status_code == 409
    assert "not what you looked at" in reply.text
    assert gateway.posts == []


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"instruction": "  "}, 422),
        ({"instruction": "x" * 5000}, 422),
        ({"sha256": "x"}, 422),
        ({"sha256": "f" * 64}, 409),
        ({"asset_id": f"ast_{'0' * 8}_{'a' * 52}_01"}, 404),
        ({"asset_id": "../../x"}, 404),
        ({"mask": "/etc/passwd"}, 422),
        ({"mask": "%%%"}, 422),
        ({"mask": base64.b64encode(b"<svg onload='alert(1)'/>").decode()}, 422),
        ({"mask": base64.b64encode(png(8, 8, "white")).decode()}, 422),
        ({"mask": base64.b64encode(png(1024, 1024, "black")).decode()}, 422),
        ({"mask": base64.b64encode(png(1024, 1024, "red")).decode()}, 422),
        ({"budget_usd": 1000}, 422),
        ({"references": ["/etc/passwd"]}, 422),
    ],
)
def test_what_makes_no_sense_has_no_price(
    browser: TestClient, run: RunManifest, gateway: ScriptedGateway, changes: dict[str, Any], status: int
) -> None:
    reply = browser.post("/prices", json=order(run, **changes))
    assert reply.status_code == status, reply.text
    assert gateway.posts == []
    assert browser.get("/").status_code == 200


@pytest.mark.parametrize("path", ["/prices", "/changes"])
@pytest.mark.parametrize(
    "headers", [{"X-Gallery-Token": "x"}, {"Origin": "http://evil.example"}, {"Host": "evil.example"}]
)
def test_another_page_changes_nothing(
    browser: TestClient, run: RunManifest, gateway: ScriptedGateway, path: str, headers: dict[str, str]
) -> None:
    said = order(run) if path == "/prices" else yes_to(offered(browser, run))
    assert browser.post(path, json=said, headers=headers).status_code == 403
    browser.cookies.clear()
    assert browser.post(path, json=said).status_code == 403
    assert gateway.posts == []


@pytest.mark.parametrize("path", ["/prices", "/changes"])
def test_who_may_only_look_spends_nothing(
    services: Services, run: RunManifest, gateway: ScriptedGateway, path: str
) -> None:
    looking = Gallery(site_on(services, Walls(services.backend).find(run.run_id), "ada"))
    for browser in entered(looking):
        assert '"can_change":false' in browser.get("/session.js").text
        assert browser.post(path, json=order(run)).status_code == 403
    assert gateway.posts == []


def test_a_ceiling_holds(
    browser: TestClient, services: Services, run: RunManifest, gateway: ScriptedGateway, changing: Changing
) -> None:
    tight = services.settings.budget.model_copy(update={"project_usd": 0.000001})
    services.settings = services.settings.model_copy(update={"budget": tight})
    assert browser.post("/changes", json=yes_to(offered(browser, run))).status_code == 200
    changing.wait()
    assert gateway.posts == []
    (begun,) = runs(services, run)
    manifest = services.ledger.read_manifest(begun)
    assert manifest is not None
    assert manifest.stages[-1].status == "over_budget"


def test_an_edit_that_is_there_already_costs_nothing(
    browser: TestClient, run: RunManifest, gateway: ScriptedGateway, changing: Changing
) -> None:
    browser.post("/changes", json=yes_to(offered(browser, run)))
    changing.wait()
    again = offered(browser, run)
    assert again["price"]["ceiling"] == 0
    browser.post("/changes", json=yes_to(again))
    changing.wait()
    assert len(gateway.posts) == 1


def test_a_page_that_ends_seals_what_it_began(
    browser: TestClient, services: Services, run: RunManifest, changing: Changing
) -> None:
    services.stop.set()
    browser.post("/changes", json=yes_to(offered(browser, run)))
    changing.close()
    (begun,) = runs(services, run)
    manifest = services.ledger.read_manifest(begun)
    assert manifest is not None
    assert manifest.status == "cancelled"


def test_a_picture_of_any_shape_has_a_price(services: Services, tmp_path: Path, changing: Changing) -> None:
    (tmp_path / "link.png").write_bytes(png(1200, 630))
    asset = adopt_all([tmp_path / "link.png"], services, "0" * 32).assets()[0]
    sha256 = asset.blob.digest.removeprefix("sha256:")
    told = changing.offer(ChangeOrder(asset_id=asset.asset_id, sha256=sha256, instruction="make it red"))
    assert told["price"]["ceiling"] > 0


def test_what_has_no_price_is_not_offered(
    browser: TestClient, services: Services, run: RunManifest, gateway: ScriptedGateway
) -> None:
    prices = services.settings.tables / "prices.toml"
    chat_alone = re.sub(r"\[\[image\]\]\n(?:[^\[].*\n|\n)*", "", prices.read_text())
    prices.unlink()
    prices.write_text(chat_alone)
    reply = browser.post("/prices", json=order(run))
    assert reply.status_code == 422
    assert "nobody can say what it costs" in reply.text
    assert gateway.posts == []
