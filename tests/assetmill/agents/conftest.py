"""A shop, a wire or a served project for each test: closed at its end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from foundry_emulator.testing.emulated import emulated
from foundry_emulator.testing.scripted import toolbox

from tests.assetmill.agents.served import Served
from tests.assetmill.agents.wire import Wire, without_pauses
from tests.assetmill.agents.workshop import Shop


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path)
    yield made
    made.backend.close()


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    made = Wire(monkeypatch)
    yield made
    made.gateway.close()


@pytest.fixture(scope="session")
def kept_served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with emulated(tmp_path_factory.mktemp("served"), toolbox=toolbox()) as project:
        made = Served(project)
        yield made
        made.gateway.close()


@pytest.fixture
def served(kept_served: Served, monkeypatch: pytest.MonkeyPatch) -> Served:
    without_pauses(monkeypatch)
    kept_served.begin()
    return kept_served
