"""An endpoint that gives other days than the tables: over HTTP, by the vendor's SDK, in every command."""

from __future__ import annotations

import datetime
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from foundry_emulator.server import Ready, running

from assetmill.agents.told import read_told
from assetmill.settings import Settings
from assetmill.stage.services import Services, connect
from assetmill.store.memory import MemoryStore
from tasks import models as watch
from tasks.connections import provided
from tests.assetmill.cli.terminal import Terminal
from tests.millworks import settings_in

NOVEMBER = datetime.date(2026, 11, 28)
SCENE = """
name: scene
defaults: {image_model: gpt-image-1.5, quality: low, model: gpt-5-mini}
stages:
  - {name: hero, prompt: Draw., tools: [image_generation], outputs: [{name: hero.png}]}
"""
DAYS = {"gpt-image-1.5": "2027-06-16", "gpt-5-mini": "2026-12-24", "gpt-5.6-luna": "2027-01-31"}


def put_settings(ready: Ready, settings: dict[str, object]) -> None:
    headers = {"Authorization": f"Bearer {ready.token}", "Content-Type": "application/json"}
    # The address is the emulator's own: loopback.
    asked = urllib.request.Request(  # noqa: S310
        f"{ready.control}/settings", json.dumps(settings).encode(), headers
    )
    urllib.request.urlopen(asked, timeout=20).close()  # noqa: S310


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    settings = settings_in(tmp_path, scene=SCENE)
    settings.emulator_home.mkdir(parents=True)
    for name, value in (("ROOT", tmp_path), ("HOME", settings.home), ("CONFIGS", settings.configs)):
        monkeypatch.setenv(f"ASSETMILL_{name}", str(value))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("assetmill.cli.models.today", lambda: NOVEMBER)
    with running(settings.emulator_home) as ready:
        put_settings(ready, {"retired": DAYS, "tells_retirement": True})
        yield settings


def days(document: dict[str, Any]) -> dict[str, tuple[object, object]]:
    rows: list[dict[str, Any]] = document["models"]
    own = [row for row in rows if row["kind"] == "pipeline" and row["model"] in DAYS]
    return {row["model"]: (row["day"], row["source"]) for row in own}


@pytest.mark.timeout(120)
def test_its_days_win_from_doctor_on(project: Settings, assetmill: Terminal) -> None:
    before = days(assetmill.document("check", "--models", "--within", "1d"))
    assert before["gpt-image-1.5"] == ("2026-12-16", "Azure model retirement schedule, 2026-10-05")

    found = assetmill.document("doctor")["findings"]
    said = [finding for finding in found if finding["check"] == "models"]
    told = "the endpoint's deployments, 2026-11-28"
    (mini,) = [one for one in said if one["message"].startswith("gpt-5-mini")]
    assert f"26 days left, 2026-12-24 at azure by {told}; pipeline scene" in mini["message"]
    assert not [one for one in said if one["message"].startswith("gpt-image-1.5")]

    after = days(assetmill.document("check", "--models", "--within", "1d"))
    assert after == {
        "gpt-image-1.5": ("2027-06-16", told),
        "gpt-5-mini": ("2026-12-24", told),
    }
    assert assetmill("check", "--models", "--within", "27d") == 1
    assert "gpt-5-mini (pipeline scene): 26 days left" in assetmill.out

    warnings = assetmill.document("plan", "scene")["warnings"]
    assert not [one for one in warnings if "gpt-image-1.5" in one]


@pytest.mark.timeout(120)
def test_its_days_win_in_the_watch_and_in_what_it_keeps(project: Settings, assetmill: Terminal) -> None:
    def now() -> float:
        return datetime.datetime(2026, 11, 28, 12, tzinfo=datetime.UTC).timestamp()

    services = Services(project, MemoryStore(), connect, clock=now)
    with provided(services, "watched"):
        found = watch.look_at_models.fn("watched", 30)
    services.close()
    own = {one.use.model: (str(one.day), one.state) for one in found if one.use.kind == "pipeline"}
    assert own == {"gpt-image-1.5": ("2027-06-16", "lives"), "gpt-5-mini": ("2026-12-24", "soon")}
    assert days(assetmill.document("check", "--models", "--within", "1d")) == {
        name: (DAYS[name], "the endpoint's deployments, 2026-11-28") for name in own
    }


ROW: dict[str, Any] = {
    "skuName": "gpt-5 mini inp Gl", "unitOfMeasure": "1M", "retailPrice": 0.25, "meterName": "5 mini in",
    "productName": "Azure OpenAI GPT5", "effectiveStartDate": "2026-09-01T00:00:00Z", "currencyCode": "USD",
}  # fmt: skip


@pytest.mark.timeout(120)
def test_a_refresh_of_prices_reads_its_days_too_and_keeps_them_on_consent(
    project: Settings, assetmill: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rows(_: str) -> list[dict[str, Any]]:
        return [ROW]

    monkeypatch.setattr("assetmill.money.retail.fetch_rows", rows)
    monkeypatch.setattr("assetmill.cli.prices.today", lambda: NOVEMBER)
    assert assetmill("prices", "--refresh") != 0, "nobody is there to agree"
    assert read_told(project.home, project.foundry.endpoint) == {}
    assert assetmill("prices", "--refresh", "--yes") == 0
    source = "(the endpoint's deployments)"
    old = "2026-12-16 (Azure model retirement schedule, 2026-10-05)"
    assert f"gpt-image-1.5: {old} -> 2027-06-16 {source}" in assetmill.out
    assert "models told of, 3 days differ" in assetmill.out
    kept = read_told(project.home, project.foundry.endpoint)
    assert str(kept["gpt-image-1.5"].lifecycle.day) == "2027-06-16"
    assert assetmill.document("prices", "--refresh")["models"] == []


def test_an_endpoint_that_is_not_there_is_said_and_prices_are_compared(
    project: Settings, assetmill: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rows(_: str) -> list[dict[str, Any]]:
        return [ROW]

    monkeypatch.setattr("assetmill.money.retail.fetch_rows", rows)
    monkeypatch.setenv("ASSETMILL_HOME", str(project.home / "elsewhere"))
    assert assetmill("prices", "--refresh") == 0
    assert "the models of emulator were not read: no emulator runs here" in assetmill.err
    assert "1 prices compared, 0 differ" in assetmill.out
