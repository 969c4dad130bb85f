from __future__ import annotations

import errno
import hashlib
import os
import random
import resource
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from assetmill.errors import KeyExists, KeyMissing, StoreError, StoreUnavailable
from assetmill.store.local import ABANDONED_AFTER_S, LocalStore, flush

KILLS = 20
WRITER = """
import hashlib, itertools, os, sys
from pathlib import Path
from assetmill.store.local import LocalStore
store = LocalStore(Path(sys.argv[1]), anonymous_files=sys.argv[2] == "True")
for number in itertools.count():
    data = os.urandom(2_000_000)
    store.put(f"v1/b/{hashlib.sha256(data).hexdigest()}", data)
    store.put("v1/same", hashlib.sha256(data).hexdigest().encode() + data)
    if number == 0:
        print("ready", flush=True)
"""

both_ways = pytest.mark.parametrize("anonymous", [True, False])


class Disk:
    """What a power cut leaves: contents of flushed files, and entries of flushed directories."""

    def __init__(self) -> None:
        self._files: dict[int, bytes] = {}
        self._folders: dict[int, dict[str, int]] = {}

    def flush(self, fd: int) -> None:
        found = os.fstat(fd)
        if stat.S_ISDIR(found.st_mode):
            self._folders[found.st_ino] = {
                name: os.stat(name, dir_fd=fd, follow_symlinks=False).st_ino for name in os.listdir(fd)
            }
        else:
            self._files[found.st_ino] = Path(f"/proc/self/fd/{fd}").read_bytes()

    def survivor(self, known: Path, path: str) -> bytes | None:
        """Return the file's bytes after a power cut, None if it would not be there; `known` was there."""
        inode: int | None = known.stat().st_ino
        for name in path.split("/"):
            inode = self._folders.get(inode or 0, {}).get(name)
        return self._files.get(inode or 0, b"")[:] if inode else None


@both_ways
def test_acknowledged_writes_survive_a_power_cut(tmp_path: Path, anonymous: bool) -> None:
    disk = Disk()
    store = LocalStore(tmp_path / "new" / "store", flush=disk.flush, anonymous_files=anonymous)
    for number in range(6):
        key = f"v1/s/{number % 2}/{number:03d}"
        store.create(key, key.encode())
        assert disk.survivor(tmp_path, f"new/store/{key}") == key.encode()
        store.put(f"v1/b/{number % 2}", b"version %d" % number)
        assert disk.survivor(tmp_path, f"new/store/v1/b/{number % 2}") == b"version %d" % number
    store.delete("v1/s/0/000")
    assert disk.survivor(tmp_path, "new/store/v1/s/0/000") is None


def test_the_power_cut_model_sees_a_missing_flush(tmp_path: Path) -> None:
    disk = Disk()
    LocalStore(tmp_path / "store", flush=lambda fd: None).create("v1/s/x", b"x")
    assert disk.survivor(tmp_path, "store/v1/s/x") is None


def test_directories_that_another_process_did_not_flush_are_flushed(tmp_path: Path) -> None:
    disk = Disk()
    LocalStore(tmp_path / "store", flush=lambda fd: None).create("v1/s/theirs", b"x")
    LocalStore(tmp_path / "store", flush=disk.flush).create("v1/s/ours", b"ours")
    assert disk.survivor(tmp_path, "store/v1/s/ours") == b"ours"


def test_what_create_says_exists_is_on_the_disk(tmp_path: Path) -> None:
    """Its creator may have died between naming and flushing it, and the caller now relies on it."""
    flushed: list[int] = []

    def record(fd: int) -> None:
        flushed.append(os.fstat(fd).st_ino)

    LocalStore(tmp_path, flush=lambda fd: None).create("v1/s/x", b"x")
    with pytest.raises(KeyExists):
        LocalStore(tmp_path, flush=record).create("v1/s/x", b"y")
    assert flushed[-1] == (tmp_path / "v1/s").stat().st_ino


@both_ways
def test_what_is_there_already_is_written_and_flushed_once(tmp_path: Path, anonymous: bool) -> None:
    store = LocalStore(tmp_path, anonymous_files=anonymous)
    store.put("v1/b/x", b"x")
    (tmp_path / ".tmp").mkdir(exist_ok=True)
    flushed: list[bool] = []
    again = LocalStore(
        tmp_path,
        anonymous_files=anonymous,
        flush=lambda fd: flushed.append(stat.S_ISREG(os.fstat(fd).st_mode)),
    )
    again.put("v1/b/x", b"y")
    assert flushed.count(True) == 1
    assert not flushed[-1]
    assert again.get("v1/b/x") == b"y"


@both_ways
def test_bytes_are_flushed_before_they_have_a_name(tmp_path: Path, anonymous: bool) -> None:
    seen: list[tuple[bool, bool]] = []

    def record(fd: int) -> None:
        seen.append((stat.S_ISREG(os.fstat(fd).st_mode), (tmp_path / "v1/s").exists()))

    LocalStore(tmp_path, flush=record, anonymous_files=anonymous).create("v1/s", b"x")
    assert [is_named for is_file, is_named in seen if is_file] == [False]
    assert seen[-1] == (False, True)


def test_flush_is_for_files_and_directories(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        flush(fd)
    finally:
        os.close(fd)
    with pytest.raises(OSError, match="Bad file descriptor"):
        flush(fd)


@pytest.mark.server
@pytest.mark.timeout(120)
@both_ways
def test_killed_writers_leave_no_torn_object(tmp_path: Path, anonymous: bool) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path), str(anonymous)]
    for _ in range(KILLS // 2):
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"ready\n"
            time.sleep(random.uniform(0, 0.04))
            writer.send_signal(signal.SIGKILL)
    store = LocalStore(tmp_path)
    heads = list(store.list("v1/b/"))
    assert heads
    for head in heads:
        assert hashlib.sha256(store.get(head.key)).hexdigest() == head.key.removeprefix("v1/b/")
    same = store.get("v1/same")
    assert hashlib.sha256(same[64:]).hexdigest().encode() == same[:64]


def _fail_on_file(code: int) -> Callable[[int], None]:
    def fail(fd: int) -> None:
        if stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(code, os.strerror(code))

    return fail


@both_ways
@pytest.mark.parametrize(
    ("code", "advice"), [(errno.ENOSPC, "disk is full"), (errno.EIO, "Input/output"), (errno.EDQUOT, "quota")]
)
def test_a_failed_flush_leaves_nothing_visible(
    tmp_path: Path, anonymous: bool, code: int, advice: str
) -> None:
    store = LocalStore(tmp_path, flush=_fail_on_file(code), anonymous_files=anonymous)
    for write in (store.create, store.put):
        with pytest.raises(StoreUnavailable, match=advice):
            write("v1/s/x", b"x")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert store.head("v1/s/x") is None


@both_ways
def test_a_write_cut_short_leaves_nothing_visible(tmp_path: Path, anonymous: bool) -> None:
    store = LocalStore(tmp_path, anonymous_files=anonymous)
    store.put("v1/s/before", b"before")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        for key, write in (("v1/s/new", store.create), ("v1/s/before", store.put)):
            with pytest.raises(StoreUnavailable, match="too large"):
                write(key, b"x" * 10_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["before"]
    assert store.get("v1/s/before") == b"before"


def test_a_failed_directory_flush_can_be_repeated(tmp_path: Path) -> None:
    failing = True

    def fail(fd: int) -> None:
        if failing and (tmp_path / "v1/x").exists():
            raise OSError(errno.EIO, "Input/output error")

    store = LocalStore(tmp_path, flush=fail)
    with pytest.raises(StoreUnavailable, match="Input/output"):
        store.create("v1/x", b"mine")
    failing = False
    with pytest.raises(KeyExists):
        store.create("v1/x", b"mine")
    assert store.get("v1/x") == b"mine"


def test_no_links_lead_out_of_the_root(tmp_path: Path) -> None:
    outside, root = tmp_path / "outside", tmp_path / "root"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    (root / "v1/s").mkdir(parents=True)
    (root / "v1/out").symlink_to(outside)
    (root / "v1/s/link").symlink_to(outside / "secret")
    store = LocalStore(root)
    for verb in (store.get, store.head, store.delete):
        with pytest.raises(StoreUnavailable, match="symbolic link"):
            verb("v1/out/secret")
    for write in (store.put, store.create):
        with pytest.raises(StoreUnavailable, match="symbolic link"):
            write("v1/out/new", b"x")
    for read in (store.get, store.head):
        with pytest.raises(StoreUnavailable, match="symbolic link"):
            read("v1/s/link")
    assert list(store.list("")) == []
    with pytest.raises(StoreUnavailable, match="symbolic link"):
        list(store.list("v1/out/"))
    with pytest.raises(KeyExists):
        store.create("v1/s/link", b"x")
    store.put("v1/s/link", b"ours")
    assert store.get("v1/s/link") == b"ours"
    assert [(path.name, path.read_bytes()) for path in outside.iterdir()] == [("secret", b"secret")]


def test_a_root_that_is_itself_a_link_is_fine(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "root").symlink_to(tmp_path / "real")
    LocalStore(tmp_path / "root").create("v1/x", b"x")
    assert (tmp_path / "real/v1/x").read_bytes() == b"x"


def test_what_is_no_file_is_no_object(tmp_path: Path) -> None:
    (tmp_path / "v1/folder").mkdir(parents=True)
    os.mkfifo(tmp_path / "v1/pipe")
    store = LocalStore(tmp_path)
    with pytest.raises(KeyMissing):
        store.get("v1/folder")
    assert store.head("v1/folder") is None
    with pytest.raises(StoreUnavailable, match="regular"):
        store.get("v1/pipe")
    with pytest.raises(StoreUnavailable, match="directory"):
        store.put("v1/folder", b"x")
    assert list(store.list("")) == []


def test_a_file_is_not_taken_for_a_directory(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.put("v1/a", b"x")
    with pytest.raises(StoreUnavailable, match="where a directory belongs"):
        store.put("v1/a/b", b"x")
    assert store.get("v1/a") == b"x"


def test_foreign_files_are_not_listed(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.put("v1/ours", b"x")
    for name in (".DS_Store", "v1/.hidden", "v1/with space", "v1/\u00e9"):
        (tmp_path / name).write_bytes(b"x")
    assert [head.key for head in store.list("")] == ["v1/ours"]


def test_what_killed_writers_left_is_swept_after_an_hour(tmp_path: Path) -> None:
    (tmp_path / ".tmp").mkdir()
    for name in ("old", "young"):
        (tmp_path / ".tmp" / name).write_bytes(b"unfinished")
    long_ago = time.time() - ABANDONED_AFTER_S - 10
    os.utime(tmp_path / ".tmp/old", (long_ago, long_ago))
    store = LocalStore(tmp_path)
    store.head("v1/x")
    assert len(os.listdir(tmp_path / ".tmp")) == 2
    store.create("v1/x", b"x")
    assert os.listdir(tmp_path / ".tmp") == ["young"]


@pytest.mark.parametrize("code", [errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT])
def test_file_systems_without_anonymous_files_are_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """EOPNOTSUPP and EISDIR: no O_TMPFILE; ENOENT: no /proc."""
    real = os.link

    def link(src: str, dst: str, **more: int | bool) -> None:
        if src.startswith("/proc"):
            raise OSError(code, os.strerror(code))
        real(src, dst, **more)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(os, "link", link)
    store = LocalStore(tmp_path)
    store.create("v1/x", b"x")
    with pytest.raises(KeyExists):
        store.create("v1/x", b"y")
    assert store.get("v1/x") == b"x"
    assert os.listdir(tmp_path / ".tmp") == []


def test_file_systems_without_hard_links_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(src: str, dst: str, **more: int | bool) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", link)
    with pytest.raises(StoreUnavailable, match="no hard links"):
        LocalStore(tmp_path).create("v1/x", b"x")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_directories_that_cannot_be_flushed_are_accepted(tmp_path: Path) -> None:
    def flush_files_only(fd: int) -> None:
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")

    store = LocalStore(tmp_path, flush=flush_files_only)
    store.create("v1/x", b"x")
    assert store.get("v1/x") == b"x"


def test_a_store_removed_under_us_is_made_again(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "store")
    store.create("v1/x", b"x")
    (tmp_path / "store").rename(tmp_path / "gone")
    with pytest.raises(KeyMissing):
        store.get("v1/x")
    with pytest.raises(StoreUnavailable, match="vanished"):
        store.create("v1/x", b"x")
    store.create("v1/x", b"x")
    assert store.get("v1/x") == b"x"


def test_reading_makes_nothing(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "store")
    assert store.head("v1/x") is None
    assert list(store.list("")) == []
    store.delete("v1/x")
    assert list(tmp_path.iterdir()) == []


def test_a_file_as_root_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(StoreUnavailable, match="directory belongs"):
        LocalStore(tmp_path / "file").create("v1/x", b"x")


def test_no_descriptor_leaks(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    before = len(os.listdir("/proc/self/fd"))
    for number in range(20):
        store.create(f"v1/a/{number}", b"x")
        store.get(f"v1/a/{number}")
        store.head("v1/b/none")
        next(iter(store.list("")))
        with pytest.raises(KeyExists):
            store.create(f"v1/a/{number}", b"x")
    assert len(os.listdir("/proc/self/fd")) == before


def test_readers_meet_whole_objects_only_while_they_are_replaced(tmp_path: Path) -> None:
    store = LocalStore(tmp_path, flush=lambda fd: None)
    versions = [bytes([number]) * 200_000 for number in range(8)]
    store.put("v1/x", versions[0])
    torn: list[int] = []
    is_over = threading.Event()

    def read() -> None:
        while not is_over.is_set():
            if store.get("v1/x") not in versions:
                torn.append(1)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for version in versions * 5:
            store.put("v1/x", version)
    finally:
        is_over.set()
        reader.join()
    assert torn == []


def test_a_directory_has_no_urls(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no URLs"):
        LocalStore(tmp_path).presign("v1/x", 60)
