"""Every kind of object that a store holds, and everything that can be wrong with one.

A table: which commands then cannot do their work. Those name the object, all others work; afterwards a repair
mends it, and everything works again, nothing is paid twice, and no ceiling has more room than before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from assetmill.care.kinds import CEILING_LINE, KINDS
from assetmill.errors import StoreUnavailable
from assetmill.money import reading
from tests.storeyard import Origin, Yard

DAMAGES = (
    "missing", "empty", "truncated", "garbage", "wrong schema", "other's content", "stray", "newer", "refused"
)  # fmt: skip
WRITERS = frozenset({"import", "run another", "pay"})

NEEDS: Mapping[str, frozenset[str]] = {
    "stage record": frozenset({"gc", "lineage"}),
    "manifest": frozenset({"gc", "show"}),
    "run start": frozenset({"gc"}),
    "head": frozenset(),
    "index page": frozenset({"gc"}),
    "intent": frozenset({"gc", "resume"}),
    "receipt": frozenset({"resume"}),
    "raw response": frozenset({"gc", "resume"}),
    "verdict": frozenset({"gc", "resume"}),
    "harvest": frozenset({"gc"}),
    "turn cost": frozenset({"gc"}),
    "replies": frozenset({"gc", "resume"}),
    "approval": frozenset({"gc", "resume"}),
    "upload": frozenset(),
    "refusal": frozenset(),
    "ability": frozenset(),
    "probe": frozenset(),
    CEILING_LINE: frozenset({"pay"}),
    "page of a ceiling": frozenset(),
    "start of a batch": frozenset({"gc", "shard"}),
    "page of a batch": frozenset({"gc"}),
    "manifest of a batch": frozenset({"gc"}),
    "halt of a batch": frozenset({"gc"}),
    "cancel of a run": frozenset({"gc"}),
    "head of a batch": frozenset(),
    "mark of a batch": frozenset(),
    "blocked prompt": frozenset({"gc"}),
    "plan of a collection": WRITERS | {"gc"},
    "end of a collection": frozenset(),
    "review": frozenset({"gc"}),
    "tombstone": frozenset(),
    "receipt of a purge": frozenset(),
    "mark of the store": frozenset({"open"}),
}
"""Which commands need an object of a kind. A collection needs every record that might name bytes."""

MISSED: Mapping[str, frozenset[str]] = {
    CEILING_LINE: frozenset({"pay"}),
    "start of a batch": frozenset({"shard"}),
    "raw response": frozenset({"resume"}),
    "stage record": frozenset({"lineage"}),
    "manifest": frozenset({"show"}),
}
"""Which commands cannot do without it where there is none; all others then know nothing of it."""

UNSEEN = {
    (kind, "other's content")
    for kind in (
        *("intent", "receipt", "raw response", "verdict", "harvest", "turn cost", "replies", "upload"),
        *("cancel of a run", "halt of a batch", "head", "head of a batch", "receipt of a purge", "review"),
        "mark of a batch",
    )
}
"""What is whole and of the right kind, and does not say of what it is."""

WITHOUT_FIELDS = {
    "raw response", "review", "head", "head of a batch", "mark of a batch", "index page", "mark of the store"
}  # fmt: skip
"""What has no model can have a field more."""

OTHERS = [kind for kind in NEEDS if kind != "index page"]


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Origin]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "PAGE_LINES", 3)
        yield Origin(tmp_path_factory.mktemp("origin"))


@pytest.fixture
def yard(origin: Origin, tmp_path: Path) -> Yard:
    return Yard(origin, tmp_path)


def needed(kind: str, damage: str) -> frozenset[str]:
    """Return the commands that cannot do their work."""
    if damage == "stray" or (kind, damage) in UNSEEN:
        return frozenset()
    if damage == "missing":
        return MISSED.get(kind, frozenset())
    return NEEDS[kind]


def test_every_kind_of_object_is_damaged(yard: Yard) -> None:
    records = {kind.title for kind in KINDS if not kind.is_bytes}
    assert set(NEEDS) == records
    assert all(yard.keys(kind) for kind in OTHERS)


@pytest.mark.parametrize("damage", [one for one in DAMAGES if one not in {"newer", "refused"}])
@pytest.mark.parametrize("kind", OTHERS)
def test_what_needs_it_names_it_and_a_repair_gives_a_way_out(yard: Yard, kind: str, damage: str) -> None:
    key = yard.damage(kind, damage)
    told = yard.told()
    assert set(told) == needed(kind, damage), told
    for said in told.values():
        assert key in said or (damage == "missing" and "no batch" in said), said
    states = [one.state for one in yard.repair()]
    assert "lost" not in states, states
    assert yard.faults() == []
    left = {"shard", "resume"} if damage == "missing" or states == ["aside"] else set[str]()
    assert set(yard.told()) <= left
    assert yard.run_again() == "completed"
    assert yard.committed_usd() >= yard.origin.committed_usd - 1e-9
    assert [one.state for one in yard.repair() if one.state != "stray"] == []


@pytest.mark.parametrize("kind", [kind for kind in OTHERS if kind not in WITHOUT_FIELDS])
def test_a_record_of_a_newer_version_is_left_to_that(yard: Yard, kind: str) -> None:
    key = yard.damage(kind, "newer")
    data = yard.backend.get(key)
    for said in yard.told().values():
        assert key in said
        assert "newer assetmill" in said
    assert {one.key: one.state for one in yard.repair()} == {key: "newer"}
    assert yard.backend.get(key) == data
    assert key in " ".join(yard.faults())


@pytest.mark.parametrize("kind", OTHERS)
def test_what_the_store_does_not_show_is_named_and_nothing_is_changed(yard: Yard, kind: str) -> None:
    readers = Yard(yard.origin, yard.folder).readers(yard.key(kind))
    key = yard.damage(kind, "refused")
    told = yard.told()
    assert set(told) <= readers
    assert all(key in said and "permission denied" in said for said in told.values()), told
    before = dict(yard.backend.objects)
    if kind != "mark of the store":
        with pytest.raises(StoreUnavailable, match="permission denied"):
            list(yard.repair())
    assert yard.backend.objects == before
    yard.backend.refused = ""
    assert yard.told() == {}
    assert yard.faults() == []
