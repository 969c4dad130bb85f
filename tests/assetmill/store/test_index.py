"""The index finds what the records cannot say, in few requests, and can be thrown away."""

from __future__ import annotations

from assetmill.fingerprint import Digest, Fingerprint, digest, fingerprint
from assetmill.records import (
    AssetId,
    AssetRecord,
    BlobRef,
    ResponseRef,
    RunId,
    RunManifest,
    RunStart,
    ServiceHandle,
    StageEntry,
    StageRecord,
    make_asset_id,
)
from assetmill.store import layout
from assetmill.store.index import COMPACT_AT, Index
from assetmill.store.ledger import Ledger
from assetmill.store.memory import MemoryStore

ENDPOINT = "https://scripted.invalid"


def run_name(number: int) -> RunId:
    return RunId(f"run_{number:010d}_aaaaaaaa")


def asset_of(number: int, *parents: AssetId) -> AssetRecord:
    data = f"picture {number}".encode()
    return AssetRecord(
        asset_id=make_asset_id("poster", fingerprint({"number": number}), 1),
        name="hero.png",
        kind="picture",
        blob=BlobRef(digest=digest(data), size_bytes=len(data), media_type="image/png"),
        stage="hero",
        made_by=ResponseRef(
            response_id=f"resp_{number}",
            conversation_id="conv",
            endpoint=ENDPOINT,
            agent_name="a",
            agent_version="1",
            model="m",
        ),
        derived_from=parents,
        handles=(ServiceHandle(kind="image_call", id=f"ig_{number}", endpoint=ENDPOINT, created_at=number),),
        created_at=float(number),
    )


def record_of(asset: AssetRecord, run_id: RunId) -> StageRecord:
    return StageRecord(
        pipeline="poster",
        stage="hero",
        fingerprint=Fingerprint(asset.asset_id.split("_")[2]),
        deciding={"prompt": asset.name},
        attempt=1,
        run_id=run_id,
        made_by=(),
        outputs=(asset,),
        started_at=asset.created_at,
        finished_at=asset.created_at,
    )


def start(ledger: Ledger, number: int) -> None:
    ledger.write_start(
        RunStart(
            run_id=run_name(number),
            pipeline="poster",
            parameters={},
            profile="test",
            spec_digest=Digest("sha256:0"),
            spec_path="",
            stages=(),
            started_at=float(number),
        )
    )


def seal(ledger: Ledger, number: int, *parents: AssetId) -> AssetRecord:
    asset = asset_of(number, *parents)
    record = ledger.commit(record_of(asset, run_name(number)))
    start(ledger, number)
    ledger.write_manifest(
        RunManifest(
            run_id=run_name(number),
            pipeline="poster",
            parameters={},
            profile="test",
            spec_digest=Digest("sha256:0"),
            status="completed",
            stages=(StageEntry(stage="hero", status="done", record=record),),
            spent_usd=0.0,
            started_at=float(number),
            finished_at=float(number),
        )
    )
    return asset


def test_an_asset_is_found_by_everything_that_names_it(backend: MemoryStore) -> None:
    ledger = Ledger(backend)
    made = seal(ledger, 1)
    index = Index(backend, ledger)
    assert index.with_service_id("ig_1") == (made.asset_id,)
    assert index.with_service_id("resp_1") == (made.asset_id,)
    assert index.with_digest(made.blob.digest) == (made.asset_id,)
    assert index.with_prefix(made.asset_id[:20]) == (made.asset_id,)
    assert index.with_service_id("ig_2") == ()


def test_children_are_found_in_the_order_in_which_they_were_made(backend: MemoryStore) -> None:
    ledger = Ledger(backend)
    parent = seal(ledger, 1)
    children = [seal(ledger, number, parent.asset_id).asset_id for number in (3, 2)]
    assert Index(backend, ledger).children(parent.asset_id) == tuple(reversed(children))


def test_many_runs_are_folded_into_a_page(backend: MemoryStore) -> None:
    ledger = Ledger(backend)
    made = [seal(ledger, number) for number in range(300)]
    first = Index(backend, ledger).rows
    assert len(list(backend.list(layout.INDEX))) == 1
    before = backend.requests
    again = Index(backend, ledger).rows
    assert backend.requests - before == 3
    assert list(again) == list(first)
    assert {row.asset_id for row in again} == {asset.asset_id for asset in made}


def test_new_runs_are_read_beside_the_page(backend: MemoryStore) -> None:
    ledger = Ledger(backend)
    for number in range(COMPACT_AT):
        seal(ledger, number)
    Index(backend, ledger).rows  # noqa: B018 - it leaves a page
    made = seal(ledger, 900)
    before = backend.requests
    assert made.asset_id in {row.asset_id for row in Index(backend, ledger).rows}
    assert backend.requests - before == 4


def test_a_run_that_is_sealed_after_later_ones_is_not_missed(backend: MemoryStore) -> None:
    ledger = Ledger(backend)
    start(ledger, 5)
    for number in range(10, 10 + COMPACT_AT):
        seal(ledger, number)
    assert len(Index(backend, ledger).rows) == COMPACT_AT
    slow = seal(ledger, 5)
    assert slow.asset_id in {row.asset_id for row in Index(backend, ledger).rows}


def test_without_its_pages_the_index_is_the_same(backend: MemoryStore) -> None:
    ledger = Ledger(backend)
    for number in range(COMPACT_AT + 3):
        seal(ledger, number)
    first = Index(backend, ledger).rows
    for entry in list(backend.list(layout.INDEX)):
        backend.delete(entry.key)
    assert list(Index(backend, ledger).rows) == list(first)
