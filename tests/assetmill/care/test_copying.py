"""A store copied into another: whole at every moment, resumed where it was, and what it was copied from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from assetmill.care.copying import StoreCopier
from assetmill.care.verifying import Verifier
from assetmill.errors import BlobDamaged
from assetmill.runs.planning import plan_pipeline
from assetmill.store.backend import ObjectHead
from assetmill.store.local import LocalStore
from assetmill.store.memory import MemoryStore
from assetmill.store.opening import probe
from tests.millworks import CHAIN, painter, run_here, services_on, settings_in


@pytest.fixture
def source(tmp_path: Path) -> MemoryStore:
    store = MemoryStore()
    probe(store)
    run_here(services_on(settings_in(tmp_path, chain=CHAIN), store, painter()), "chain")
    return store


def keys(store: MemoryStore | LocalStore) -> set[str]:
    return {head.key for head in store.list("v1/") if not head.key.startswith("v1/meta/")}


def test_a_restored_backup_verifies_and_plans_as_unchanged(source: MemoryStore, tmp_path: Path) -> None:
    backup, restored = LocalStore(tmp_path / "backup"), MemoryStore()
    for target in (backup, restored):
        probe(target)
    StoreCopier(source, backup).run()
    StoreCopier(backup, restored).run()
    assert keys(restored) == keys(source)
    assert [problem for problem in Verifier(restored).problems() if problem.is_fault] == []
    services = services_on(settings_in(tmp_path / "new", chain=CHAIN), restored, painter())
    plan = plan_pipeline("chain", {}, services.settings, services.ledger)
    assert {stage.status for stage in plan.stages} == {"reuse"}


def test_a_second_copy_copies_only_what_is_new(source: MemoryStore) -> None:
    target = MemoryStore()
    first = StoreCopier(source, target).run()
    assert (first.copied, first.there) == (len(keys(source)), 0)
    source.create("v1/p/0000000000000001.ab", b"{}")
    again = StoreCopier(source, target).run()
    assert (again.copied, again.there, again.differing) == (1, first.copied, ())


class Dying(MemoryStore):
    """A store that can be written to so many times more."""

    left = 10_000

    def create(self, key: str, data: bytes, *, media_type: str = "application/json") -> None:
        self.left -= 1
        if self.left < 0:
            raise ConnectionError("the process died here")
        super().create(key, data, media_type=media_type)


@pytest.mark.parametrize("left", range(0, 16, 3))
def test_a_copy_that_died_has_no_record_without_its_bytes(source: MemoryStore, left: int) -> None:
    target = Dying()
    target.left = left
    with pytest.raises(ConnectionError):
        StoreCopier(source, target).run()
    faults = [problem for problem in Verifier(target).problems() if problem.is_fault]
    assert faults == []
    target.left = 10_000
    StoreCopier(source, target).run()
    assert keys(target) == keys(source)


class Growing(MemoryStore):
    """A store in which something is made while it is listed."""

    def __init__(self) -> None:
        super().__init__()
        self.grow: Callable[[], object] = lambda: None

    def list(self, prefix: str, limit: int | None = None) -> Iterator[ObjectHead]:
        found: list[ObjectHead] = list(super().list(prefix, limit))
        self.grow()
        return iter(found)


def test_what_is_written_meanwhile_is_in_the_copy(tmp_path: Path) -> None:
    source = Growing()
    probe(source)
    services = services_on(settings_in(tmp_path, chain=CHAIN), source, painter())
    run_here(services, "chain")
    subjects = iter(["a cup", "a jug"])

    def grow() -> None:
        source.grow = lambda: None
        if subject := next(subjects, None):
            run_here(services, "chain", subject=subject)
            source.grow = grow

    source.grow = grow
    target = MemoryStore()
    StoreCopier(source, target).run()
    assert keys(target) == keys(source)
    assert [problem for problem in Verifier(target).problems() if problem.is_fault] == []


def test_nothing_is_overwritten_and_what_differs_is_named(source: MemoryStore) -> None:
    target = MemoryStore()
    key = next(key for key in sorted(keys(source)) if key.startswith("v1/s/"))
    target.create(key, b"{}")
    assert StoreCopier(source, target).run().differing == (key,)
    assert target.get(key) == b"{}"


def test_damaged_bytes_are_not_passed_on(source: MemoryStore) -> None:
    blob = next(key for key in keys(source) if key.startswith("v1/b/"))
    source.put(blob, b"damaged")
    target = MemoryStore()
    with pytest.raises(BlobDamaged, match=r"repair` first"):
        StoreCopier(source, target).run()
    assert blob not in keys(target)
