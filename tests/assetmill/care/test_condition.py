"""What is said of a store that may only be read, and of one that is perhaps not the one that is meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from assetmill.care.condition import findings_on_store
from assetmill.errors import StoreUnavailable
from assetmill.store.memory import MemoryStore
from assetmill.store.opening import probe
from tests.millworks import CHAIN, painter, run_here, services_on, settings_in


class Locked(MemoryStore):
    """A store whose credentials allow less and less."""

    refused: frozenset[str] = frozenset()

    def create(self, key: str, data: bytes, *, media_type: str = "application/json") -> None:
        self._ask("create")
        super().create(key, data, media_type=media_type)

    def delete(self, key: str) -> None:
        self._ask("delete")
        super().delete(key)

    def _ask(self, verb: str) -> None:
        if verb in self.refused:
            raise StoreUnavailable("AccessDenied")


@pytest.fixture
def store(tmp_path: Path) -> Locked:
    store = Locked()
    probe(store)
    run_here(services_on(settings_in(tmp_path, chain=CHAIN), store, painter()), "chain")
    return store


def test_a_store_that_is_well_leaves_nothing_to_say_and_nothing_behind(store: Locked) -> None:
    before = [head.key for head in store.list("")]
    assert [finding.state for finding in findings_on_store(store)] == ["ok"]
    assert [head.key for head in store.list("")] == before


@pytest.mark.parametrize(
    ("refused", "state", "words"),
    [("create", "problem", "can be read and not written to"), ("delete", "warning", "may be deleted")],
)
def test_credentials_that_allow_too_little_are_told(
    store: Locked, refused: str, state: str, words: str
) -> None:
    store.refused = frozenset({refused})
    told = list(findings_on_store(store))[1]
    assert told.state == state
    assert words in told.message


def test_an_empty_store_is_told() -> None:
    empty = MemoryStore()
    probe(empty)
    assert "holds nothing that was made" in list(findings_on_store(empty))[1].message
