"""One Prefect server for all flow tests; they run in one process, because it takes half a minute to start."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest

from tasks import events


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=90):
        yield


@pytest.fixture(autouse=True)
def prefects_own_litter() -> Iterator[None]:
    """Collect what Prefect's client leaves open here, where it is forgiven."""
    yield
    gc.collect()


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    """The payloads of the events that a flow sends, by name; each goes on its way too."""
    payloads: dict[str, dict[str, Any]] = {}
    real = events.emit_event

    def emit(event: str, payload: dict[str, Any], **rest: Any) -> Any:
        payloads[event] = payload
        return real(event=event, payload=payload, **rest)

    monkeypatch.setattr(events, "emit_event", emit)
    return payloads
