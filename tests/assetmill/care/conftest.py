from __future__ import annotations

from pathlib import Path

import pytest

from assetmill.records import RunManifest
from assetmill.stage.services import Services
from assetmill.store.memory import MemoryStore
from tests.millworks import CHAIN, painter, run_here, services_on, settings_in


@pytest.fixture
def services(tmp_path: Path, backend: MemoryStore) -> Services:
    return services_on(settings_in(tmp_path, chain=CHAIN), backend, painter())


@pytest.fixture
def manifest(services: Services) -> RunManifest:
    """A finished run of two stages: a picture, and one made from it."""
    return run_here(services, "chain")
