"""Large objects are read in pieces, small ones with one request."""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable

import pytest

from assetmill.care.references import mark
from assetmill.care.verifying import Verifier
from assetmill.errors import KeyMissing
from assetmill.fingerprint import Digest
from assetmill.records import AssetId, RunId
from assetmill.store import layout, streams
from assetmill.store.backend import Backend, ObjectHead
from assetmill.store.index import Index
from assetmill.store.index_rows import IndexPage, IndexRow, IndexRows, write_page
from assetmill.store.ledger import Ledger
from assetmill.store.memory import MemoryStore
from assetmill.store.streams import opened, unpacked_file

PIECE = 1 << 12


class Counted(MemoryStore):
    """A store that notes how much it gives at once."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[int] = []

    def get(self, key: str) -> bytes:
        data = super().get(key)
        self.given.append(len(data))
        return data

    def get_range(self, key: str, start: int, length: int) -> bytes:
        data = super().get_range(key, start, length)
        self.given.append(len(data))
        return data


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Counted:
    monkeypatch.setattr(streams, "_PIECE_BYTES", PIECE)
    return Counted()


def head_of(store: MemoryStore, key: str) -> ObjectHead:
    head = store.head(key)
    assert head
    return head


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE, 10 * PIECE + 7])
@pytest.mark.parametrize("is_packed", [True, False])
def test_a_file_holds_what_the_object_does(store: Counted, size: int, *, is_packed: bool) -> None:
    text = random.Random(size).randbytes(size)
    store.put("v1/k/x", gzip.compress(text) if is_packed else text)
    entry = head_of(store, "v1/k/x")
    assert unpacked_file(opened(store, entry)).read() == text
    assert max(store.given) <= PIECE
    if entry.size_bytes <= PIECE:
        assert len(store.given) == 1


@pytest.mark.parametrize("size", [1, 2 * PIECE])
def test_an_object_that_is_gone_is_told(store: Counted, size: int) -> None:
    with pytest.raises(KeyMissing):
        opened(store, ObjectHead("v1/k/gone", size, 1.0)).read()


def page() -> tuple[bytes, list[str]]:
    """Return a page of the index that is many pieces long, and the digests that it names."""
    shas = [random.Random(number).randbytes(32).hex() for number in range(600)]
    rows = IndexRows()
    rows.load(
        IndexRow(asset_id=AssetId(f"ast_{n:064d}"), digest=Digest(f"sha256:{sha}"), created_at=float(n))
        for n, sha in enumerate(shas)
    )
    return write_page(IndexPage(floor=RunId(""), recent=(), rows=()), rows), shas


def looked_up(store: Backend, shas: list[str]) -> None:
    assert Index(store, Ledger(store)).with_digest(Digest(f"sha256:{shas[7]}"))


def marked(store: Backend, shas: list[str]) -> None:
    found = mark(store)
    assert all(sha in found for sha in shas)


def verified(store: Backend, shas: list[str]) -> None:
    problems = list(Verifier(store).problems())
    assert [problem.kind for problem in problems] == ["lost"] * len(shas)


@pytest.mark.parametrize("look", [looked_up, marked, verified])
def test_a_page_of_the_index_is_read_in_pieces(
    store: Counted, look: Callable[[Backend, list[str]], None]
) -> None:
    data, shas = page()
    store.create(layout.index_page(1), data)
    assert len(data) > 5 * PIECE
    look(store, shas)
    assert max(store.given) <= PIECE


def test_a_damaged_page_of_many_pieces_keeps_everything(store: Counted) -> None:
    data, _ = page()
    store.create(layout.index_page(1), data[: len(data) // 2])
    with pytest.raises(ValueError, match=layout.INDEX):
        mark(store)
    assert [problem.kind for problem in Verifier(store).problems()] == ["unreadable"]
