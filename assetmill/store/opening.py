"""From a store's URL to an adapter that was seen to keep the port's promises."""

from __future__ import annotations

import json
import secrets
import threading
import time
from functools import partial
from pathlib import Path
from typing import Literal, cast

from pydantic import BaseModel, ConfigDict, ValidationError

from assetmill.errors import (
    InvalidInput,
    InvalidSettings,
    KeyExists,
    KeyMissing,
    OutageTooLong,
    StoreUnavailable,
)
from assetmill.private import make_home
from assetmill.store import layout
from assetmill.store.backend import Backend
from assetmill.store.keys import check_prefix
from assetmill.store.local import LocalStore
from assetmill.store.memory import MemoryStore

FORMS = "a directory, file:PATH, s3://BUCKET/PREFIX, azure://CONTAINER/PREFIX, gs://BUCKET/PREFIX or memory:"
RACES = 2
"""A store that checks first and writes then lets both creators win most of the time, not always."""


class StoreMeta(BaseModel):
    """What `v1/meta/store.json` says: the format, and that the store kept its promises when probed."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)

    format: Literal[1] = 1
    verdict: Literal["create-once"] = "create-once"
    probed_at: float


def open_store(
    url: str, *, endpoint_url: str | None = None, region: str | None = None, home: Path | None = None
) -> Backend:
    """Return the store that `url` names; the caller closes it. Nothing is read or written yet.

    `endpoint_url` and `region` are for S3 and what speaks like it, and for an Azure Blob emulator. `home` is
    made, private, before a store below it is.

    Raises:
        InvalidSettings: the URL names no store, or the adapter's package or configuration is missing.
    """
    scheme, colon, rest = url.partition(":")
    if not colon or "/" in scheme:
        return _open_directory(url, home)
    if scheme == "file":
        return _open_directory(rest.removeprefix("//"), home)
    if url == "memory:":
        return MemoryStore()
    if scheme in {"s3", "azure", "gs"} and rest.startswith("//"):
        bucket, prefix = _split(url, rest[2:])
        return _open_bucket(scheme, bucket, prefix, endpoint_url, region)
    # The URL may hold a secret, so only its scheme is repeated.
    raise InvalidSettings(f"a store at {scheme + ':'!r} is not known: give {FORMS}")


def probe(backend: Backend) -> None:
    """Make sure that the store keeps the port's promises; after the first time this costs one read.

    Raises:
        InvalidSettings: it cannot be reached, refuses, lets two creators win, does not show what was just
            written, or holds another format.
        OutageTooLong: it is away, and was waited for.
    """
    try:
        try:
            _check_meta(backend, backend.get(layout.STORE_META))
        except KeyMissing:
            _probe_anew(backend)
    except OutageTooLong:
        raise
    except StoreUnavailable as error:
        raise InvalidSettings(str(error)) from error


def _open_directory(path: str, home: Path | None) -> Backend:
    if not path or "\0" in path:
        raise InvalidSettings(f"{path!r} is not a directory: give {FORMS}")
    try:
        root = Path(path).expanduser()
    except RuntimeError as error:
        raise InvalidSettings(f"{path!r}: {error}") from error
    if home is None or not root.absolute().is_relative_to(home):
        return LocalStore(root)
    return LocalStore(root, prepare=partial(make_home, home))


def _split(url: str, rest: str) -> tuple[str, str]:
    bucket, _, prefix = rest.partition("/")
    prefix = prefix.strip("/")
    try:
        check_prefix(f"{prefix}/" if prefix else "")
    except InvalidInput as error:
        raise InvalidSettings(
            f"a prefix in a store's URL has only A-Z a-z 0-9 _ . = @ + - and /: {error}"
        ) from error
    if not bucket or not all(char.isalnum() or char in "-_." for char in bucket):
        kind = url.partition(":")[0]
        raise InvalidSettings(f"the {kind}: URL of a store names no bucket; credentials do not belong in it")
    return bucket, prefix


def _open_bucket(
    scheme: str, bucket: str, prefix: str, endpoint_url: str | None, region: str | None
) -> Backend:
    if scheme == "s3":
        from assetmill.store.s3 import S3Store

        return S3Store(bucket, prefix, endpoint_url=endpoint_url, region=region)
    try:
        from assetmill.store.blob import BlobStore
    except ModuleNotFoundError as error:
        raise InvalidSettings(
            f"{scheme}:// stores need one more package ({error.name}): install assetmill[blob]"
        ) from error
    return BlobStore(f"{scheme}://{bucket}/{prefix}", endpoint_url=endpoint_url)


def _check_meta(backend: Backend, data: bytes) -> None:
    try:
        StoreMeta.model_validate_json(data)
    except ValidationError as error:
        said = f"{layout.STORE_META!r} in {backend.name} says {data[:80]!r}"
        if is_of_another_version(data):
            raise InvalidSettings(
                f"{said}: this version of assetmill has not written it. Choose another prefix, or a newer "
                "assetmill."
            ) from error
        raise InvalidSettings(
            f"{said}: it is damaged, or not of assetmill. Choose another prefix, or let "
            "`assetmill repair` make it anew."
        ) from error


def is_of_another_version(data: bytes) -> bool:
    """Whether this is the mark of a store in a format that this version does not know."""
    try:
        found = json.loads(data)
    except ValueError:
        return False
    return isinstance(found, dict) and cast(dict[str, object], found).get("format", 1) != 1


def _probe_anew(backend: Backend) -> None:
    try:
        _try_promises(backend)
        _record(backend)
    except KeyMissing as error:
        raise _refusal(backend, "an object that was just written could not be read") from error


def _record(backend: Backend) -> None:
    try:
        backend.create(layout.STORE_META, StoreMeta(probed_at=time.time()).model_dump_json().encode())
    except KeyExists:
        _check_meta(backend, backend.get(layout.STORE_META))


def _try_promises(backend: Backend) -> None:
    for _ in range(RACES):
        key = layout.probe(secrets.token_hex(16))
        winner = _race(backend, key)
        try:
            if _creates(backend, key, secrets.token_bytes(16)):
                raise _refusal(backend, "two creators of one key both succeeded")
            if backend.get(key) != winner:
                raise _refusal(backend, "an object was not as its creator wrote it")
            if key not in [found.key for found in backend.list(layout.PROBES)]:
                raise _refusal(backend, "a new object was missing from the listing")
        finally:
            backend.delete(key)


def _race(backend: Backend, key: str) -> bytes:
    """Let two create `key` at the same moment; return what the winner wrote."""
    # A store is probed once; every later command would wait for this module and the `logging` behind it.
    from concurrent.futures import ThreadPoolExecutor

    start = threading.Barrier(2)

    def contend(nonce: bytes) -> bool:
        start.wait()
        return _creates(backend, key, nonce)

    nonces = [secrets.token_hex(16).encode() for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        winners = [nonce for nonce, won in zip(nonces, pool.map(contend, nonces), strict=True) if won]
    if len(winners) != 1:
        backend.delete(key)
        outcome = "two creators of one key both succeeded" if winners else "of two creators neither succeeded"
        raise _refusal(backend, outcome)
    return winners[0]


def _creates(backend: Backend, key: str, nonce: bytes) -> bool:
    try:
        backend.create(key, nonce)
    except KeyExists:
        # A lost reply makes one's own write look like another's.
        return backend.get(key) == nonce
    return True


def _refusal(backend: Backend, why: str) -> InvalidSettings:
    return InvalidSettings(
        f"{backend.name} cannot be used: {why}. Without create-once, work could be paid for twice;"
        " use a store with conditional writes (If-None-Match), or a local directory."
    )
