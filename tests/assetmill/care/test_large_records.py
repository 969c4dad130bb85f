"""What is large in a store is looked through a piece at a time."""

from __future__ import annotations

import gzip
import hashlib
import random
import tracemalloc

import pytest

from assetmill.care import references
from assetmill.care.references import mark, named_in, pieces, unpacked
from assetmill.fingerprint import Digest
from assetmill.records import AssetId, RunId
from assetmill.store import layout
from assetmill.store.index_rows import IndexPage, IndexRow, IndexRows, write_page
from assetmill.store.memory import MemoryStore

ROWS = 2_000


def sha(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def row(number: int) -> IndexRow:
    return IndexRow(
        asset_id=AssetId(f"ast_{number:064d}"),
        digest=Digest(f"sha256:{sha(number)}"),
        service_ids=(f"resp_{number:050d}",),
        created_at=float(number),
    )


def test_a_page_of_the_index_is_never_held_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(references, "_PIECE_BYTES", 1 << 14)
    rows, store = IndexRows(), MemoryStore()
    rows.load(map(row, range(ROWS)))
    page = write_page(IndexPage(floor=RunId(""), recent=(), rows=()), rows)
    store.create(layout.index_page(1), page)
    tracemalloc.start()
    try:
        marked = mark(store)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert all(sha(number) in marked for number in range(ROWS))
    # Its rows as plain data were four times its text.
    assert peak_bytes < 2 * len(unpacked(page))


@pytest.mark.parametrize("is_packed", [True, False])
def test_a_record_is_searched_without_a_copy_of_it(
    monkeypatch: pytest.MonkeyPatch, *, is_packed: bool
) -> None:
    monkeypatch.setattr(references, "_PIECE_BYTES", 1 << 16)
    text = random.Random(1).randbytes(1 << 22)
    data = gzip.compress(text, 1) if is_packed else text
    tracemalloc.start()
    try:
        size = sum(map(len, pieces(data)))
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert size == len(text)
    assert peak_bytes < len(text) / 8


@pytest.mark.parametrize("size", [1, 50, 70, 71, 72, 1000])
def test_a_digest_across_two_pieces_counts(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(references, "_PIECE_BYTES", size)
    text = ", ".join(f'"sha256:{sha(number)}"' for number in range(40)).encode()
    store = MemoryStore()
    # Of no kind: searched whatever it is.
    store.create(f"{layout.ASIDE}aside.{sha(0)}", gzip.compress(text))
    marked = mark(store)
    assert all(name in marked for name in named_in(text))


@pytest.mark.parametrize("kind", [layout.ASIDE, "v1/zz/"])
@pytest.mark.parametrize("damage", ["junk", "zeros", "another", "cut", "flipped"])
def test_what_comes_before_a_damage_keeps_its_blobs(kind: str, damage: str) -> None:
    """What was set aside, and what nothing of ours wrote, may name bytes that are needed once more."""
    names = [sha(number) for number in range(4_000)]
    whole = gzip.compress(", ".join(f'"sha256:{name}"' for name in names).encode())
    data = {
        "junk": whole + b"junk",
        "zeros": whole + bytes(9),
        "another": whole + gzip.compress(b"more"),
        "cut": whole[:-20],
        "flipped": whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:],
    }[damage]
    store = MemoryStore()
    store.create(f"{kind}thing", data)
    marked = mark(store)
    is_whole = damage in {"junk", "zeros", "another"}
    assert all(name in marked for name in (names if is_whole else names[:3_000]))
