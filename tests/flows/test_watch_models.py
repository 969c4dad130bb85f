"""The weekly watch over models as a flow run on a real Prefect server: its result, its report, its events."""

from __future__ import annotations

import asyncio
import datetime
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client

from assetmill.agents.lifecycles import Lifecycle
from assetmill.store.memory import MemoryStore
from flows.watch_models import watch_models
from tasks import models
from tasks.connections import provided
from tests.doubles import ScriptedGateway
from tests.marks import WITH_PREFECT
from tests.millworks import CHAIN, services_on, settings_in

pytestmark = WITH_PREFECT


async def report() -> str:
    """Return the newest report of the watch."""
    async with get_client() as client:
        answer = await client.request("GET", "/artifacts/{key}/latest", path_params={"key": "models"})
        return str(answer.json()["data"])


def test_the_watch_reports_what_ends_within_its_days(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = ScriptedGateway()
    monkeypatch.setenv("ASSETMILL_ROOT", str(tmp_path))
    services = services_on(settings_in(tmp_path, chain=CHAIN), MemoryStore(), gateway)
    today = datetime.datetime.fromtimestamp(services.clock(), datetime.UTC).date()
    soon = today + datetime.timedelta(days=9)
    model = services.settings.foundry.model
    gateway.told = (Lifecycle(model, model, "1", soon, is_gone=False, source="the endpoint's deployments"),)
    sent: list[str] = []
    real = models.emit_event

    def emit(event: str, **rest: Any) -> Any:
        sent.append(event)
        return real(event=event, **rest)

    monkeypatch.setattr(models, "emit_event", emit)
    with provided(services, "watched"):
        near = asyncio.run(watch_models("watched", 30))
        assert f"{model} (pipeline chain): 9 days left, {soon}" in asyncio.run(report())
        before = asyncio.run(watch_models("watched", 8))
        assert "No model of the project ends within 8 days." in asyncio.run(report())
    services.close()
    assert (near["near"], before["near"]) == (1, 0)
    assert sent == [models.ENDS]
