"""Pages of a ceiling's lines: a start reads few objects, and hears what the lines themselves would say."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assetmill.errors import StoreError
from assetmill.money import reading
from assetmill.money.budget import Budget, Ceiling
from assetmill.money.history import History
from assetmill.money.reading import read_on
from assetmill.store import layout
from assetmill.store.memory import MemoryStore

PROJECT = Ceiling("project", 100.0)
PAGE = 5


@pytest.fixture(autouse=True, scope="module")
def small_pages() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "PAGE_LINES", PAGE)
        yield


def used(stages: int) -> MemoryStore:
    """Return a store in which stages were reserved and partly settled, and one that began later."""
    store = MemoryStore()
    budget = Budget(store)
    for number in range(stages):
        assert budget.reserve(f"stage-{number}.1", 0.3, [PROJECT]) is None
        if number % 3:
            budget.settle(f"stage-{number}.1", 0.2, [PROJECT])
    return store


def begin(store: MemoryStore, name: str) -> Budget:
    """Begin another process, which reserves something and so leaves pages of what it read."""
    budget = Budget(store)
    assert budget.reserve(name, 0.1, [PROJECT]) is None
    return budget


def pages(store: MemoryStore) -> list[str]:
    return [head.key for head in store.list(f"{layout.money(PROJECT.scope)}pages/")]


def line(number: int) -> str:
    return layout.money_entry(PROJECT.scope, number)


def told(store: MemoryStore, *, is_thorough: bool) -> object:
    """Return what a start knows of the ceiling: the sums, or the line that is not as it must be."""
    history = History(PROJECT.scope)
    try:
        read_on(store, history, is_thorough=is_thorough)
    except StoreError as error:
        return str(error)
    return history.count, history.last, history.reserved, history.settled


def test_a_start_reads_a_page_for_many_lines() -> None:
    store = used(60)
    lines = len(list(store.list(layout.money(PROJECT.scope))))
    first = begin(store, "first.1")
    assert len(pages(store)) == lines // PAGE
    before = store.requests
    second = begin(store, "second.1")
    # The pages, the line behind them; a listing, two questions for one more, and a line of its own.
    assert store.requests - before == lines // PAGE + 1 + 4
    assert second.usage(PROJECT.scope) == first.usage(PROJECT.scope)
    assert second.reserve("stage-1.1", 0.3, [PROJECT]) is None  # it is settled: nothing is held for it
    assert second.usage(PROJECT.scope) == first.usage(PROJECT.scope)


def test_who_only_looks_writes_nothing() -> None:
    store = used(60)
    assert Budget(store).committed_usd(PROJECT.scope) > 0
    assert pages(store) == []


def test_a_page_holds_what_was_read_and_not_what_a_process_knew() -> None:
    """A line vanished under a process that knew it, and another took its number: no page hides that."""
    store = used(3)
    early = begin(store, "early.1")
    store.delete(line(6))
    assert begin(store, "late.1").usage(PROJECT.scope)[1].keys() == {"stage-0.1", "late.1"}
    for number in range(2 * PAGE):
        assert early.reserve(f"on-{number}.1", 0.1, [PROJECT]) is None
    with pytest.raises(StoreError, match=f"{line(7)}.* does not follow"):
        begin(store, "next.1")


@pytest.mark.parametrize("form", ["garbage", "no page", "another's", "cut", "another chain"])
def test_a_page_that_is_none_costs_requests_alone(form: str) -> None:
    store = used(20)
    begin(store, "first.1")
    whole = told(store, is_thorough=True)
    one, other = pages(store)[1:3]
    page = json.loads(gzip.decompress(store.get(one)))
    store.put(
        one,
        {
            "garbage": b"\x1f\x8b garbage",
            "no page": b"{}",
            "another's": store.get(other),
            "cut": json.dumps({**page, "lines": page["lines"][:-1]}).encode(),
            "another chain": json.dumps({**page, "lines": [*page["lines"][1:], page["lines"][0]]}).encode(),
        }[form],
    )
    assert told(store, is_thorough=False) == whole


@given(
    stages=st.integers(1, 20),
    damaged=st.lists(
        st.tuples(st.integers(0, 99), st.sampled_from(["empty", "missing", "copy"])), min_size=1, max_size=3
    ),
)
def test_pages_hide_no_damage(stages: int, damaged: list[tuple[int, str]]) -> None:
    store = used(stages)
    begin(store, "first.1")
    assert told(store, is_thorough=False) == told(store, is_thorough=True)
    count = len([head for head in store.list(layout.money(PROJECT.scope)) if head.key not in pages(store)])
    whole = [store.get(line(number)) for number in range(1, count + 1)]
    for place, how in damaged:
        number = place % count + 1
        if how == "missing":
            store.delete(line(number))
        else:
            store.put(line(number), b"" if how == "empty" else whole[(place + 1) % count])
    assert told(store, is_thorough=False) == told(store, is_thorough=True)


def test_processes_that_begin_at_once_on_a_long_history_never_exceed_the_ceiling() -> None:
    store = used(30)
    spent = Budget(store).committed_usd(PROJECT.scope)
    tight = Ceiling(PROJECT.scope, spent + 0.65)
    budgets = [Budget(store) for _ in range(4)]
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(budgets[n % 4].reserve, f"late-{n}.1", 0.1, [tight]) for n in range(24)]
        assert sum(one.result() is None for one in asked) == 6
    assert pages(store)
    assert Budget(store).committed_usd(PROJECT.scope) == pytest.approx(spent + 0.6)
