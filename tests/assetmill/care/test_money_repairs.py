"""Ceilings whose history is damaged: they refuse, a repair opens them again, and never wider than before."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assetmill.care.money_repairs import MoneyRepairer
from assetmill.care.repairs import Repaired
from assetmill.errors import StoreError
from assetmill.money.budget import Budget, Ceiling
from assetmill.store import layout
from assetmill.store.memory import MemoryStore

DAY = Ceiling("day/2026-11-28", 5.0)
RUN = Ceiling("run/r1", 5.0)
MOST_USD = 0.3


def repaired(store: MemoryStore) -> list[Repaired]:
    return list(MoneyRepairer(store, MOST_USD).repair())


def line(number: int, scope: str = DAY.scope) -> str:
    return layout.money_entry(scope, number)


def spent(store: MemoryStore, ceilings: list[Ceiling], *, stages: int = 4) -> float:
    """Reserve and settle some stages, and return what that comes to."""
    budget = Budget(store)
    for number in range(stages):
        assert budget.reserve(f"stage-{number}.1", 0.3, ceilings) is None
        if number % 2:
            budget.settle(f"stage-{number}.1", 0.2, ceilings)
    return budget.committed_usd(ceilings[0].scope)


@pytest.mark.parametrize(
    "data", [None, b"", b"{}", b"\x00garbage"], ids=["missing", "empty", "form", "bytes"]
)
@pytest.mark.parametrize("number", range(1, 6))
def test_a_lost_line_stops_spending_until_it_is_counted_at_its_highest(
    number: int, data: bytes | None
) -> None:
    store = MemoryStore()
    before = spent(store, [DAY])
    store.put(line(number), data) if data is not None else store.delete(line(number))
    for _ in range(2):
        with pytest.raises(StoreError, match=line(number)):
            Budget(store).reserve("next.1", 0.1, [DAY])
    (told,) = repaired(store)
    assert (told.state, told.key) == ("mended", line(number))
    assert "$0.3000 counts as spent" in told.message
    budget = Budget(store)
    assert budget.committed_usd(DAY.scope) >= before
    assert budget.reserve("next.1", 0.1, [DAY]) is None
    assert repaired(store) == []


def test_a_process_that_was_there_before_the_damage_goes_on_after_the_repair() -> None:
    store = MemoryStore()
    spent(store, [DAY])
    old = Budget(store)
    known = old.committed_usd(DAY.scope)
    store.put(line(3), b"damaged")
    repaired(store)
    assert old.reserve("next.1", 0.1, [DAY]) is None
    assert Budget(store).committed_usd(DAY.scope) >= known + 0.1
    assert old.committed_usd(DAY.scope) == pytest.approx(known + 0.1)


def test_a_line_of_another_ceiling_or_another_place_is_none() -> None:
    for other in (line(2, RUN.scope), line(1)):
        store = MemoryStore()
        before = spent(store, [DAY, RUN])
        store.put(line(5), store.get(other))
        with pytest.raises(StoreError, match="does not follow"):
            Budget(store).committed_usd(DAY.scope)
        assert [one.key for one in repaired(store)] == [line(5)]
        assert Budget(store).committed_usd(DAY.scope) >= before


def test_two_processes_that_each_missed_a_line_of_the_other_are_told() -> None:
    """The last line vanished under a process that knew it, and another took its number."""
    store = MemoryStore()
    early = Budget(store)
    for name in ("a.1", "b.1"):
        assert early.reserve(name, 0.3, [DAY]) is None
    store.delete(line(2))
    assert Budget(store).reserve("c.1", 0.3, [DAY]) is None
    assert early.reserve("d.1", 0.3, [DAY]) is None
    with pytest.raises(StoreError, match=line(3)):
        Budget(store).committed_usd(DAY.scope)
    assert [one.key for one in repaired(store)] == [line(3), line(4)]
    assert Budget(store).committed_usd(DAY.scope) == pytest.approx(1.2)


def test_lines_of_old_are_read_and_mended() -> None:
    store = MemoryStore()
    for number, name in enumerate(("a.1", "b.1", "c.1"), start=1):
        text = f'{{"nonce":"{name}","kind":"reserve","reservation":"{name}","usd":0.3,"created_at":1.0}}'
        store.create(line(number), text.encode())
    assert Budget(store).committed_usd(DAY.scope) == pytest.approx(0.9)
    store.delete(line(2))
    with pytest.raises(StoreError, match=line(2)):
        Budget(store).committed_usd(DAY.scope)
    assert [one.key for one in repaired(store)] == [line(2)]
    assert Budget(store).committed_usd(DAY.scope) == pytest.approx(0.9)
    assert Budget(store).reserve("d.1", 0.3, [DAY]) is None


@given(
    stages=st.integers(1, 6),
    damaged=st.lists(
        st.tuples(st.integers(0, 99), st.sampled_from(["empty", "missing", "copy"])), max_size=4
    ),
)
def test_no_damage_makes_room_under_a_ceiling(stages: int, damaged: list[tuple[int, str]]) -> None:
    """But for last lines that vanish with nobody left who knew of them."""
    store = MemoryStore()
    before = spent(store, [DAY, RUN], stages=stages)
    count = len(list(store.list(layout.money(DAY.scope))))
    whole = [store.get(line(number)) for number in range(1, count + 1)]
    for place, how in damaged:
        number = place % count + 1
        if how == "missing" and number < count:
            store.delete(line(number))
        elif how == "copy" and count > 1:
            store.put(line(number), whole[(place + 1) % count])
        else:
            store.put(line(number), b"")
    repaired(store)
    assert Budget(store).committed_usd(DAY.scope) >= before - 1e-9
    assert repaired(store) == []
