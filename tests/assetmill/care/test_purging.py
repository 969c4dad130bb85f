"""A purge: which bytes go, which stay, what the service is asked, and what is told afterwards."""

from __future__ import annotations

import pytest

from assetmill.agents.gateway import ResponseRequest
from assetmill.care.purging import PurgeReceipt, carry_out, plan_purge
from assetmill.care.verifying import Verifier
from assetmill.cli.exports import export_assets, folder_of
from assetmill.errors import KeyMissing, NotSent
from assetmill.records import AssetRecord, RunManifest
from assetmill.stage.services import Services
from assetmill.store import layout
from assetmill.store.index import Index
from assetmill.store.memory import MemoryStore
from tests.assetmill.checks.pictures import encoded, scene
from tests.doubles import Body, ScriptedGateway, image_item
from tests.millworks import run_here


@pytest.fixture
def manifest(services: Services) -> RunManifest:
    gateway = services.gateway
    assert isinstance(gateway, ScriptedGateway)
    left = [encoded(scene(number).resize((1024, 1024))) for number in range(2)]

    def draw(_: ResponseRequest) -> list[Body]:
        return [image_item(left.pop(0), f"ig_{len(left)}")]

    gateway.script = draw
    return run_here(services, "chain")


def purged(
    services: Services, asset: AssetRecord, *, derivatives: bool = False, service: bool = False
) -> PurgeReceipt:
    planned = plan_purge(asset, services, Index(services.backend, services.ledger), derivatives=derivatives)
    return carry_out(planned, services, ask_service=service)


def test_the_bytes_go_and_the_record_stays(services: Services, manifest: RunManifest) -> None:
    first, second = manifest.assets()
    receipt = purged(services, first)
    assert receipt.size_bytes == first.blob.size_bytes
    assert services.ledger.read_asset(first.asset_id) == first
    with pytest.raises(KeyMissing, match="these bytes were purged"):
        services.blobs.get(first.blob)
    assert services.blobs.get(second.blob)


def test_a_purged_store_is_whole(backend: MemoryStore, services: Services, manifest: RunManifest) -> None:
    purged(services, manifest.assets()[0])
    assert [one.kind for one in Verifier(backend).problems()] == ["purged"]


def test_derivatives_go_when_asked(services: Services, manifest: RunManifest) -> None:
    first, second = manifest.assets()
    receipt = purged(services, first, derivatives=True)
    assert set(receipt.records_kept) == {first.asset_id, second.asset_id}
    assert services.blobs.find(second.blob) is None


def test_others_with_the_same_bytes_are_named(services: Services, manifest: RunManifest) -> None:
    first = manifest.assets()[0]
    twin = manifest.stages[0].record
    assert twin is not None
    index = Index(services.backend, services.ledger)
    assert plan_purge(first, services, index, derivatives=False).shared == ()
    (row,) = index.rows.with_prefix(first.asset_id)
    index.rows.add([row.model_copy(update={"asset_id": "ast_twin"})])
    assert plan_purge(first, services, index, derivatives=False).shared == ("ast_twin",)


def test_copies_that_were_set_aside_or_written_beside_go_too(
    backend: MemoryStore, services: Services, manifest: RunManifest
) -> None:
    digest = manifest.assets()[0].blob.digest
    backend.put(layout.blob_beside(digest, 1), b"x")
    backend.put(layout.quarantine(digest, "0" * 32), b"y")
    purged(services, manifest.assets()[0])
    left = [entry.key for entry in backend.list("") if digest[7:] in entry.key]
    assert left == [layout.tombstone(digest)]


def test_the_service_is_asked_only_when_asked_for(services: Services, manifest: RunManifest) -> None:
    gateway = services.gateway
    assert isinstance(gateway, ScriptedGateway)
    first = manifest.assets()[0]
    assert not purged(services, first).asked_service
    assert len(gateway.files) == 1
    receipt = purged(services, first, service=True)
    assert gateway.files == {}
    assert sorted((copy.kind, copy.outcome) for copy in receipt.service) == [
        ("file", "deleted"),
        ("image_call", "expires"),
        ("response", "deleted"),
    ]
    assert receipt.is_complete


def test_a_service_that_fails_leaves_an_incomplete_receipt(services: Services, manifest: RunManifest) -> None:
    def fail(response_id: str) -> None:
        raise NotSent("503")

    services.gateway.delete_response = fail
    receipt = purged(services, manifest.assets()[0], service=True)
    assert not receipt.is_complete
    assert "503" in next(copy.message for copy in receipt.service if copy.outcome == "failed")


def test_a_copy_at_another_endpoint_is_told_and_not_forgotten(
    services: Services, manifest: RunManifest
) -> None:
    services.gateway.endpoint = "https://elsewhere.invalid"
    receipt = purged(services, manifest.assets()[0], service=True)
    assert {copy.outcome for copy in receipt.service} == {"elsewhere"}
    assert not receipt.is_complete


def test_the_receipt_is_kept(backend: MemoryStore, services: Services, manifest: RunManifest) -> None:
    receipt = purged(services, manifest.assets()[0])
    (entry,) = backend.list(layout.PURGES)
    assert PurgeReceipt.model_validate_json(backend.get(entry.key)) == receipt


def test_a_purge_may_be_repeated(services: Services, manifest: RunManifest) -> None:
    first = manifest.assets()[0]
    purged(services, first)
    assert purged(services, first).size_bytes == 0


@pytest.mark.parametrize("clear", [False, True])
def test_copies_that_were_written_here_are_named_and_go_when_asked(
    services: Services, manifest: RunManifest, clear: bool
) -> None:
    first, second = manifest.assets()
    folder = folder_of(services.settings, "chain")
    copy, other = export_assets([first, second], services.blobs, folder)
    result = services.settings.home / "prefect" / "storage" / "some-result"
    result.parent.mkdir(parents=True)
    result.write_bytes(copy.read_bytes())
    planned = plan_purge(first, services, Index(services.backend, services.ledger), derivatives=False)
    receipt = carry_out(planned, services, ask_service=False, clear_local=clear)
    assert {one.path for one in receipt.local} == {str(copy), str(result)}
    assert {one.outcome for one in receipt.local} == {"deleted" if clear else "left"}
    assert (copy.exists(), result.exists(), other.exists()) == (not clear, not clear, True)
    assert any("outside" in place for place in receipt.unreached)
    assert receipt.is_complete
