"""The default object store: a directory whose objects are whole or absent, also after a power cut."""

from __future__ import annotations

import errno
import os
import stat
import sys
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path

from assetmill.errors import KeyExists, KeyMissing, StoreAway, StoreError, StoreUnavailable
from assetmill.store.backend import ObjectHead
from assetmill.store.keys import check_key, check_prefix, is_segment

TEMPORARY = ".tmp"
"""Directory of named unfinished files; no key can start with a dot."""

ABANDONED_AFTER_S = 3600.0

_PACKED_BY = 2
"""Characters: a folder's names begin in a thousand ways, each of which is sorted when it is its turn."""

_MOST_PACKED_BYTES = 8 << 20
"""A folder with more names is looked through again for the rest of them."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
# A FIFO in the place of an object must not hang the reader.
_OBJECT = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
_NO_ANONYMOUS_FILES = {errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT, errno.EXDEV, errno.EPERM}
_AWAY = {
    *(errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETUNREACH),
    *(errno.ENETDOWN, errno.ENOTCONN, errno.ECONNREFUSED, errno.ECONNRESET),
    # Somebody may make room, or already does.
    *(errno.ENOSPC, errno.EDQUOT),
}
"""What network and other file systems say when what is behind them is not there at present."""
_ADVICE = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EACCES: "permission denied: give this user read and write access, or choose another directory",
    errno.EROFS: "the file system is read-only: choose another directory",
    errno.EEXIST: "a file or a symbolic link is where a directory belongs",
    errno.ENOTDIR: "a file or a symbolic link is where a directory belongs",
    errno.ELOOP: "it is a symbolic link, which the store does not follow",
    errno.EPERM: "the file system has no hard links, which create-once needs: choose another directory",
    errno.EISDIR: "a directory is where an object belongs",
}


def flush(fd: int) -> None:
    """Write the file or directory through to the disk's platters, not only to its cache."""
    if sys.platform == "darwin":
        import fcntl

        with suppress(OSError):
            fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
            return
    os.fsync(fd)


class LocalStore:
    """Objects as files under `root`, which the first write makes.

    `flush` and `anonymous_files` are there for tests and for file systems that promise less.
    """

    def __init__(
        self,
        root: Path,
        *,
        flush: Callable[[int], None] = flush,
        anonymous_files: bool = hasattr(os, "O_TMPFILE"),
        prepare: Callable[[], object] = lambda: None,
    ) -> None:
        self.name = f"file:{root}"
        self.requests = 0
        self._root = root.absolute()
        self._flush = flush
        self._anonymous = anonymous_files
        self._prepare = prepare
        # Objects are no more open than the root, and it no more than the folder it lies in.
        self._mode = 0o777
        self._durable: set[tuple[str, ...]] = set()
        self._is_swept = False
        # `requests += 1` from two threads would lose one.
        self._lock = threading.Lock()

    def put(self, key: str, data: bytes, *, media_type: str = "application/octet-stream") -> None:
        """Store `data`, replacing what was there in one step."""
        with self._writing(key) as (folder, name):
            # Looked for first: bytes that are there already would be written, and flushed, twice.
            if _is_taken(folder, name):
                self._replace(folder, name, data)
            else:
                try:
                    self._publish(folder, name, data)
                except FileExistsError:
                    self._replace(folder, name, data)
            self._flush_folder(folder)

    def create(self, key: str, data: bytes, *, media_type: str = "application/json") -> None:
        """Store `data` if nothing is there yet; what is there is on the disk before this says so.

        Raises:
            KeyExists: something is there already.
            StoreUnavailable: the disk refused. If only the last flush failed, the object may be there.
        """
        with self._writing(key) as (folder, name):
            try:
                self._publish(folder, name, data)
            except FileExistsError as error:
                self._flush_folder(folder)
                raise KeyExists(f"{self.name} already has {key!r}") from error
            self._flush_folder(folder)

    def get(self, key: str) -> bytes:
        """Return the object's bytes."""
        with self._reading(key) as fd, open(fd, "rb", closefd=False) as file:
            return file.read()

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """Return at most `length` bytes from offset `start`."""
        if start < 0 or length < 0:
            raise ValueError((start, length))
        with self._reading(key) as fd, open(fd, "rb", closefd=False) as file:
            file.seek(start)
            return file.read(length)

    def head(self, key: str) -> ObjectHead | None:
        """Return what is known of the object, None when nothing is there."""
        try:
            with self._reading(key) as fd:
                found = os.fstat(fd)
        except KeyMissing:
            return None
        return ObjectHead(key, found.st_size, found.st_mtime)

    def list(self, prefix: str, limit: int | None = None) -> Iterator[ObjectHead]:
        """Yield the objects whose key starts with `prefix`, sorted by key, at most `limit` of them."""
        above, beginning = check_prefix(prefix)
        self._count()
        return islice(self._walk_from(above, beginning), limit)

    def delete(self, key: str) -> None:
        """Remove the object; absent is fine."""
        *above, name = check_key(key)
        self._count()
        with suppress(FileNotFoundError), self._translating(key), self._folder(tuple(above)) as folder:
            os.unlink(name, dir_fd=folder)
            self._flush_folder(folder)

    def presign(self, key: str, expires_s: int) -> str:
        """Refuse: a directory has no URLs."""
        raise StoreError(f"{self.name} has no URLs for its objects")

    def close(self) -> None:
        """Do nothing: no file stays open between calls."""

    @contextmanager
    def _writing(self, key: str) -> Generator[tuple[int, str]]:
        *above, name = check_key(key)
        self._count()
        try:
            with self._translating(key), self._folder(tuple(above), make=True) as folder:
                self._sweep()
                yield folder, name
        except FileNotFoundError as error:
            self._durable.clear()
            raise StoreUnavailable(f"{self.name}: a directory vanished under {key!r}") from error

    @contextmanager
    def _reading(self, key: str) -> Generator[int]:
        *above, name = check_key(key)
        self._count()
        try:
            with self._translating(key), self._folder(tuple(above)) as folder:
                fd = os.open(name, _OBJECT, dir_fd=folder)
                try:
                    _require_file(fd, name)
                    yield fd
                finally:
                    os.close(fd)
        except FileNotFoundError as error:
            raise KeyMissing(f"{self.name} has no {key!r}") from error

    @contextmanager
    def _folder(self, path: tuple[str, ...], *, make: bool = False) -> Generator[int]:
        """Open a directory by walking to it, so that no symbolic link leads out of the root."""
        fd = self._open_root(make=make)
        try:
            for depth, name in enumerate(path, start=1):
                below = self._made(fd, name, path[:depth]) if make else os.open(name, _FOLDER, dir_fd=fd)
                os.close(fd)
                fd = below
            yield fd
        finally:
            os.close(fd)

    def _open_root(self, *, make: bool) -> int:
        if make and () not in self._durable:
            self._prepare()
            # Without a missing one still the root itself: another process may have made it just now.
            missing = [path for path in (self._root, *self._root.parents) if not path.exists()]
            for path in reversed(missing or [self._root]):
                path.mkdir(exist_ok=True, mode=path.parent.stat().st_mode & 0o777)
                self._flush_path(path.parent)
            self._mode = self._root.stat().st_mode & 0o777
            self._durable.add(())
        return os.open(self._root, os.O_RDONLY | os.O_DIRECTORY)

    def _flush_path(self, path: Path) -> None:
        # A directory that may be entered but not read (a shared /home) cannot be flushed either.
        with suppress(PermissionError):
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
            try:
                self._flush_folder(fd)
            finally:
                os.close(fd)

    def _made(self, parent: int, name: str, path: tuple[str, ...]) -> int:
        """Open a directory that is made where it is missing."""
        if path in self._durable:
            with suppress(FileNotFoundError):
                return os.open(name, _FOLDER, dir_fd=parent)
        self._make(parent, name, path)
        return os.open(name, _FOLDER, dir_fd=parent)

    def _make(self, parent: int, name: str, path: tuple[str, ...]) -> None:
        """Make a directory whose entry survives a power cut, also when another process just made it."""
        try:
            os.mkdir(name, self._mode, dir_fd=parent)
        except FileExistsError:
            if path in self._durable:
                return
        self._flush_folder(parent)
        self._durable.add(path)

    def _publish(self, folder: int, name: str, data: bytes) -> None:
        """Give finished, flushed bytes a name that must be free."""
        if self._anonymous:
            try:
                return self._publish_anonymous(folder, name, data)
            except OSError as error:
                if error.errno not in _NO_ANONYMOUS_FILES:
                    raise
                self._anonymous = False
        with self._named(data) as (temporary, unfinished):
            os.link(unfinished, name, src_dir_fd=temporary, dst_dir_fd=folder, follow_symlinks=False)
        return None

    def _publish_anonymous(self, folder: int, name: str, data: bytes) -> None:
        fd = os.open(".", os.O_TMPFILE | os.O_WRONLY, self._mode & 0o666, dir_fd=folder)
        try:
            _write(fd, data)
            self._flush(fd)
            # Without src_dir_fd Python 3.11 calls link(), which does not follow /proc's links: EXDEV.
            os.link(f"/proc/self/fd/{fd}", name, src_dir_fd=fd, dst_dir_fd=folder, follow_symlinks=True)
        finally:
            os.close(fd)

    def _replace(self, folder: int, name: str, data: bytes) -> None:
        with self._named(data) as (temporary, unfinished):
            os.replace(unfinished, name, src_dir_fd=temporary, dst_dir_fd=folder)

    @contextmanager
    def _named(self, data: bytes) -> Generator[tuple[int, str]]:
        name = uuid.uuid4().hex
        with self._folder((TEMPORARY,), make=True) as folder:
            fd = os.open(
                name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, self._mode & 0o666, dir_fd=folder
            )
            try:
                try:
                    _write(fd, data)
                    self._flush(fd)
                finally:
                    os.close(fd)
                yield folder, name
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=folder)

    def _flush_folder(self, fd: int) -> None:
        try:
            self._flush(fd)
        except OSError as error:
            # Some network file systems cannot flush a directory and say so like this.
            if error.errno != errno.EINVAL:
                raise

    def _sweep(self) -> None:
        """Remove what killed writers left, once per process."""
        if self._is_swept:
            return
        self._is_swept = True
        oldest = time.time() - ABANDONED_AFTER_S
        with suppress(FileNotFoundError), self._folder((TEMPORARY,)) as folder:
            for name in os.listdir(folder):
                with suppress(FileNotFoundError):
                    if os.stat(name, dir_fd=folder, follow_symlinks=False).st_mtime < oldest:
                        os.unlink(name, dir_fd=folder)

    def _walk_from(self, above: tuple[str, ...], beginning: str) -> Iterator[ObjectHead]:
        with self._translating("/".join(above)), suppress(FileNotFoundError), self._folder(above) as folder:
            yield from self._walk(folder, "".join(f"{name}/" for name in above), beginning)

    def _walk(self, folder: int, path: str, beginning: str = "") -> Iterator[ObjectHead]:
        first: str | None = ""
        while first is not None:
            packed, first = _names(folder, beginning, first)
            for start in sorted(packed):
                for name in sorted(packed.pop(start).decode().split()):
                    with suppress(FileNotFoundError):
                        yield from self._found(folder, path, name)

    def _found(self, folder: int, path: str, name: str) -> Iterator[ObjectHead]:
        if name.endswith("/"):
            yield from self._walk_below(folder, path, name)
            return
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if stat.S_ISREG(found.st_mode):
            yield ObjectHead(path + name, found.st_size, found.st_mtime)

    def _walk_below(self, parent: int, path: str, name: str) -> Iterator[ObjectHead]:
        folder = os.open(name.rstrip("/"), _FOLDER, dir_fd=parent)
        try:
            yield from self._walk(folder, path + name)
        finally:
            os.close(folder)

    @contextmanager
    def _translating(self, key: str) -> Generator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as error:
            advice = _ADVICE.get(error.errno or 0, error.strerror or str(error))
            kind = StoreAway if error.errno in _AWAY else StoreUnavailable
            raise kind(f"{self.name}: {key!r}: {advice}") from error

    def _count(self) -> None:
        with self._lock:
            self.requests += 1


def _names(folder: int, beginning: str, first: str) -> tuple[dict[str, bytearray], str | None]:
    """Return a folder's names packed by how they begin, from `first` on, and where the next look goes on.

    A folder of a million as objects would be half a gigabyte, and packed still 80 megabytes.
    """
    packed: defaultdict[str, bytearray] = defaultdict(bytearray)
    size, end = 0, None
    with os.scandir(folder) as scan:
        for entry in scan:
            if not entry.name.startswith(beginning) or not is_segment(entry.name):
                continue
            # A directory sorts as its keys do: `a-c` comes before `a/b`.
            name = entry.name + "/" * entry.is_dir(follow_symlinks=False)
            start = name[:_PACKED_BY]
            if start < first or (end is not None and start >= end):
                continue
            packed[start] += f"{name}\n".encode()
            size += len(name) + 1
            while size > _MOST_PACKED_BYTES and len(packed) > 1:
                end = max(packed)
                size -= len(packed.pop(end))
    return packed, end


def _require_file(fd: int, name: str) -> None:
    mode = os.fstat(fd).st_mode
    if stat.S_ISDIR(mode):
        raise FileNotFoundError(errno.ENOENT, "a directory, not an object", name)
    if not stat.S_ISREG(mode):
        raise OSError(errno.ENODEV, "not a regular file", name)


def _is_taken(folder: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _write(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
