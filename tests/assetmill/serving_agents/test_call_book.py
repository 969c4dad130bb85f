"""The book of calls: one key, one call, on whichever machine it is asked for again."""

from __future__ import annotations

from typing import Any

import pytest

from assetmill.errors import InvalidInput, NotFound
from assetmill.serving_agents.book import CallBook, call_id_of
from assetmill.serving_agents.commands import spending_words
from assetmill.serving_agents.records import CallEnded
from assetmill.serving_agents.standing import MOST_ENTRIES, bounded
from assetmill.store import layout
from assetmill.store.memory import MemoryStore

WHAT: dict[str, Any] = {"pipeline": "card"}


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def ended(call_id: str, attempt: int, exit_code: int, document: dict[str, Any] | None) -> CallEnded:
    return CallEnded(
        call_id=call_id, attempt=attempt, exit_code=exit_code, document=document, said=(), ended_at=1.0
    )


def test_a_call_is_stored_before_it_begins_and_found_by_its_key(store: MemoryStore) -> None:
    call = CallBook(store).open("monday", "run", WHAT, 0.5, "local")
    again = CallBook(store).open("monday", "run", WHAT, 0.5, "local")
    assert again == call == CallBook(store).read(call_id_of("monday"))
    assert CallBook(store).newest(call.call_id) == (None, None)


@pytest.mark.parametrize(
    ("tool", "arguments", "ceiling_usd", "profile"),
    [
        ("batch", WHAT, 0.5, "local"),
        ("run", {"pipeline": "other"}, 0.5, "local"),
        ("run", WHAT, 0.6, "local"),
        ("run", WHAT, 0.5, "azure"),
    ],
)
def test_another_call_does_not_get_the_key(
    tool: str, arguments: dict[str, Any], ceiling_usd: float, profile: str, store: MemoryStore
) -> None:
    CallBook(store).open("monday", "run", WHAT, 0.5, "local")
    with pytest.raises(InvalidInput, match="belongs to another call"):
        CallBook(store).open("monday", tool, arguments, ceiling_usd, profile)


@pytest.mark.parametrize("call_id", ["call_0", "call_../x", "run_1", "", "call_"])
def test_an_unknown_call_is_an_error(call_id: str, store: MemoryStore) -> None:
    with pytest.raises(NotFound):
        CallBook(store).read(call_id)


def test_of_two_machines_one_begins_an_attempt(store: MemoryStore) -> None:
    class Late(CallBook):
        def newest(self, call_id: str) -> tuple[None, None]:
            return None, None

    call = CallBook(store).open("monday", "run", WHAT, 0.5, "local")
    first = CallBook(store).begin(call.call_id, 1)
    assert first is not None
    assert Late(store).begin(call.call_id, 2) is None
    assert CallBook(store).newest(call.call_id) == (first, None)


def test_the_newest_attempt_counts(store: MemoryStore) -> None:
    book = CallBook(store)
    call_id = book.open("monday", "run", WHAT, 0.5, "local").call_id
    for attempt in range(1, 12):
        begun = book.begin(call_id, attempt)
        assert begun is not None
        assert begun.attempt == attempt
    book.end(ended(call_id, 11, 0, {"status": "completed"}))
    begun, over = book.newest(call_id)
    assert (begun and begun.attempt, over and over.exit_code) == (11, 0)


@pytest.mark.parametrize(
    ("exit_code", "document", "is_final"),
    [
        (0, {}, True),
        (1, {}, True),
        (2, {}, True),
        (130, {}, False),
        (143, {}, False),
        (-9, None, False),
        (1, None, False),
    ],
)
def test_what_was_stopped_may_go_on(exit_code: int, document: dict[str, Any] | None, is_final: bool) -> None:
    assert ended("call_1", 1, exit_code, document).is_final == is_final


@pytest.mark.parametrize("tool", ["run", "batch", "edit", "update"])
def test_no_command_that_spends_is_without_its_ceiling(tool: str) -> None:
    arguments = {"pipeline": "--json", "rows": "r.csv", "asset": "a", "instruction": "--pay-again"}
    words = spending_words(tool, arguments, 0.25)
    assert words[words.index("--budget") + 1] == "0.25"
    # What a caller says is never read as an option.
    assert words.index("--") < min(words.index(word) for word in ("--json", "a") if word in words)


def test_keys_of_calls_lie_where_the_layout_says(store: MemoryStore) -> None:
    call = CallBook(store).open("monday", "run", WHAT, 0.5, "local")
    assert [entry.key for entry in store.list(layout.ROOT)] == [layout.agent_call(call.call_id)]
    assert layout.agent_call(call.call_id).startswith(layout.PREFIXES)


def test_long_lists_are_cut_with_a_word() -> None:
    told = bounded({"stages": [{"n": number} for number in range(250)]})
    assert len(told["stages"]) == MOST_ENTRIES + 1
    assert told["stages"][-1] == "and 150 more"
