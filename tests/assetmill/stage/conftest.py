"""One service and one store for every process that a test starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from assetmill.store.memory import MemoryStore
from tests.assetmill.stage.processes import Start, starting
from tests.doubles import ScriptedGateway


@pytest.fixture
def gateway() -> ScriptedGateway:
    return ScriptedGateway()


@pytest.fixture
def process(gateway: ScriptedGateway, backend: MemoryStore, tmp_path: Path) -> Start:
    """Return what starts a new process on the same store and the same service."""
    return starting(gateway, backend, tmp_path)
