"""File search: which passages answer a query best (BM25), and which of them a filter lets through."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from foundry_emulator.search.extraction import UnreadableFile, chunk, extract_text
from foundry_emulator.stems import word_set, words
from foundry_emulator.steps import Hit

__all__ = ["Chunk", "InvalidFilter", "UnreadableFile", "chunk", "extract_text", "matches", "search"]

_K1 = 1.2
_B = 0.6
_COMMON = word_set("""

    a about an and are as at be by can do does for from give has have how i in is it its me my of on or our
    please search show tell that the their this to us was what when where which who with you your
""")


class InvalidFilter(ValueError):
    """The filter is none that the vendor's filter language knows."""


@dataclass(frozen=True)
class Chunk:
    """A passage of a file in a vector store."""

    file_id: str
    filename: str
    text: str
    attributes: Mapping[str, Any] = field(default_factory=dict[str, Any])


def search(
    queries: Sequence[str],
    chunks: Sequence[Chunk],
    max_results: int,
    filters: Mapping[str, Any] | None = None,
    score_threshold: float = 0.0,
) -> list[Hit]:
    """Return the passages that answer any of the queries best, best first, scores from 0 to 1.

    A passage scores its best query: the share of the weight of the query's words that it holds. Without a
    word in common a passage is not found, unless nothing is: then every passage is, at a low score, because
    the service's semantic search also answers "tell me about it".

    Raises:
        InvalidFilter: `filters` is malformed.
    """
    allowed = [piece for piece in chunks if filters is None or matches(filters, piece.attributes)]
    scores = _scores(queries, allowed)
    if not any(scores):
        scores = [0.05 for _ in allowed]
    ranked = sorted(zip(scores, range(len(allowed)), strict=True), key=lambda pair: (-pair[0], pair[1]))
    hits = [(score, allowed[place]) for score, place in ranked if score > 0 and score >= score_threshold]
    return [
        Hit(piece.file_id, piece.filename, piece.text, round(score, 4), piece.attributes)
        for score, piece in hits[: max(0, max_results)]
    ]


def _scores(queries: Sequence[str], chunks: Sequence[Chunk]) -> list[float]:
    wanted = [_terms(query) for query in queries]
    bags = [Counter(words(f"{piece.filename} {piece.text}")) for piece in chunks]
    average = sum(bag.total() for bag in bags) / len(bags) if bags else 1.0
    weights = {term: _weight(term, bags) for terms in wanted for term in terms}
    return [max((_score(terms, bag, average, weights) for terms in wanted), default=0.0) for bag in bags]


def _terms(query: str) -> list[str]:
    terms = dict.fromkeys(words(query))
    return [term for term in terms if term not in _COMMON] or list(terms)


def _weight(term: str, bags: Sequence[Counter[str]]) -> float:
    holders = sum(1 for bag in bags if term in bag)
    return math.log(1 + (len(bags) - holders + 0.5) / (holders + 0.5))


def _score(terms: Sequence[str], bag: Counter[str], average: float, weights: Mapping[str, float]) -> float:
    total = sum(weights[term] for term in terms)
    if not total:
        return 0.0
    length = _K1 * (1 - _B + _B * bag.total() / average)
    gained = sum(weights[term] * bag[term] * (_K1 + 1) / (bag[term] + length) for term in terms)
    # A word's gain tends to K1 + 1 times its weight, so this ratio stays below 1.
    return gained / (total * (_K1 + 1))


def matches(filters: Mapping[str, Any], attributes: Mapping[str, Any]) -> bool:
    """Say whether a file with these attributes passes the filter.

    Comparisons are `{"type": "eq", "key": ..., "value": ...}` (eq, ne, gt, gte, lt, lte, in, nin); they are
    joined by `{"type": "and" | "or", "filters": [...]}`. A missing attribute fails all but ne and nin.

    Raises:
        InvalidFilter: the filter is malformed.
    """
    kind = filters.get("type")
    if kind in {"and", "or"}:
        parts = filters.get("filters")
        if not isinstance(parts, Sequence) or isinstance(parts, str):
            raise InvalidFilter(f"filter {kind!r} needs a list `filters`")
        results = [_part_matches(part, attributes) for part in cast("Sequence[Any]", parts)]
        return all(results) if kind == "and" else any(results)
    key = filters.get("key")
    if not isinstance(key, str) or "value" not in filters:
        raise InvalidFilter(f"filter {kind!r} needs `key` and `value`")
    return _compare(kind, attributes.get(key), filters["value"])


def _part_matches(part: object, attributes: Mapping[str, Any]) -> bool:
    if not isinstance(part, Mapping):
        raise InvalidFilter("each of `filters` must be an object")
    return matches(cast("Mapping[str, Any]", part), attributes)


def _compare(kind: object, have: Any, value: Any) -> bool:
    if kind in {"in", "nin"}:
        if not isinstance(value, list):
            raise InvalidFilter(f"filter {kind!r} needs a list as value")
        return (have in cast("list[Any]", value)) == (kind == "in")
    if kind in {"eq", "ne"}:
        return (have == value) == (kind == "eq")
    if kind not in {"gt", "gte", "lt", "lte"}:
        raise InvalidFilter(f"filter type {kind!r} is none of eq, ne, gt, gte, lt, lte, in, nin, and, or")
    if isinstance(have, str) != isinstance(value, str) or not isinstance(have, int | float | str):
        return False
    if not isinstance(value, int | float | str):
        raise InvalidFilter(f"filter {kind!r} needs a number or a string as value")
    return _ordered(str(kind), have, value)


def _ordered(kind: str, have: Any, value: Any) -> bool:
    orders = {"gt": have > value, "gte": have >= value, "lt": have < value, "lte": have <= value}
    return orders[kind]
