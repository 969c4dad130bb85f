"""What is deleted on the service, and what never is."""

from __future__ import annotations

from pathlib import Path

import pytest

from assetmill.agents.gateway import AgentVersionEntry
from assetmill.care.reaping import leftovers, reap
from assetmill.errors import OutputUnusable, StageError, Throttled
from assetmill.fingerprint import digest
from assetmill.plan.calls import BoundInput, ExpectedOutput
from assetmill.records import BlobRef, RunId
from assetmill.settings import Foundry, Settings
from assetmill.stage.engine import run_stage
from assetmill.stage.services import Services
from assetmill.store.memory import MemoryStore
from tests.doubles import ScriptedGateway, always, message_item, stage_call

DAY_S = 24 * 3600.0


@pytest.fixture
def gateway() -> ScriptedGateway:
    return ScriptedGateway()


@pytest.fixture
def services(gateway: ScriptedGateway, tmp_path: Path) -> Services:
    settings = Settings(profile="test", home=tmp_path, configs=tmp_path, foundry=Foundry(settle_s=0.0))
    return Services(settings, MemoryStore(), lambda _settings, _wait: gateway)


def found(services: Services, older_than_s: float = DAY_S) -> list[tuple[str, str]]:
    return [(leftover.kind, leftover.id) for leftover in leftovers(services, older_than_s)]


def test_a_committed_stage_leaves_nothing_to_reap(services: Services) -> None:
    run_stage(stage_call(), services, RunId("r"))
    assert found(services) == []


def test_the_conversation_of_a_failed_attempt_goes(services: Services, gateway: ScriptedGateway) -> None:
    gateway.script = always(message_item("no picture today"))
    with pytest.raises(StageError):
        run_stage(stage_call(), services, RunId("r"))
    (kind, conversation_id), *rest = found(services)
    assert (kind, rest) == ("conversation", [])
    for leftover in leftovers(services, DAY_S):
        reap(services, leftover)
    assert conversation_id not in gateway.conversations


def test_what_was_kept_with_a_failure_keeps_its_conversation(
    services: Services, gateway: ScriptedGateway
) -> None:
    """The rejected picture was paid for, and its image call can still be gone on with."""
    with pytest.raises(OutputUnusable):
        run_stage(stage_call(outputs=(ExpectedOutput("picture", "x.png", width=999),)), services, RunId("r"))
    assert found(services) == []
    assert len(gateway.conversations) == 1


def test_an_upload_goes_when_it_was_replaced_or_is_old(
    services: Services, gateway: ScriptedGateway, tmp_path: Path
) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(b"a,b\n")
    ref = BlobRef(digest=digest(b"a,b\n"), size_bytes=4, media_type="text/csv")
    bound = BoundInput("data.csv", "container_file", ref, path=str(path))
    first = services.handles.resolve(bound, "container_file").value
    assert found(services) == []
    assert found(services, -DAY_S) == [("file", first)]
    gateway.files.clear()
    second = Services(services.settings, services.backend, lambda _settings, _wait: gateway)
    replaced = second.handles.resolve(bound, "container_file").value
    assert found(second) == [("file", first)]
    assert replaced in gateway.files


def test_only_old_versions_of_an_agent_go(services: Services, gateway: ScriptedGateway) -> None:
    gateway.agent_versions = [
        AgentVersionEntry("assetmill-a", "3", 1.0, is_newest=True),
        AgentVersionEntry("assetmill-a", "2", 1.0, is_newest=False),
        AgentVersionEntry("assetmill-a", "1", services.clock(), is_newest=False),
    ]
    for leftover in list(leftovers(services, DAY_S)):
        reap(services, leftover)
    assert [entry.version for entry in gateway.agent_versions] == ["3", "1"]


def test_a_refused_attempt_has_no_conversation_left(services: Services, gateway: ScriptedGateway) -> None:
    refusals = [Throttled("slow down", "", 429, 0.0)]
    gateway.before = lambda _: (_ for _ in ()).throw(refusals.pop()) if refusals else None
    run_stage(stage_call(), services, RunId("r"))
    for leftover in leftovers(services, DAY_S):
        reap(services, leftover)
    assert len(gateway.conversations) == 1
