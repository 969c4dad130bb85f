"""A page is read piece by piece: all of it, or it counts as damaged."""

from __future__ import annotations

import gzip
import random
import tracemalloc

import pytest

from assetmill.fingerprint import Digest
from assetmill.records import AssetId, RunId
from assetmill.store import index_rows
from assetmill.store.index_rows import IndexPage, IndexRow, IndexRows, read_page, write_page
from assetmill.store.kinds import Newer, Unreadable

HEAD = IndexPage(floor=RunId("run_1"), recent=(RunId("run_2"), RunId("run_3")), rows=())


def row(number: int, *parents: str, service_ids: tuple[str, ...] = ()) -> IndexRow:
    return IndexRow(
        asset_id=AssetId(f"ast_{number}"),
        digest=Digest(f"sha256:{number % 3}"),
        parents=tuple(map(AssetId, parents)),
        service_ids=service_ids,
        created_at=float(-number),
    )


def some(count: int) -> IndexRows:
    rows = IndexRows()
    rows.add(
        row(number, f"ast_{number // 2}", service_ids=(f"ig_}}],{number}", "resp")) for number in range(count)
    )
    return rows


@pytest.mark.parametrize("piece", [1, 7, 100_000])
@pytest.mark.parametrize("count", [0, 1, 30])
def test_a_page_comes_back_in_pieces_of_any_size(
    piece: int, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_rows, "_PIECE", piece)
    rows = some(count)
    head, again = read_page(write_page(HEAD, rows))
    assert (head, list(again), len(again)) == (HEAD, list(rows), count)


def test_a_page_is_what_its_model_writes() -> None:
    rows = some(5)
    page = HEAD.model_copy(update={"rows": tuple(rows)})
    assert gzip.decompress(write_page(HEAD, rows)).decode() == page.model_dump_json(exclude_defaults=True)


def test_a_page_with_blanks_or_another_order_is_read_too() -> None:
    page = HEAD.model_copy(update={"rows": tuple(some(4))})
    text = page.model_dump_json(indent=1)
    assert list(read_page(text.encode())[1]) == list(page.rows)
    first, last = text.index('"floor"'), text.index('"rows"')
    turned = f"{{{text[last:-1].rstrip()}, {text[first:last].rstrip().rstrip(',')}}}"
    assert list(read_page(gzip.compress(turned.encode()))[1]) == list(page.rows)


@pytest.mark.parametrize("piece", [50])
def test_no_part_of_a_page_passes_for_the_whole(piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_rows, "_PIECE", piece)
    packed = write_page(HEAD, some(3))
    text = gzip.decompress(packed)
    damaged = [text[:length] for length in range(len(text))]
    damaged += [
        text + b"x",
        text + text,
        text.replace(b"created_at", b"made_at", 1),
        text.replace(b"ast_1", b"\xff"),
    ]
    damaged += [packed[:length] for length in range(2, len(packed))]
    for data in damaged:
        with pytest.raises(Unreadable):
            read_page(data)


def test_a_page_of_a_newer_version_is_not_called_damaged() -> None:
    text = gzip.decompress(write_page(HEAD, some(1))).decode()
    with pytest.raises(Newer):
        read_page(text.replace("{", '{"schema_version":2,', 1).encode())


def test_the_last_row_of_an_asset_counts_and_keeps_its_place() -> None:
    rows = some(3)
    changed = row(1, "ast_9", service_ids=("ig_new",))
    rows.add([changed])
    assert list(rows) == [row(0, "ast_0", service_ids=("ig_}],0", "resp")), changed, *list(rows)[2:]]
    assert [found.asset_id for found in rows.naming("ast_9", "created_at")] == ["ast_1"]


def test_rows_are_found_in_order() -> None:
    rows = some(9)
    assert [found.asset_id for found in rows.with_digest(Digest("sha256:1"))] == ["ast_1", "ast_4", "ast_7"]
    assert [found.asset_id for found in rows.with_prefix("ast_")] == [f"ast_{n}" for n in range(9)]
    assert [found.asset_id for found in rows.naming("ast_2", "created_at")] == ["ast_5", "ast_4"]
    assert [found.asset_id for found in rows.naming("resp", "number")] == [f"ast_{n}" for n in range(9)]


def test_a_long_page_does_not_fill_the_memory() -> None:
    noise = random.Random(3)
    rows = IndexRows()
    rows.add(row(number, service_ids=(noise.randbytes(400).hex(),)) for number in range(1_500))
    packed = write_page(HEAD, rows)
    tracemalloc.start()
    try:
        assert len(read_page(packed)[1]) == 1_500
        assert tracemalloc.get_traced_memory()[1] < 1_200_000
    finally:
        tracemalloc.stop()
