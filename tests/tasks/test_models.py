from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest

from assetmill.agents.lifecycles import Lifecycle
from assetmill.store.memory import MemoryStore
from tasks import models
from tasks.connections import provided
from tests.doubles import ScriptedGateway
from tests.millworks import CHAIN, services_on, settings_in


def test_the_watch_keeps_what_the_endpoint_tells_and_sends_an_event_for_each_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = ScriptedGateway()
    monkeypatch.setenv("ASSETMILL_ROOT", str(tmp_path))
    services = services_on(settings_in(tmp_path, chain=CHAIN), MemoryStore(), gateway)
    today = datetime.datetime.fromtimestamp(services.clock(), datetime.UTC).date()
    soon = today + datetime.timedelta(days=9)
    model = services.settings.foundry.model
    gateway.told = (Lifecycle(model, model, "1", soon, is_gone=False, source="the endpoint's deployments"),)
    sent: list[dict[str, Any]] = []

    def keep(**event: Any) -> None:
        sent.append(event)

    monkeypatch.setattr(models, "emit_event", keep)
    with provided(services, "watched"):
        found = models.look_at_models.fn("watched", 30)
    services.close()
    near = [one for one in found if one.use.model == model and one.use.kind == "pipeline"]
    assert [(one.state, one.day) for one in near] == [("soon", soon)]
    assert models.tell_models(found) == len(sent)
    (event,) = [event for event in sent if event["payload"]["model"] == model]
    assert event["event"] == "assetmill.model.ends"
    assert event["payload"]["days_left"] == 9
    assert "pipeline chain" in event["payload"]["used_by"]
