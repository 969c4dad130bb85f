from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from assetmill.stage.services import Services
from assetmill.store.memory import MemoryStore
from tests.batchworks import CARD, ONE
from tests.doubles import ScriptedGateway
from tests.millworks import painter, services_on, settings_in


@pytest.fixture
def gateway() -> ScriptedGateway:
    return painter()


@pytest.fixture
def services(tmp_path: Path, gateway: ScriptedGateway) -> Iterator[Services]:
    services = services_on(settings_in(tmp_path, card=CARD, one=ONE), MemoryStore(), gateway)
    yield services
    services.close()
