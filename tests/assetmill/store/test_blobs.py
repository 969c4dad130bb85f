from __future__ import annotations

import hashlib

import pytest

from assetmill.errors import BlobDamaged, InvalidInput, KeyMissing, StoreUnavailable
from assetmill.fingerprint import Digest
from assetmill.records import BlobRef
from assetmill.store.blobs import Blobs
from assetmill.store.memory import MemoryStore

PICTURE = b"a picture that was paid for"


@pytest.fixture
def memory() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def blobs(memory: MemoryStore) -> Blobs:
    return Blobs(memory)


class OneBadTransfer(MemoryStore):
    """A store whose next read is spoilt on the way."""

    def __init__(self) -> None:
        super().__init__()
        self.is_spoilt = True

    def get(self, key: str) -> bytes:
        data = super().get(key)
        if self.is_spoilt:
            self.is_spoilt = False
            return data[:-1]
        return data


class NoQuarantine(MemoryStore):
    """A store that takes no more objects."""

    is_full = False

    def put(self, key: str, data: bytes, *, media_type: str = "application/octet-stream") -> None:
        if self.is_full:
            raise StoreUnavailable("full")
        super().put(key, data)


def test_a_blob_lies_under_its_digest(blobs: Blobs, memory: MemoryStore) -> None:
    sha = hashlib.sha256(PICTURE).hexdigest()
    ref = blobs.put(PICTURE, "image/png")
    assert ref == BlobRef(digest=Digest(f"sha256:{sha}"), size_bytes=len(PICTURE), media_type="image/png")
    assert [head.key for head in memory.list("")] == [f"v1/b/{sha[:2]}/{sha}"]
    assert blobs.key(ref) == f"v1/b/{sha[:2]}/{sha}"
    assert blobs.get(ref) == PICTURE
    assert memory.requests == 3


def test_same_bytes_are_kept_once(blobs: Blobs, memory: MemoryStore) -> None:
    assert blobs.put(PICTURE, "image/png") == blobs.put(PICTURE, "image/png")
    assert len(list(memory.list(""))) == 1


def test_an_empty_file_is_a_blob(blobs: Blobs) -> None:
    ref = blobs.put(b"", "text/plain")
    assert blobs.get(ref) == b""
    assert blobs.has(ref)


def test_an_absent_blob_is_missing(blobs: Blobs, memory: MemoryStore) -> None:
    ref = blobs.put(PICTURE, "image/png")
    memory.delete(blobs.key(ref))
    assert not blobs.has(ref)
    assert blobs.find(ref) is None
    with pytest.raises(KeyMissing):
        blobs.get(ref)


@pytest.mark.parametrize("damage", [b"", b"other bytes", PICTURE[:-1], PICTURE + b"!"])
def test_a_damaged_blob_is_set_aside_and_counts_as_absent(
    blobs: Blobs, memory: MemoryStore, damage: bytes
) -> None:
    ref = blobs.put(PICTURE, "image/png")
    memory.put(blobs.key(ref), damage)
    with pytest.raises(BlobDamaged, match="set aside"):
        blobs.get(ref)
    (aside,) = memory.list("")
    assert aside.key.startswith(f"v1/q/{ref.digest.removeprefix('sha256:')}.")
    assert memory.get(aside.key) == damage
    assert not blobs.has(ref)
    assert blobs.find(ref) is None


def test_putting_again_heals(blobs: Blobs, memory: MemoryStore) -> None:
    ref = blobs.put(PICTURE, "image/png")
    memory.put(blobs.key(ref), b"damage")
    blobs.put(PICTURE, "image/png")
    assert blobs.get(ref) == PICTURE


def test_one_bad_transfer_costs_no_blob() -> None:
    store = OneBadTransfer()
    ref = Blobs(store).put(PICTURE, "image/png")
    assert Blobs(store).get(ref) == PICTURE
    assert [head.key for head in store.list("")] == [Blobs(store).key(ref)]


def test_a_reference_that_lies_about_the_size_costs_no_blob(blobs: Blobs, memory: MemoryStore) -> None:
    ref = blobs.put(PICTURE, "image/png")
    lie = BlobRef(digest=ref.digest, size_bytes=3, media_type="image/png")
    assert not blobs.has(lie)
    with pytest.raises(BlobDamaged, match="not 3"):
        blobs.get(lie)
    assert blobs.get(ref) == PICTURE


def test_damaged_bytes_are_kept_when_they_cannot_be_set_aside() -> None:
    store = NoQuarantine()
    ref = Blobs(store).put(PICTURE, "image/png")
    store.put(Blobs(store).key(ref), b"damage")
    store.is_full = True
    with pytest.raises(StoreUnavailable):
        Blobs(store).get(ref)
    assert store.get(Blobs(store).key(ref)) == b"damage"


@pytest.mark.parametrize("name", ["", "sha256:", "sha256:../../../etc/passwd", "md5:" + "a" * 64, "A" * 64])
def test_what_is_no_digest_is_refused(blobs: Blobs, name: str) -> None:
    ref = BlobRef(digest=Digest(name), size_bytes=1, media_type="image/png")
    for verb in (blobs.get, blobs.has, blobs.key, blobs.find):
        with pytest.raises(InvalidInput, match="not a digest"):
            verb(ref)
