"""Objects in S3, or in what speaks like it: the only module that knows boto3.

`ChecksumSHA256` goes with every upload and the client adds no checksum of its own: with its default, an
upload over TLS to an older S3-compatible server is refused (411, the chunked trailer).
"""

from __future__ import annotations

import base64
import hashlib
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from itertools import islice
from random import SystemRandom
from typing import Any, Protocol, cast

import boto3.session
import botocore.exceptions
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    HTTPClientError,
    IncompleteReadError,
    MetadataRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
    ReadTimeoutError,
    ResponseStreamingError,
    SSLError,
)
from botocore.parsers import ResponseParserError

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

LONGEST_URL_S = 7 * 24 * 3600
"""S3 refuses signed URLs that are to live longer."""

_CHANCE = SystemRandom()  # also forked processes must not try again at the same moment
_CONFLICT_RETRIES = 6
_READ_RETRIES = 2
_BROKEN_BODY = (ResponseStreamingError, IncompleteReadError, ReadTimeoutError)
_AWAY = (
    *(botocore.exceptions.ConnectionError, HTTPClientError, IncompleteReadError),
    *(CredentialRetrievalError, MetadataRetrievalError),
)
"""Nothing answers, or not to its end; or what knows the credentials does not."""
_BUSY = frozenset({"SlowDown", "RequestTimeout", "ServiceUnavailable", "InternalError", "Throttling"})
_NO_ACCESS = (
    "grant s3:GetObject, s3:PutObject, s3:DeleteObject and s3:ListBucket on the bucket and its objects"
    " (without s3:ListBucket an absent object cannot be told from a forbidden one)"
)
_WRONG_REGION = "the bucket is in another region: set the region"
_NOT_S3 = "what answers does not speak S3: check the endpoint"
_ADVICE = {
    "NoSuchBucket": "the bucket does not exist: create it, or correct its name",
    "InvalidBucketName": "this is not a bucket name",
    "AccessDenied": _NO_ACCESS,
    "AllAccessDisabled": _NO_ACCESS,
    "403": _NO_ACCESS,
    "InvalidAccessKeyId": "the access key is unknown there: check the credentials",
    "SignatureDoesNotMatch": "the secret does not fit the access key: check the credentials",
    "ExpiredToken": "the credentials have expired: sign in again",
    "InvalidToken": "the session token is not valid: sign in again",
    "RequestTimeTooSkewed": "this machine's clock is wrong: set it",
    "PermanentRedirect": _WRONG_REGION,
    "AuthorizationHeaderMalformed": _WRONG_REGION,
    "301": _WRONG_REGION,
    "404": _NOT_S3,
    "405": _NOT_S3,
    "NotImplemented": "the server lacks a function that is needed: use one with conditional writes",
}
_NO_CREDENTIALS = "no credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"


class _Client(Protocol):
    """What is used of boto3's client, which has no types of its own."""

    def put_object(self, **parameters: object) -> dict[str, Any]: ...
    def get_object(self, **parameters: object) -> dict[str, Any]: ...
    def head_object(self, **parameters: object) -> dict[str, Any]: ...
    def head_bucket(self, **parameters: object) -> dict[str, Any]: ...
    def delete_object(self, **parameters: object) -> dict[str, Any]: ...
    def list_objects_v2(self, **parameters: object) -> dict[str, Any]: ...
    def get_bucket_versioning(self, **parameters: object) -> dict[str, Any]: ...
    def list_object_versions(self, **parameters: object) -> dict[str, Any]: ...
    def generate_presigned_url(self, method: str, **parameters: object) -> str: ...
    def close(self) -> None: ...


class S3Store:
    """Objects under `prefix` in `bucket`; credentials come from boto3's own chain.

    One client serves all threads, as boto3 documents. `attempts` counts the first try of a request too;
    `session` and `page_size` are for tests.

    Raises:
        InvalidSettings: the endpoint's URL, the region or the AWS profile makes no client.
    """

    def __init__(
        self,
        bucket: str,
        prefix: str = "",
        *,
        endpoint_url: str | None = None,
        region: str | None = None,
        session: boto3.session.Session | None = None,
        attempts: int = 4,
        page_size: int = 1000,
    ) -> None:
        self.name = f"s3://{bucket}/{prefix}".rstrip("/")
        self.requests = 0
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._page_size = page_size
        self._is_aws = endpoint_url is None
        self._bucket_seen = False
        # `requests += 1` from two threads would lose one.
        self._lock = threading.Lock()
        try:
            self._client = _connect(endpoint_url, region, session, attempts)
        except (BotoCoreError, ValueError) as error:
            raise InvalidSettings(f"{self.name}: {error}") from error

    def put(self, key: str, data: bytes, *, media_type: str = "application/octet-stream") -> None:
        """Store `data`, replacing what was there."""
        with self._asking(key) as target:
            self._client.put_object(**target, **_upload(data, media_type))

    def create(self, key: str, data: bytes, *, media_type: str = "application/json") -> None:
        """Store `data` if nothing is there yet.

        Raises:
            KeyExists: something is there already; after a lost reply, one's own bytes.
            StoreUnavailable: the store still refused after the retries.
        """
        for attempt in range(_CONFLICT_RETRIES):
            try:
                with self._asking(key) as target:
                    self._client.put_object(**target, **_upload(data, media_type), IfNoneMatch="*")
                return
            except _Conflict as error:
                # Another creator or a deletion was under way: nobody has won yet.
                if attempt == _CONFLICT_RETRIES - 1:
                    raise StoreUnavailable(str(error)) from error
                # By chance, so that two creators do not meet again; nothing is kept secret by it.
                time.sleep(_CHANCE.uniform(0.5, 1) * 0.05 * 2**attempt)

    def get(self, key: str) -> bytes:
        """Return the object's bytes."""
        return self._download(key)

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """Return at most `length` bytes from offset `start`."""
        if start < 0 or length < 0:
            raise ValueError((start, length))
        # One byte at least, since HTTP has no empty range; absent keys are still told.
        wanted = f"bytes={start}-{start + max(length, 1) - 1}"
        try:
            return self._download(key, Range=wanted)[:length]
        except _BeyondEnd:
            return b""

    def head(self, key: str) -> ObjectHead | None:
        """Return what is known of the object, None when nothing is there."""
        try:
            with self._asking(key) as target:
                found = self._client.head_object(**target)
        except KeyMissing:
            self._require_bucket()
            return None
        return ObjectHead(key, found["ContentLength"], found["LastModified"].timestamp())

    def list(self, prefix: str, limit: int | None = None) -> Iterator[ObjectHead]:
        """Yield the objects whose key starts with `prefix`, sorted by key, at most `limit` of them."""
        check_prefix(prefix)
        found = self._pages(prefix, limit)
        # Other servers may list by folder.
        return islice(found if self._is_aws else in_key_order(found, self._beside, prefix, limit), limit)

    def delete(self, key: str) -> None:
        """Remove the object; absent is fine."""
        # S3 answers 204 for an object that is not there: absent is fine without a look.
        with self._asking(key) as target:
            self._client.delete_object(**target)

    def presign(self, key: str, expires_s: int) -> str:
        """Return a URL that reads the object for `expires_s` seconds, a week at most."""
        check_key(key)
        if not 0 < expires_s <= LONGEST_URL_S:
            raise StoreError(f"a signed URL lives 1 to {LONGEST_URL_S} s, not {expires_s}")
        target = {"Bucket": self._bucket, "Key": self._prefix + key}
        with self._translating(key):
            return self._client.generate_presigned_url("get_object", Params=target, ExpiresIn=expires_s)

    def keeps_versions(self) -> bool:
        """Return whether what is deleted stays there as an older version."""
        with self._asking(None):
            told = self._client.get_bucket_versioning(Bucket=self._bucket)
        # Suspended: nothing new becomes a version, and those that there are stay.
        return bool(told.get("Status"))

    def delete_versions(self, prefix: str) -> int:
        """Delete every version of the keys that start with `prefix` for good; return how many there were."""
        check_prefix(prefix)
        found = list(self._versions(prefix))
        for key, version in found:
            with self._asking(None):
                self._client.delete_object(Bucket=self._bucket, Key=key, VersionId=version)
        return len(found)

    def _versions(self, prefix: str) -> Iterator[tuple[str, str]]:
        more: dict[str, str] = {}
        while True:
            with self._asking(None):
                page = self._client.list_object_versions(
                    Bucket=self._bucket, Prefix=self._prefix + prefix, MaxKeys=self._page_size, **more
                )
            for entry in (*page.get("Versions", []), *page.get("DeleteMarkers", [])):
                yield entry["Key"], entry["VersionId"]
            if not page.get("IsTruncated"):
                return
            more = {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page["NextVersionIdMarker"]}

    def close(self) -> None:
        """Release the connections."""
        self._client.close()

    def _download(self, key: str, **more: str) -> bytes:
        for attempt in range(_READ_RETRIES + 1):
            with self._asking(key) as target:
                response = self._client.get_object(**target, **more)
                # boto3 retries the request, not the reading of the body.
                with closing(response["Body"]) as body:
                    try:
                        return body.read()
                    except _BROKEN_BODY:
                        if attempt == _READ_RETRIES:
                            raise
        raise AssertionError("unreachable")

    def _pages(self, prefix: str, limit: int | None) -> Iterator[ObjectHead]:
        size = min(self._page_size, limit or self._page_size)
        more: dict[str, str] = {}
        while True:
            with self._asking(None):
                page = self._client.list_objects_v2(
                    Bucket=self._bucket, Prefix=self._prefix + prefix, MaxKeys=size, **more
                )
            for entry in page.get("Contents", []):
                key = cast("str", entry["Key"])[len(self._prefix) :]
                # Consoles and other programs leave `folder/` objects and names that are no keys of ours.
                if all(map(is_segment, key.split("/"))):
                    modified = cast("datetime", entry["LastModified"])
                    yield ObjectHead(key, cast("int", entry["Size"]), modified.timestamp())
            if not page.get("IsTruncated"):
                return
            more = {"ContinuationToken": page["NextContinuationToken"]}

    def _beside(self, folder: str) -> Iterator[ObjectHead]:
        """Yield what begins like a folder and sorts before what is in it."""
        for letter in BESIDE:
            yield from self._pages(folder + letter, None)

    def _require_bucket(self) -> None:
        """Tell a missing bucket, which must never look like a missing object; HEAD replies do not say."""
        if self._bucket_seen:
            return
        try:
            with self._asking(None):
                self._client.head_bucket(Bucket=self._bucket)
        except KeyMissing as error:
            raise StoreUnavailable(f"{self.name}: {_ADVICE['NoSuchBucket']}") from error

    @contextmanager
    def _asking(self, key: str | None) -> Generator[dict[str, str]]:
        if key is not None:
            check_key(key)
        with self._lock:
            self.requests += 1
        with self._translating(key):
            yield {"Bucket": self._bucket, "Key": f"{self._prefix}{key}"}
        self._bucket_seen = True

    @contextmanager
    def _translating(self, key: str | None) -> Generator[None]:
        where = self.name if key is None else f"{self.name}: {key!r}"
        try:
            yield
        except ClientError as error:
            raise _from_reply(where, error) from error
        except (BotoCoreError, ResponseParserError) as error:
            kind = StoreAway if _is_away(error) else StoreUnavailable
            raise kind(f"{where}: {_explain(error)}") from error


class _Conflict(StoreUnavailable):
    """409: conditional writes of the same key met; nobody has won yet."""


class _BeyondEnd(StoreError):
    """416: the range begins behind the last byte."""


def _connect(
    endpoint_url: str | None, region: str | None, session: boto3.session.Session | None, attempts: int
) -> _Client:
    # Timeouts below those of any proxy on the way, so that it is we who know that a request is lost.
    config = Config(
        signature_version="s3v4",
        connect_timeout=5,
        read_timeout=30,
        retries={"mode": "standard", "total_max_attempts": attempts},
        max_pool_connections=64,
        tcp_keepalive=True,
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required" if endpoint_url else "when_supported",
    )
    session = session or boto3.session.Session()
    if endpoint_url and not (region or session.region_name):
        # Servers of one's own have no regions, but a signature names one.
        region = "us-east-1"
    return cast("_Client", session.client("s3", endpoint_url=endpoint_url, region_name=region, config=config))


def _upload(data: bytes, media_type: str) -> dict[str, object]:
    return {
        "Body": data,
        "ContentType": media_type,
        "CacheControl": "private, max-age=31536000, immutable",
        "ChecksumSHA256": base64.b64encode(hashlib.sha256(data).digest()).decode(),
    }


def _from_reply(where: str, error: ClientError) -> StoreError:
    reply = cast("dict[str, Any]", error.response)
    code = str(reply.get("Error", {}).get("Code", ""))
    status = int(reply.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    # Any web server says 404; only S3 says NoSuchKey, except to HEAD, whose replies have no body.
    if code == "NoSuchKey" or (status == 404 and error.operation_name.startswith("Head")):
        return KeyMissing(f"{where} is not there")
    if status == 412:
        return KeyExists(f"{where} is there already")
    if status == 416:
        return _BeyondEnd(where)
    message = f"{where}: {_ADVICE.get(code, 'the store still refused after retries')} ({code}, HTTP {status})"
    if status == 409:
        return _Conflict(message)
    is_busy = (status >= 500 and status != 501) or status == 429 or code in _BUSY
    return StoreAway(message) if is_busy else StoreUnavailable(message)


def _is_away(error: Exception) -> bool:
    """Whether the same request may succeed a moment later; a certificate is not trusted then either."""
    is_distrusted = isinstance(error, SSLError) and "certificate" in str(error).lower()
    return isinstance(error, _AWAY) and not is_distrusted


def _explain(error: Exception) -> str:
    match error:
        case NoCredentialsError() | PartialCredentialsError():
            return _NO_CREDENTIALS
        case EndpointConnectionError() | ConnectTimeoutError():
            return f"nothing answers there: check the endpoint and the network ({error})"
        case SSLError():
            return f"its certificate is not trusted: set AWS_CA_BUNDLE to its authority's file ({error})"
        case ResponseParserError():
            return _NOT_S3
        case _:
            return str(error)
