"""Objects in Azure Blob Storage or Google Cloud Storage: the only module that knows obstore."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from obstore.store import AzureStore, GCSStore

from assetmill.errors import (
    InvalidSettings,
    KeyExists,
    KeyMissing,
    StoreAway,
    StoreError,
    StoreUnavailable,
)
from assetmill.store.backend import ObjectHead
from assetmill.store.key_order import BESIDE, in_key_order
from assetmill.store.keys import check_key, check_prefix, is_segment

if TYPE_CHECKING:
    from obstore.auth.azure import AzureCredentialProvider
    from obstore.store import AzureConfig, ClientConfig, GCSConfig, RetryConfig

LONGEST_URL_S = 7 * 24 * 3600
"""Azure (with a signed-in identity) and Google refuse signed URLs that are to live longer."""

_AWAY = re.compile(
    r"error sending request|timed out|status code: (429|500|502|503|504)"
    r"|error decoding response|request or response body error"
)
"""How obstore words that nothing answers, not to the end, or "not now": it has one class for all."""
_QUERY = re.compile(r"\?\S+")
_STORAGE_CREDENTIALS = (
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_ACCESS_KEY",
    "AZURE_STORAGE_SAS_KEY",
    "AZURE_STORAGE_SAS_TOKEN",
    "AZURE_STORAGE_TOKEN",
)
_MISSING_CONTAINER = ("ContainerNotFound", "specified container", "NoSuchBucket", "specified bucket")
_NO_CONTAINER = "the container or bucket does not exist: create it, or correct its name"
_NO_ACCESS = (
    "access is refused: check the storage key, or sign in (`az login`) with an identity that has the role"
    " Storage Blob Data Contributor (Google: Storage Object Admin)"
)
_NO_ACCOUNT = "no storage account is named: set AZURE_STORAGE_ACCOUNT_NAME"


class BlobStore:
    """Objects under the prefix of an `azure://CONTAINER/PREFIX` or `gs://BUCKET/PREFIX` URL.

    Credentials: a storage key or SAS from the environment where obstore finds one, else whatever
    azure-identity finds (Azure) or the application default credentials (Google).

    Raises:
        InvalidSettings: no account is named, or the URL or the endpoint makes no client.
    """

    def __init__(self, url: str, *, endpoint_url: str | None = None) -> None:
        self.name = url.rstrip("/")
        self.requests = 0
        self._container_seen = False
        # `requests += 1` from two threads would lose one.
        self._lock = threading.Lock()
        scheme, _, rest = self.name.partition("://")
        bucket, _, prefix = rest.partition("/")
        try:
            self._store = _connect(scheme, bucket, prefix or None, endpoint_url)
        except BaseError as error:
            advice = _NO_ACCOUNT if "Account must be" in str(error) else _gist(str(error))
            raise InvalidSettings(f"{self.name}: {advice}") from error

    def put(self, key: str, data: bytes, *, media_type: str = "application/octet-stream") -> None:
        """Store `data`, replacing what was there."""
        with self._asking(key):
            obstore.put(self._store, key, data, attributes={"Content-Type": media_type}, use_multipart=False)

    def create(self, key: str, data: bytes, *, media_type: str = "application/json") -> None:
        """Store `data` if nothing is there yet.

        Raises:
            KeyExists: something is there already; after a lost reply, one's own bytes.
            StoreUnavailable: the store still refused after its own retries.
        """
        with self._asking(key):
            obstore.put(self._store, key, data, attributes={"Content-Type": media_type}, mode="create")

    def get(self, key: str) -> bytes:
        """Return the object's bytes."""
        with self._asking(key):
            return bytes(obstore.get(self._store, key).bytes())

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """Return at most `length` bytes from offset `start`."""
        if start < 0 or length < 0:
            raise ValueError((start, length))
        found = self._find(key)
        # obstore fails on ranges that are empty or begin behind the end.
        end = min(start + length, found.size_bytes)
        if start >= end:
            return b""
        with self._asking(key):
            return bytes(obstore.get_range(self._store, key, start=start, end=end))

    def head(self, key: str) -> ObjectHead | None:
        """Return what is known of the object, None when nothing is there."""
        try:
            return self._find(key)
        except KeyMissing:
            return None

    def list(self, prefix: str, limit: int | None = None) -> Iterator[ObjectHead]:
        """Yield the objects whose key starts with `prefix`, sorted by key, at most `limit` of them."""
        check_prefix(prefix)
        self._count()
        # Azure lists by folder where it has folders of its own.
        return islice(in_key_order(self._found(prefix), self._beside, prefix, limit), limit)

    def delete(self, key: str) -> None:
        """Remove the object; absent is fine."""
        with suppress(KeyMissing), self._asking(key):
            obstore.delete(self._store, key)

    def presign(self, key: str, expires_s: int) -> str:
        """Return a URL that reads the object for `expires_s` seconds, a week at most."""
        if not 0 < expires_s <= LONGEST_URL_S:
            raise StoreError(f"a signed URL lives 1 to {LONGEST_URL_S} s, not {expires_s}")
        with self._asking(key):
            return obstore.sign(self._store, "GET", key, timedelta(seconds=expires_s))

    def close(self) -> None:
        """Do nothing: obstore ends its connections when they are idle."""

    def _found(self, prefix: str) -> Iterator[ObjectHead]:
        above, beginning = check_prefix(prefix)
        # obstore's prefixes are whole segments, so a listing begins where the prefix does and ends behind it.
        offset = prefix[:-1] if len(beginning) > 1 else None
        for head in self._pages("/".join(above), offset):
            if head.key.startswith(prefix):
                yield head
            elif _is_behind(head.key, prefix):
                return

    def _beside(self, folder: str) -> Iterator[ObjectHead]:
        """Yield what begins like a folder and sorts before what is in it."""
        # After everything that begins with the letter before the first that a key may have.
        for head in self._pages(folder.rpartition("/")[0], f"{folder}*~"):
            if not head.key.startswith(tuple(folder + letter for letter in BESIDE)):
                return
            yield head

    def _pages(self, folder: str, offset: str | None) -> Iterator[ObjectHead]:
        """Yield the objects below a folder, those after the offset, as the store lists them."""
        with self._translating(f"{self.name}: {folder!r}"):
            for page in obstore.list(self._store, prefix=folder or None, offset=offset):
                for meta in page:
                    if all(map(is_segment, meta["path"].split("/"))):
                        yield ObjectHead(meta["path"], meta["size"], meta["last_modified"].timestamp())

    def _find(self, key: str) -> ObjectHead:
        try:
            with self._asking(key):
                found = obstore.head(self._store, key)
        except KeyMissing:
            self._require_container()
            raise
        return ObjectHead(key, found["size"], found["last_modified"].timestamp())

    def _require_container(self) -> None:
        """Tell a missing container, which must never look like a missing object; HEAD replies do not say."""
        if not self._container_seen:
            with self._translating(self.name):
                next(iter(obstore.list(self._store)), None)
            self._container_seen = True

    @contextmanager
    def _asking(self, key: str) -> Generator[None]:
        check_key(key)
        self._count()
        with self._translating(f"{self.name}: {key!r}"):
            yield
        self._container_seen = True

    @contextmanager
    def _translating(self, where: str) -> Generator[None]:
        try:
            yield
        except FileNotFoundError as error:
            if any(words in str(error) for words in _MISSING_CONTAINER):
                raise StoreUnavailable(f"{where}: {_NO_CONTAINER}") from error
            raise KeyMissing(f"{where} is not there") from error
        except AlreadyExistsError as error:
            raise KeyExists(f"{where} is there already") from error
        except BaseError as error:
            kind = StoreAway if _AWAY.search(str(error)) else StoreUnavailable
            raise kind(f"{where}: {_explain(error)}") from error

    def _count(self) -> None:
        with self._lock:
            self.requests += 1


def _is_behind(key: str, prefix: str) -> bool:
    """Whether no key with the prefix can follow: true in the order of keys and in that of folders."""
    return key > prefix and not key.startswith(prefix)


def _connect(
    scheme: str, container: str, prefix: str | None, endpoint_url: str | None
) -> AzureStore | GCSStore:
    retry: RetryConfig = {"max_retries": 4, "retry_timeout": timedelta(seconds=120)}
    client: ClientConfig = {"connect_timeout": "5s", "timeout": "120s"}
    if endpoint_url and endpoint_url.startswith("http://"):
        client["allow_http"] = True
    if scheme == "gs":
        base: GCSConfig = {"base_url": endpoint_url} if endpoint_url else {}
        return GCSStore(container, prefix=prefix, config=base, client_options=client, retry_config=retry)
    place: AzureConfig = {"endpoint": endpoint_url} if endpoint_url else {}
    # obstore reads the environment but does not say what it found; boto3 does the same for S3.
    has_own = any(name in os.environ for name in _STORAGE_CREDENTIALS)
    return AzureStore(
        container,
        prefix=prefix,
        config=place,
        client_options=client,
        retry_config=retry,
        credential_provider=None if has_own else _identity(),
    )


def _identity() -> AzureCredentialProvider:
    # 26 MB, which a storage key or Google has no use for.
    from obstore.auth.azure import AzureCredentialProvider

    return AzureCredentialProvider()


def _explain(error: BaseError) -> str:
    text = str(error)
    if isinstance(error, (PermissionDeniedError, UnauthenticatedError)) or "403 Forbidden" in text:
        return f"{_NO_ACCESS}: {_gist(text)}"
    if any(words in text for words in _MISSING_CONTAINER):
        return _NO_CONTAINER
    if "error sending request" in text:
        return f"nothing answers there: check the account, the endpoint and the network: {_gist(text)}"
    return _gist(text)


def _gist(text: str) -> str:
    """Return what a person can use of obstore's message: no trace, no signed URL's query."""
    for cut in ("\n", ": <?xml"):
        text = text.partition(cut)[0]
    return _QUERY.sub("", text)[:300]
