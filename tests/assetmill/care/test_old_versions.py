"""A bucket that keeps what is deleted: told by `doctor`, removed for good by a purge that is asked to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from assetmill.care.condition import findings_on_store
from assetmill.care.purging import OldVersions, PurgeReceipt, carry_out, plan_purge
from assetmill.errors import StoreUnavailable
from assetmill.outages import Outages
from assetmill.stage.services import Services
from assetmill.store.index import Index
from assetmill.store.memory import MemoryStore
from assetmill.store.opening import probe
from assetmill.store.versions import versions_of
from assetmill.store.waiting import WaitingBackend
from tests.millworks import CHAIN, painter, run_here, services_on, settings_in


class Keeping(MemoryStore):
    """A store with a bucket's older versions, and credentials that may do less and less with them."""

    refused: frozenset[str] = frozenset()

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[str] = []

    def delete(self, key: str) -> None:
        self.kept.append(key)
        super().delete(key)

    def keeps_versions(self) -> bool:
        if "ask" in self.refused:
            raise StoreUnavailable("AccessDenied")
        return True

    def delete_versions(self, prefix: str) -> int:
        if "delete" in self.refused:
            raise StoreUnavailable("a lock holds them")
        gone = [key for key in self.kept if key.startswith(prefix)]
        self.kept = [key for key in self.kept if key not in gone]
        return len(gone)


@pytest.fixture
def store() -> Keeping:
    store = Keeping()
    probe(store)
    return store


@pytest.fixture
def services(store: Keeping, tmp_path: Path) -> Iterator[Services]:
    services = services_on(settings_in(tmp_path, chain=CHAIN), store, painter())
    run_here(services, "chain")
    store.kept.clear()
    yield services
    services.close()


def purged(services: Services, *, clear_versions: bool) -> PurgeReceipt:
    index = Index(services.backend, services.ledger)
    (manifest,) = [services.ledger.latest_manifest("chain")]
    assert manifest is not None
    planned = plan_purge(manifest.assets()[0], services, index, derivatives=False)
    return carry_out(planned, services, ask_service=False, clear_versions=clear_versions)


def test_versions_are_told_of_and_left_until_somebody_asks(store: Keeping, services: Services) -> None:
    first = purged(services, clear_versions=False)
    assert (first.versions, first.is_complete) == (OldVersions(outcome="left"), True)
    assert store.kept
    again = purged(services, clear_versions=True)
    assert again.versions == OldVersions(outcome="deleted", count=1)
    assert store.kept == []


def test_a_purge_says_what_it_may_not_do(store: Keeping, services: Services) -> None:
    store.refused = frozenset({"ask"})
    assert purged(services, clear_versions=True).versions.outcome == "unknown"
    store.refused = frozenset({"delete"})
    receipt = purged(services, clear_versions=True)
    assert receipt.versions == OldVersions(outcome="failed", message="a lock holds them")
    assert not receipt.is_complete


def test_doctor_tells_of_a_bucket_that_keeps_versions(store: Keeping, services: Services) -> None:
    (told,) = [finding for finding in findings_on_store(store) if finding.state == "warning"]
    assert "keeps what is deleted as older versions" in told.message
    assert "`purge --versions`" in told.advice
    store.refused = frozenset({"ask"})
    assert [finding.state for finding in findings_on_store(store)] == ["ok"]


def test_a_store_that_is_waited_for_is_asked_itself(store: Keeping) -> None:
    assert versions_of(WaitingBackend(store, Outages(limit_s=1.0))) is store
    assert versions_of(MemoryStore()) is None
