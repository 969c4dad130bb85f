from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from assetmill.errors import InvalidInput
from assetmill.money.budget import Budget, Ceiling
from assetmill.money.history import MoneyEntry
from assetmill.store.memory import MemoryStore

RUN = Ceiling("run/r1", 1.00)


def history(store: MemoryStore, scope: str) -> list[MoneyEntry]:
    return [MoneyEntry.model_validate_json(store.get(entry.key)) for entry in store.list(f"v1/m/{scope}/")]


def highest_sum(entries: list[MoneyEntry]) -> float:
    held: dict[str, float] = {}
    highest = 0.0
    for entry in entries:
        held[entry.reservation] = entry.usd
        highest = max(highest, sum(held.values()))
    return highest


def test_forty_stages_of_six_cents_never_exceed_a_dollar() -> None:
    """At no moment of the history, with threads of four processes."""
    store = MemoryStore()
    budgets = [Budget(store) for _ in range(4)]
    with ThreadPoolExecutor(16) as pool:
        futures = [pool.submit(budgets[n % 4].reserve, f"stage-{n}.1", 0.06, [RUN]) for n in range(40)]
        granted = [n for n, future in enumerate(futures) if future.result() is None]
    assert len(granted) == 16
    assert highest_sum(history(store, "run/r1")) <= 1.00


def test_settling_frees_what_was_not_spent() -> None:
    budget = Budget(MemoryStore())
    assert budget.reserve("a.1", 0.90, [RUN]) is None
    assert budget.reserve("b.1", 0.20, [RUN]) is not None
    budget.settle("a.1", 0.30, [RUN])
    assert budget.reserve("b.1", 0.20, [RUN]) is None
    assert round(budget.committed_usd("run/r1"), 6) == 0.50


def test_repeating_a_reservation_or_a_settlement_writes_nothing() -> None:
    store = MemoryStore()
    for budget in (Budget(store), Budget(store)):
        assert budget.reserve("a.1", 0.5, [RUN]) is None
    for budget in (Budget(store), Budget(store)):
        budget.settle("a.1", 0.4, [RUN])
    assert [entry.kind for entry in history(store, "run/r1")] == ["reserve", "settle"]


def test_who_comes_after_an_attempt_was_closed_holds_no_money_for_it() -> None:
    store = MemoryStore()
    early, late = Budget(store), Budget(store)
    assert early.reserve("a.1", 0.5, [RUN]) is None
    early.settle("a.1", 0.0, [RUN])
    assert late.reserve("a.1", 0.5, [RUN]) is None
    assert late.committed_usd("run/r1") == 0.0


def test_a_reservation_is_raised_and_never_lowered() -> None:
    """One attempt may be reserved in a cheaper lane by one worker and in the normal one by another."""
    store = MemoryStore()
    budget, ceilings = Budget(store), (Ceiling("project", 1.0),)
    assert budget.reserve("a.1", 0.2, ceilings) is None
    assert budget.reserve("a.1", 0.5, ceilings) is None
    assert budget.reserve("a.1", 0.2, ceilings) is None
    assert Budget(store).usage("project") == (0.0, {"a.1": 0.5})
    refusal = budget.reserve("a.1", 1.1, ceilings)
    assert refusal
    assert not refusal.may_pass
    assert budget.usage("project") == (0.0, {"a.1": 0.5})


def test_a_raise_that_a_later_scope_refuses_leaves_what_was_held_before() -> None:
    budget, ceilings = Budget(MemoryStore()), (Ceiling("project", 1.0), Ceiling("day/x", 0.3))
    assert budget.reserve("a.1", 0.2, ceilings) is None
    assert budget.reserve("a.1", 0.5, ceilings) is not None
    assert budget.usage("day/x")[1] == {"a.1": 0.2}
    assert budget.usage("project")[1]["a.1"] >= 0.2


def test_what_another_scope_refused_is_reserved_again_once_there_is_room() -> None:
    budget, day = Budget(MemoryStore()), Ceiling("day/2026-11-22", 0.60)
    assert budget.reserve("b.1", 0.5, [day]) is None
    assert budget.reserve("a.1", 0.5, [RUN, day]) is not None
    budget.settle("b.1", 0.0, [day])
    assert budget.reserve("a.1", 0.5, [RUN, day]) is None
    assert budget.committed_usd("run/r1") == 0.5


def test_a_refusal_names_the_ceiling_and_releases_the_other_scopes() -> None:
    budget = Budget(MemoryStore())
    refusal = budget.reserve("a.1", 0.5, [RUN, Ceiling("day/2026-11-22", 0.10)])
    assert "$0.1000 of the ceiling of $0.10 for day/2026-11-22" in str(refusal)
    assert budget.committed_usd("run/r1") == 0.0


def test_without_a_ceiling_the_store_is_left_alone() -> None:
    store = MemoryStore()
    budget = Budget(store)
    assert budget.reserve("a.1", 100.0, []) is None
    budget.settle("a.1", 100.0, [])
    assert store.requests == 0


@pytest.mark.parametrize("usd", [float("nan"), float("inf")])
def test_what_is_no_amount_is_no_ceiling(usd: float) -> None:
    with pytest.raises(InvalidInput, match="write an amount"):
        Ceiling("run/r1", usd)


def test_a_ceiling_may_be_reached_and_not_passed() -> None:
    budget = Budget(MemoryStore())
    assert budget.reserve("a.1", 0.40, [RUN]) is None
    assert budget.reserve("b.1", 0.60, [RUN]) is None
    assert budget.reserve("c.1", 0.0001, [RUN]) is not None


def test_a_refusal_says_what_is_spent_reserved_and_left() -> None:
    budget = Budget(MemoryStore())
    budget.reserve("a.1", 0.50, [RUN])
    budget.settle("a.1", 0.20, [RUN])
    budget.reserve("b.1", 0.30, [RUN])
    refusal = budget.reserve("c.1", 0.75, [RUN])
    assert refusal is not None
    assert (refusal.spent_usd, refusal.reserved_usd) == (pytest.approx(0.20), pytest.approx(0.30))
    assert "it may cost $0.7500 and $0.5000 of the ceiling of $1.00" in str(refusal)


def test_what_an_earlier_scope_gave_is_released_whole() -> None:
    budget, day = Budget(MemoryStore()), Ceiling("day/2026-11-28", 0.10)
    assert budget.reserve("a.1", 0.50, [RUN, day]) is not None
    assert budget.committed_usd(RUN.scope) == 0.0
