"""File search: ranking, filters, and what counts as a filter."""

from __future__ import annotations

from typing import Any

import pytest
from foundry_emulator.search.ranking import Chunk, InvalidFilter, matches, search
from hypothesis import given
from hypothesis import strategies as st

CHUNKS = [
    Chunk(
        "f1",
        "lamps.md",
        "The Aurora desk lamp has a half-round shade on a thin stem.",
        {"year": 2025, "line": "desk"},
    ),
    Chunk("f2", "gardens.md", "Lanterns hang in gardens and on boats.", {"year": 2024, "line": "out"}),
    Chunk("f3", "voice.md", "We write as we light a room: warm and clear.", {}),
]


def test_the_passage_with_the_words_comes_first_with_a_score_below_one() -> None:
    hits = search(["desk lamp shade"], CHUNKS, 5)
    assert hits[0].file_id == "f1"
    assert 0.3 < hits[0].score < 1
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_plurals_and_file_names_count() -> None:
    assert search(["garden lantern boat"], CHUNKS, 1)[0].file_id == "f2"
    assert search(["voice"], CHUNKS, 1)[0].file_id == "f3"


def test_any_of_several_queries_may_find_a_passage() -> None:
    assert {hit.file_id for hit in search(["half-round shade", "boats"], CHUNKS, 5)} == {"f1", "f2"}


def test_a_query_without_common_words_finds_everything_faintly() -> None:
    hits = search(["zebra"], CHUNKS, 5)
    assert (len(hits), {hit.score for hit in hits}) == (3, {0.05})
    assert search(["zebra"], CHUNKS, 5, score_threshold=0.2) == []


@pytest.mark.parametrize("queries", [[], [""], ["?!"]])
def test_empty_queries_are_no_error(queries: list[str]) -> None:
    assert len(search(queries, CHUNKS, 2)) == 2


def test_nothing_is_found_in_nothing() -> None:
    assert search(["lamp"], [], 5) == []
    assert search(["lamp"], CHUNKS, 0) == []


def test_a_filter_keeps_passages_out() -> None:
    newer = {"type": "gte", "key": "year", "value": 2025}
    assert [hit.file_id for hit in search(["lamp lantern"], CHUNKS, 5, newer)] == ["f1"]


@pytest.mark.parametrize(
    ("kind", "value", "passes"),
    [
        ("eq", 2025, True), ("eq", 2024, False), ("ne", 2024, True), ("gt", 2024, True), ("gt", 2025, False),
        ("gte", 2025, True), ("lt", 2026, True), ("lt", 2025, False), ("lte", 2025, True),
        ("in", [1, 2025], True), ("in", [1], False), ("nin", [1], True), ("nin", [2025], False),
        ("gt", "2024", False),
    ],
)  # fmt: skip
def test_comparisons(kind: str, value: object, *, passes: bool) -> None:
    assert matches({"type": kind, "key": "year", "value": value}, {"year": 2025}) is passes


@pytest.mark.parametrize(
    ("kind", "passes"), [("eq", False), ("ne", True), ("gt", False), ("in", False), ("nin", True)]
)
def test_a_missing_attribute_passes_only_negations(kind: str, *, passes: bool) -> None:
    value: Any = ["x"] if kind.endswith("in") else "x"
    assert matches({"type": kind, "key": "year", "value": value}, {}) is passes


def test_filters_nest() -> None:
    desk = {"type": "eq", "key": "line", "value": "desk"}
    old = {"type": "lt", "key": "year", "value": 2025}
    assert matches({"type": "or", "filters": [old, {"type": "and", "filters": [desk]}]}, CHUNKS[0].attributes)
    assert not matches({"type": "and", "filters": [old, desk]}, CHUNKS[0].attributes)


@pytest.mark.parametrize(
    "filters",
    [
        {},
        {"type": "and"},
        {"type": "and", "filters": "eq"},
        {"type": "or", "filters": [1]},
        {"type": "eq", "key": "year"},
        {"type": "eq", "value": 1},
        {"type": "like", "key": "year", "value": 1},
        {"type": "in", "key": "year", "value": 1},
        {"type": "gt", "key": "year", "value": [1]},
    ],
)
def test_a_malformed_filter_is_refused(filters: dict[str, Any]) -> None:
    with pytest.raises(InvalidFilter):
        matches(filters, {"year": 2025})


@given(texts=st.lists(st.text(max_size=60), max_size=6), query=st.text(max_size=30))
def test_scores_stay_between_zero_and_one(texts: list[str], query: str) -> None:
    hits = search([query], [Chunk(str(place), "f.md", text) for place, text in enumerate(texts)], 10)
    assert all(0 < hit.score <= 1 for hit in hits)
