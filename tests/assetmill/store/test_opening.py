from __future__ import annotations

import importlib
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from assetmill.errors import InvalidSettings, KeyExists, KeyMissing, StoreUnavailable
from assetmill.store.backend import ObjectHead
from assetmill.store.layout import STORE_META
from assetmill.store.local import LocalStore
from assetmill.store.memory import MemoryStore
from assetmill.store.opening import open_store, probe


class BothWin(MemoryStore):
    """A server that ignores the condition."""

    def create(self, key: str, data: bytes, *, media_type: str = "application/json") -> None:
        self.put(key, data)


class ChecksThenWrites(MemoryStore):
    """A server that honours the condition, but not between two requests at a time."""

    def create(self, key: str, data: bytes, *, media_type: str = "application/json") -> None:
        if self.head(key):
            raise KeyExists(key)
        time.sleep(0.01)
        self.put(key, data)


class LastOneStays(MemoryStore):
    """A server that tells the second creator of the first, and keeps the second's bytes."""

    def create(self, key: str, data: bytes, *, media_type: str = "application/json") -> None:
        is_taken = self.head(key) is not None
        self.put(key, data)
        if is_taken:
            raise KeyExists(key)


class ForgetsNew(MemoryStore):
    """A server that does not show at once what was written."""

    def get(self, key: str) -> bytes:
        raise KeyMissing(key)


class ListsLate(MemoryStore):
    """A server whose listings lag behind."""

    def list(self, prefix: str, limit: int | None = None) -> Iterator[ObjectHead]:
        return iter([])


class NobodyWins(MemoryStore):
    """A server that refuses every condition."""

    def create(self, key: str, data: bytes, *, media_type: str = "application/json") -> None:
        self.put(key, b"somebody else's")
        raise KeyExists(key)


class Down(MemoryStore):
    """A server that does not answer."""

    def get(self, key: str) -> bytes:
        raise StoreUnavailable("s3://bucket: nothing answers there")


@pytest.mark.parametrize("kind", [BothWin, ChecksThenWrites, LastOneStays, ForgetsNew, ListsLate, NobodyWins])
def test_stores_that_break_a_promise_are_refused(kind: type[MemoryStore]) -> None:
    store = kind()
    with pytest.raises(InvalidSettings, match="cannot be used"):
        probe(store)
    assert STORE_META not in [head.key for head in MemoryStore.list(store, "")]


def test_a_store_that_does_not_answer_is_a_matter_of_settings() -> None:
    with pytest.raises(InvalidSettings, match="nothing answers there"):
        probe(Down())


@pytest.mark.parametrize(
    "found",
    [b"", b"not json", b"[]", b"{}", b'{"format": 2, "verdict": "create-once", "probed_at": 1}', b"\xff"],
)
def test_a_foreign_or_newer_store_is_refused_and_kept(found: bytes) -> None:
    store = MemoryStore()
    store.put(STORE_META, found)
    with pytest.raises(InvalidSettings, match="Choose another prefix"):
        probe(store)
    assert store.get(STORE_META) == found


def test_a_later_store_description_may_say_more() -> None:
    store = MemoryStore()
    store.put(STORE_META, b'{"format": 1, "verdict": "create-once", "probed_at": 1, "note": "new"}')
    probe(store)


def test_probing_at_the_same_time_agrees(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(probe, [LocalStore(tmp_path) for _ in range(4)]))
    assert [head.key for head in LocalStore(tmp_path).list("")] == [STORE_META]


@pytest.mark.parametrize("form", ["{}", "file:{}", "file://{}"])
def test_directories_have_three_forms(tmp_path: Path, form: str) -> None:
    with closing(open_store(form.format(tmp_path / "st"))) as store:
        store.create("v1/x", b"x")
    assert (tmp_path / "st/v1/x").read_bytes() == b"x"


def test_relative_directories_are_kept_when_the_working_directory_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    store = open_store("st/ore")
    monkeypatch.chdir(tmp_path / "elsewhere")
    store.create("v1/x", b"x")
    assert store.name == "file:st/ore"
    assert (tmp_path / "st/ore/v1/x").exists()


def test_memory_is_new_each_time() -> None:
    open_store("memory:").put("v1/x", b"x")
    assert open_store("memory:").head("v1/x") is None


@pytest.mark.parametrize(
    "url",
    [
        *("", "file:", "memory:x", "s3:", "s3:/bucket", "s3://", "s3:///prefix", "s3://bucket/../x"),
        *("s3://bucket/a//b", "s3://bucket/pre fix", "s3://bucket/x?region=y", "s3://buc ket/x"),
        *(
            "http://host/x",
            "ftp://host",
            "S3://bucket",
            "azure://",
            "gs:///x",
            "a\0b",
            "file:a\0b",
            "~nobody-1/x",
        ),
    ],
)
def test_what_names_no_store_is_told(url: str) -> None:
    with pytest.raises(InvalidSettings):
        open_store(url)


@pytest.mark.parametrize(
    "url",
    ["s3://key:s3cr3t@bucket/x", "redis://key:s3cr3t@host", "azure://c@s3cr3t.blob/x", "s3://b:s3cr3t/"],
)
def test_refusals_do_not_repeat_secrets(url: str) -> None:
    with pytest.raises(InvalidSettings) as refusal:
        open_store(url)
    assert "s3cr3t" not in str(refusal.value)


def test_an_unnamed_storage_account_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("obstore")
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME", raising=False)
    with pytest.raises(InvalidSettings, match="set AZURE_STORAGE_ACCOUNT_NAME"):
        open_store("azure://container/prefix")


def test_a_missing_extra_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "assetmill.store.blob", raising=False)
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(InvalidSettings, match=r"install assetmill\[blob\]"):
        open_store("azure://container/prefix")


def test_google_buckets_open_without_a_request(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("obstore")
    importlib.import_module("assetmill.store.blob")
    with closing(open_store("gs://bucket/prefix")) as store:
        assert (store.name, store.requests) == ("gs://bucket/prefix", 0)


def test_a_directory_needs_no_vendor_package() -> None:
    """Start-up time is a feature: boto3 alone costs a third of a second."""
    code = (
        "import sys, assetmill.store.opening as o; o.open_store('x');"
        "print([name for name in ('boto3', 'botocore', 'obstore', 'azure') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
