"""A store that is verified: whole, and with everything that can be wrong with it."""

from __future__ import annotations

import gzip

from assetmill.care.purging import Tombstone
from assetmill.care.verifying import Verifier
from assetmill.fingerprint import digest
from assetmill.records import RunManifest
from assetmill.stage.services import Services
from assetmill.store import layout
from assetmill.store.memory import MemoryStore


def found(backend: MemoryStore, *, only_sizes: bool = False) -> list[tuple[str, bool]]:
    return [(one.kind, one.is_fault) for one in Verifier(backend, only_sizes=only_sizes).problems()]


def test_a_whole_store_has_no_faults(backend: MemoryStore, manifest: RunManifest) -> None:
    verifier = Verifier(backend)
    assert list(verifier.problems()) == []
    assert verifier.index_entries == len(manifest.assets()) == 2
    assert verifier.blobs == 2  # the two pictures are the same bytes; a partial one was seen on the way
    assert verifier.records >= 2


def test_an_empty_store_has_no_faults(backend: MemoryStore) -> None:
    assert found(backend) == []


def test_a_missing_blob_is_named_with_its_asset(backend: MemoryStore, manifest: RunManifest) -> None:
    backend.delete(layout.blob(manifest.assets()[0].blob.digest))
    (problem,) = Verifier(backend).problems()
    assert problem.kind == "missing"
    assert problem.what in {f"{asset.name} ({asset.asset_id})" for asset in manifest.assets()}


def test_a_damaged_blob_is_found_and_left_where_it_is(backend: MemoryStore, manifest: RunManifest) -> None:
    blob = manifest.assets()[0].blob
    key = layout.blob(blob.digest)
    backend.put(key, b"x" * blob.size_bytes)
    assert found(backend) == [("damaged", True)]
    assert found(backend, only_sizes=True) == []
    assert backend.get(key) == b"x" * blob.size_bytes


def test_a_blob_of_another_size_is_found_without_reading_it(
    backend: MemoryStore, manifest: RunManifest
) -> None:
    backend.put(layout.blob(manifest.assets()[0].blob.digest), b"short")
    assert found(backend, only_sizes=True) == [("damaged", True)]


def test_a_blob_beside_its_own_key_is_as_good(backend: MemoryStore, manifest: RunManifest) -> None:
    blob = manifest.assets()[0].blob
    data = backend.get(layout.blob(blob.digest))
    backend.delete(layout.blob(blob.digest))
    backend.put(layout.blob_beside(blob.digest, 3), data)
    assert found(backend) == []


def test_records_that_cannot_be_read_are_named(backend: MemoryStore, manifest: RunManifest) -> None:
    record = manifest.stages[1].record
    assert record is not None
    backend.put(layout.stage(record.pipeline, record.fingerprint), b"{}")
    raw = next(iter(backend.list("v1/w/"))).key
    backend.put(raw, gzip.compress(b"not json"))
    assert sorted(found(backend)) == [("lost", True), ("unreadable", True), ("unreadable", True)]


def test_an_index_entry_without_its_record_is_lost(backend: MemoryStore, manifest: RunManifest) -> None:
    record = manifest.stages[1].record
    assert record is not None
    backend.delete(layout.stage(record.pipeline, record.fingerprint))
    assert found(backend) == [("lost", True)]


def test_a_head_without_its_run_dangles(backend: MemoryStore, manifest: RunManifest) -> None:
    backend.delete(layout.run_manifest(manifest.run_id))
    assert found(backend) == [("dangling", True)]


def test_what_was_purged_is_told_and_is_no_fault(backend: MemoryStore, manifest: RunManifest) -> None:
    blob = manifest.assets()[0].blob
    backend.delete(layout.blob(blob.digest))
    note = Tombstone(digest=blob.digest, asset_id=manifest.assets()[0].asset_id, created_at=1.0)
    backend.put(layout.tombstone(blob.digest), note.model_dump_json().encode())
    assert found(backend) == [("purged", False)]


def test_a_picture_of_a_stage_that_never_ended_is_looked_at(backend: MemoryStore, services: Services) -> None:
    sha = digest(b"lost")
    raw = (
        b'{"output": [{"result": {"blob": "%s"}}, {"result": "base64"}, 7, {"result": null}]}' % sha.encode()
    )
    services.ledger.write_raw("p", manifest_fp(), 1, 1, raw)
    assert found(backend) == [("missing", True)]


def manifest_fp() -> layout.Fingerprint:
    return layout.Fingerprint("a" * 52)
