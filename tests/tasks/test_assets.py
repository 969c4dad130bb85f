"""Every asset that a run made is told to Prefect once, in the form that its own decorator sends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect.events.clients import AssertingEventsClient
from prefect.events.worker import EventsWorker
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED,
    temporary_settings,
)
from prefect.types import ValidAssetKey
from pydantic import TypeAdapter

from assetmill.stage.services import Services
from assetmill.store.memory import MemoryStore
from tasks.assets import asset_key, tell_prefect, telling
from tests.millworks import CHAIN, painter, run_here, services_on, settings_in


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    services = services_on(settings_in(tmp_path, chain=CHAIN), MemoryStore(), painter())
    yield services
    services.close()


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[AssertingEventsClient]]:
    """Prefect's own client for tests, in the place of the one that connects to a server."""
    AssertingEventsClient.reset()
    # Without an address it would start a server, which a busy machine does not have ready in time.
    nowhere: dict[Any, Any] = {
        PREFECT_API_URL: "http://127.0.0.1:9/api",
        PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED: False,
    }
    with temporary_settings(nowhere):
        worker = EventsWorker.instance(AssertingEventsClient)

        def instance(*_: object) -> object:
            return worker

        monkeypatch.setattr(EventsWorker, "instance", instance)
        yield AssertingEventsClient
        worker.drain()


def test_each_asset_is_told_once_with_its_parents(
    services: Services, events: type[AssertingEventsClient]
) -> None:
    manifest = run_here(services, "chain")
    first, second = manifest.assets()
    assert tell_prefect(manifest) == 2
    EventsWorker.instance().drain()
    assert events.last is not None
    sent = {event.resource.id: event for event in events.last.events}
    assert set(sent) == {asset_key(first.asset_id), asset_key(second.asset_id)}
    told = sent[asset_key(second.asset_id)]
    assert told.event == "prefect.asset.materialization.succeeded"
    assert asset_key(first.asset_id) in [related.id for related in told.related]


def test_a_server_that_nobody_can_see_is_not_told(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []

    def emit(event: str, **_: object) -> None:
        sent.append(event)

    monkeypatch.setattr("tasks.assets.emit_event", emit)
    manifest = run_here(services, "chain")
    with telling(is_seen=False):
        assert (tell_prefect(manifest), sent) == (0, [])
    assert (tell_prefect(manifest), len(sent)) == (2, 2)


def test_what_was_reused_was_told_before(services: Services) -> None:
    run_here(services, "chain")
    assert tell_prefect(run_here(services, "chain")) == 0


def test_a_key_is_one_that_prefect_takes(services: Services) -> None:
    key = asset_key(run_here(services, "chain").assets()[0].asset_id)
    assert TypeAdapter(ValidAssetKey).validate_python(key) == key
