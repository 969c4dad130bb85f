"""Commands over all records read listings side by side and hold none of them."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from assetmill.store import local
from assetmill.store.joining import Beside
from assetmill.store.local import LocalStore


def test_values_beside_ascending_names_are_found_and_missing_ones_are_none() -> None:
    beside = Beside([("a/b", 1), ("a/d", 2), ("a/e", 3)])
    assert [beside.at(name) for name in ("a/a", "a/b", "a/b", "a/c", "a/e", "a/f")] == [
        *(None, 1, 1, None, 3, None)
    ]


def test_no_more_is_read_than_a_name_needs() -> None:
    read: list[str] = []

    def pairs() -> Iterator[tuple[str, int]]:
        for name in "abcdef":
            read.append(name)
            yield name, 1

    beside = Beside(pairs())
    beside.at("b")
    assert read == ["a", "b"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "v1/i").mkdir(parents=True)
    return tmp_path


def test_a_listing_holds_little_of_a_large_folder(folder: Path) -> None:
    names = [f"{number * 7919 % 4000:05d}{'x' * 60}" for number in range(4000)]
    for name in names:
        (folder / "v1/i" / name).touch()
    tracemalloc.start()
    try:
        found = [entry.key == f"v1/i/{name}" for entry, name in zip(
            LocalStore(folder).list("v1/i/"), sorted(names), strict=True)]  # fmt: skip
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert all(found)
    # Names as objects with their entries were 300 bytes each.
    assert peak_bytes / len(names) < 200


def test_a_folder_and_its_neighbours_come_in_the_order_of_keys(folder: Path) -> None:
    keys = ["v1/i/a", "v1/i/b-c", "v1/i/b/x", "v1/i/b/y", "v1/i/b0", "v1/i/ba/z"]
    store = LocalStore(folder)
    for key in reversed(keys):
        store.create(key, b"")
    assert [entry.key for entry in store.list("v1/i/")] == sorted(keys)


@pytest.mark.parametrize("most_bytes", [1, 40, 200, 100_000])
def test_a_folder_with_too_many_names_is_looked_through_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch, most_bytes: int
) -> None:
    monkeypatch.setattr(local, "_MOST_PACKED_BYTES", most_bytes)
    keys = [f"v1/i/{number * 37 % 101:03d}.{end}" for number in range(101) for end in ("x", "y")]
    keys += ["v1/i/a/b", "v1/i/a-c", "v1/i/a0/d", "v1/i/b"]
    for key in keys:
        (folder / key).parent.mkdir(exist_ok=True)
        (folder / key).touch()
    assert [entry.key for entry in LocalStore(folder).list("v1/i/")] == sorted(keys)
    assert [entry.key for entry in LocalStore(folder).list("v1/i/05")] == sorted(
        key for key in keys if key.startswith("v1/i/05")
    )


def test_no_more_names_are_held_than_are_allowed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "_MOST_PACKED_BYTES", 10_000)
    for number in range(4000):
        (folder / "v1/i" / f"{number * 7919 % 4000:05d}{'x' * 60}").touch()
    tracemalloc.start()
    try:
        assert sum(1 for _ in LocalStore(folder).list("v1/i/")) == 4000
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # Whatever the number of names; all of these are 264,000 packed.
    assert peak_bytes < 250_000
