"""One service and one store for every process that a test starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from assetmill.agents.gateway import WAYS
from assetmill.endpoints import EndpointProbe
from assetmill.store.ledger import Ledger
from assetmill.store.memory import MemoryStore
from tests.assetmill.stage.processes import ON_THE_LINE, Start, starting
from tests.doubles import ScriptedGateway


@pytest.fixture
def gateway() -> ScriptedGateway:
    return ScriptedGateway()


MONEY = frozenset(
    {"test_paid_once", "test_open_outcomes", "test_refused_posts", "test_failed_responses", "test_slots"}
    | {"test_stage_ceilings", "test_accepting", "test_containers", "test_kept_outputs", "test_failpoints"}
)
"""The modules whose tests hold in every way of posting."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    name = metafunc.module.__name__.rpartition(".")[2]
    if "way" in metafunc.fixturenames and name in MONEY:
        metafunc.parametrize("way", WAYS)


@pytest.fixture
def way() -> str:
    """How processes post, where a test does not say; the modules of `MONEY` go through all ways."""
    return "auto"


@pytest.fixture
def process(gateway: ScriptedGateway, backend: MemoryStore, tmp_path: Path, way: str) -> Start:
    """Return what starts a new process on the same store and the same service."""
    if way in ("stream", "foreground"):
        probe = {"endpoint": gateway.endpoint, "created_at": 1.0, "way": way, "kept": ON_THE_LINE}
        Ledger(backend).write_probe(EndpointProbe.model_validate(probe))
    return starting(gateway, backend, tmp_path, way)
