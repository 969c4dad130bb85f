"""A store that lists by folder is put in order without being held whole."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assetmill.store import key_order
from assetmill.store.backend import ObjectHead
from assetmill.store.key_order import BESIDE, in_key_order

MANY = 60_000


def by_folder(key: str) -> str:
    """Return what a server sorts by that has folders."""
    return key.replace("/", "\0")


def heads(keys: Iterable[str]) -> Iterator[ObjectHead]:
    return (ObjectHead(key, 1, 0.0) for key in keys)


def beside(keys: Iterable[str], folder: str) -> Iterator[ObjectHead]:
    return heads(key for key in keys if key.startswith(tuple(folder + letter for letter in BESIDE)))


names = st.lists(st.sampled_from(["a", "a-", "a+b", "a.c", "b", "a0"]), min_size=1, max_size=3)
key_sets = st.sets(names.map("/".join), max_size=30)


@pytest.mark.parametrize("order", [by_folder, str], ids=["by folder", "by key"])
@given(keys=key_sets, limit=st.none() | st.integers(1, 8), held=st.integers(1, 6))
def test_what_is_listed_by_folder_or_by_key_comes_by_key(
    order: type[str], keys: set[str], limit: int | None, held: int
) -> None:
    # No key is a directory of another.
    keys = {f"v1/{key}" for key in keys if not any(other.startswith(f"{key}/") for other in keys)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(key_order, "_HELD_FIRST", held)
        found = in_key_order(heads(sorted(keys, key=order)), partial(beside, keys), "v1/", limit)
        assert [head.key for head in itertools.islice(found, limit)] == sorted(keys)[:limit]


def test_a_large_folder_is_told_while_it_is_listed() -> None:
    asked: list[str] = []
    listed = 0

    def count() -> Iterator[ObjectHead]:
        nonlocal listed
        for head in heads(f"v1/s/p/{number:06d}" for number in range(MANY)):
            listed += 1
            yield head

    def nothing(folder: str) -> Iterator[ObjectHead]:
        asked.append(folder)
        return iter(())

    ahead = [listed - told for told, _ in enumerate(in_key_order(count(), nothing, "v1/"), start=1)]
    assert len(ahead) == MANY
    assert max(ahead) < MANY / 2
    assert asked == ["v1/s", "v1/s/p"]
