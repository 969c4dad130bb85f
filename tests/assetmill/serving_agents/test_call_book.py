"""The book of calls: one key, one call, on whichever machine it is asked for again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from assetmill.batches.opening import BatchOrder, prepare
from assetmill.errors import InvalidInput, NotFound
from assetmill.serving_agents.book import CallBook, call_id_of
from assetmill.serving_agents.commands import environment, spending_words
from assetmill.serving_agents.naming import carried_out_as, next_try, run_id_for, was_carried_out_as
from assetmill.serving_agents.records import AgentCall, CallEnded
from assetmill.serving_agents.standing import MOST_ENTRIES, bounded
from assetmill.settings import Store, load_settings
from assetmill.stage.services import open_services
from assetmill.store import layout
from assetmill.store.ledger import Ledger
from assetmill.store.memory import MemoryStore
from assetmill.store.run_ids import began_at
from tests.assetmill.serving_agents.agent_bench import lay_out

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


def named(store: MemoryStore, tool: str = "run", key: str = "monday") -> AgentCall:
    def name_run(created_at: float) -> str | None:
        return run_id_for(tool, WHAT, key, created_at, load_settings("local"))

    return CallBook(store).open(key, tool, WHAT, 0.5, "local", name_run=name_run)


@pytest.mark.parametrize("tool", ["run", "edit"])
def test_the_run_of_a_call_is_known_before_it_begins_and_stays_the_same(
    tool: str, store: MemoryStore
) -> None:
    call = named(store, tool)
    assert call.run_id is not None
    assert began_at(call.run_id) == pytest.approx(call.created_at, abs=0.002)
    assert named(store, tool).run_id == call.run_id == next_try(call, store)
    named(store, tool, "tuesday")
    assert CallBook(store).find(call.run_id) == CallBook(store).find(call.call_id) == call
    assert CallBook(store).find(f"{call.run_id}_2") == call
    assert environment(call)["ASSETMILL_SHARED_RUN_ID"] == call.run_id


@pytest.mark.parametrize("name", ["run_", "run_0000000000_00000000", "batch_1", "spring", "latest"])
def test_a_run_that_no_call_has_is_no_call(name: str, store: MemoryStore) -> None:
    named(store)
    with pytest.raises(NotFound):
        CallBook(store).find(name)


def test_a_run_that_is_over_is_not_gone_on_with(store: MemoryStore) -> None:
    """The call was stopped: its run is sealed, and what comes next is the same run's next try."""
    call = named(store)
    assert call.told_run is not None
    Ledger(store).cancel(call.told_run, "enough")
    assert next_try(call, store) == f"{call.run_id}_2"
    begun = CallBook(store).begin(call.call_id, 1, call.run_id)
    stopped = ended(call.call_id, 1, 130, {"run_id": call.run_id})
    assert carried_out_as(call, begun, None, store) == call.run_id
    assert carried_out_as(call, begun, stopped, store) == f"{call.run_id}_2"
    assert was_carried_out_as(call, begun, stopped, store) == call.run_id


def test_a_call_that_was_refused_before_it_began_names_no_run(store: MemoryStore) -> None:
    call = named(store)
    begun = CallBook(store).begin(call.call_id, 1, call.run_id)
    assert was_carried_out_as(call, begun, ended(call.call_id, 1, 1, {"status": "error"}), store) is None


def test_a_call_of_an_earlier_release_is_read_and_goes_on_without_a_name(store: MemoryStore) -> None:
    call = CallBook(store).open("monday", "run", WHAT, 0.5, "local")
    text = call.model_dump(exclude={"run_id"})
    assert AgentCall.model_validate(text) == call
    assert (next_try(call, store), environment(call)["ASSETMILL_SHARED_RUN_ID"]) == (None, "")


def test_a_batch_is_told_by_the_name_that_it_will_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(lay_out(tmp_path))
    (tmp_path / "rows.csv").write_text("subject\na red mug\na blue boat\n")
    settings = load_settings("local")
    arguments: dict[str, Any] = {"pipeline": "card", "rows": "rows.csv", "parameters": {}}
    told = run_id_for("batch", arguments, "monday", 1.0, settings)
    with open_services(settings.model_copy(update={"store": Store(url="memory:")})) as services:
        assert told == prepare(BatchOrder("card", "rows.csv"), services).batch_id
    assert run_id_for("batch", {**arguments, "name": "spring"}, "monday", 1.0, settings) == "spring"
    assert run_id_for("update", {}, "monday", 1.0, settings) is None
