from __future__ import annotations

import base64
import hashlib
import inspect
import socket
from collections.abc import Generator
from contextlib import closing

import boto3.session
import botocore.exceptions
import pytest
from s3_stand_in import BUCKET, Fault, StandIn, s3_stand_in

from assetmill.errors import InvalidSettings, KeyExists, KeyMissing, StoreError, StoreUnavailable
from assetmill.store.opening import probe
from assetmill.store.s3 import S3Store


@pytest.fixture
def server() -> Generator[StandIn]:
    with s3_stand_in() as stand_in:
        yield stand_in


@pytest.fixture
def store(server: StandIn) -> Generator[S3Store]:
    with closing(server.store()) as opened:
        yield opened


@pytest.fixture
def hasty(server: StandIn) -> Generator[S3Store]:
    """A store whose client does not retry."""
    with closing(server.store(attempts=1)) as opened:
        yield opened


def test_uploads_carry_their_digest_and_type(store: S3Store, server: StandIn) -> None:
    store.put("v1/b/x", b"data", media_type="image/png")
    store.create("v1/s/x", b"{}")
    put, create = (headers for _, _, headers in server.seen)
    digest = base64.b64encode(hashlib.sha256(b"data").digest()).decode()
    assert (put["x-amz-checksum-sha256"], put["content-type"]) == (digest, "image/png")
    assert (create["if-none-match"], create["content-type"]) == ("*", "application/json")
    assert "if-none-match" not in put
    assert "immutable" in put["cache-control"]
    assert not any("trailer" in name or "chunked" in value for name, value in put.items())


def test_slow_down_is_waited_for(store: S3Store, server: StandIn) -> None:
    server.faults = [Fault("reply", 503, "SlowDown")]
    store.put("v1/b/x", b"data")
    assert server.objects == {"v1/b/x": b"data"}
    assert len(server.seen) == 2


@pytest.mark.parametrize(("status", "code"), [(503, "SlowDown"), (500, "InternalError"), (429, "")])
def test_a_store_that_keeps_refusing_is_unavailable(
    hasty: S3Store, server: StandIn, status: int, code: str
) -> None:
    server.always = Fault("reply", status, code)
    for verb in (hasty.get, hasty.head, hasty.delete):
        with pytest.raises(StoreUnavailable):
            verb("v1/x")
    with pytest.raises(StoreUnavailable):
        list(hasty.list("v1/"))
    for write in (hasty.put, hasty.create):
        with pytest.raises(StoreUnavailable):
            write("v1/x", b"data")


def test_a_lost_reply_makes_ones_own_create_look_taken(store: S3Store, server: StandIn) -> None:
    server.faults = [Fault("drop after work")]
    with pytest.raises(KeyExists):
        store.create("v1/i/x", b"my nonce")
    assert store.get("v1/i/x") == b"my nonce"


def test_the_probe_is_not_fooled_by_a_lost_reply(store: S3Store, server: StandIn) -> None:
    server.faults = [
        Fault("reply", 404, "NoSuchKey"),
        Fault("drop after work"),
    ]
    probe(store)
    assert list(server.objects) == ["v1/meta/store.json"]


def test_conflicts_are_retried(hasty: S3Store, server: StandIn) -> None:
    server.faults = [Fault("reply", 409, "ConditionalRequestConflict")] * 2
    hasty.create("v1/i/x", b"mine")
    assert server.objects == {"v1/i/x": b"mine"}


def test_endless_conflicts_are_unavailable_not_taken(hasty: S3Store, server: StandIn) -> None:
    server.always = Fault("reply", 409, "ConditionalRequestConflict")
    with pytest.raises(StoreUnavailable, match="409"):
        hasty.create("v1/i/x", b"mine")


def test_a_body_cut_short_is_read_again(hasty: S3Store, server: StandIn) -> None:
    hasty.put("v1/b/x", b"0123456789")
    server.faults = [Fault("cut body")] * 2
    assert hasty.get("v1/b/x") == b"0123456789"
    server.always = Fault("cut body")
    with pytest.raises(StoreUnavailable):
        hasty.get("v1/b/x")


@pytest.mark.parametrize(
    ("status", "code", "advice"),
    [
        (404, "NoSuchBucket", "create it, or correct its name"),
        (403, "AccessDenied", "grant s3:GetObject"),
        (403, "InvalidAccessKeyId", "check the credentials"),
        (403, "SignatureDoesNotMatch", "check the credentials"),
        (400, "ExpiredToken", "sign in again"),
        (403, "RequestTimeTooSkewed", "clock"),
        (400, "AuthorizationHeaderMalformed", "set the region"),
        (501, "NotImplemented", "conditional writes"),
        (405, "MethodNotAllowed", "405"),
    ],
)
def test_refusals_say_what_to_do(
    hasty: S3Store, server: StandIn, status: int, code: str, advice: str
) -> None:
    server.always = Fault("reply", status, code)
    with pytest.raises(InvalidSettings, match=advice):
        probe(hasty)
    for use in (lambda: hasty.get("v1/x"), lambda: hasty.put("v1/x", b""), lambda: list(hasty.list("v1/"))):
        with pytest.raises(StoreUnavailable, match=advice):
            use()


def test_a_missing_bucket_never_looks_like_a_missing_object(hasty: S3Store, server: StandIn) -> None:
    """The reply to HEAD has no body and cannot say which of the two is missing."""
    server.always = Fault("reply", 404, "NoSuchBucket")
    with pytest.raises(StoreUnavailable, match="bucket does not exist"):
        hasty.head("v1/x")
    with pytest.raises(StoreUnavailable, match="bucket does not exist"):
        hasty.get("v1/x")


def test_head_of_a_missing_object_asks_for_the_bucket_once(hasty: S3Store, server: StandIn) -> None:
    assert [hasty.head("v1/x"), hasty.head("v1/y")] == [None, None]
    assert [path for _, path, _ in server.seen] == [f"/{BUCKET}/v1/x", f"/{BUCKET}", f"/{BUCKET}/v1/y"]


@pytest.mark.parametrize(
    ("status", "message"), [(200, "refused"), (404, "does not speak S3"), (405, "does not speak S3")]
)
def test_a_web_server_is_not_taken_for_an_empty_store(
    hasty: S3Store, server: StandIn, status: int, message: str
) -> None:
    server.always = Fault("reply", status, body="<html><body>It works!<br></body></html>")
    with pytest.raises(InvalidSettings):
        probe(hasty)
    with pytest.raises(StoreUnavailable, match=message):
        list(hasty.list("v1/"))


def test_a_closed_port_is_told() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        with closing(StandIn(url).store(attempts=1)) as store:
            with pytest.raises(InvalidSettings, match="nothing answers there"):
                probe(store)
            with pytest.raises(StoreUnavailable, match="nothing answers there"):
                store.head("v1/x")


def test_missing_credentials_are_told(server: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    with closing(S3Store(BUCKET, endpoint_url=server.url)) as store:
        with pytest.raises(InvalidSettings, match="no credentials: set AWS_PROFILE"):
            probe(store)
        with pytest.raises(StoreUnavailable, match="no credentials"):
            store.presign("v1/x", 60)


@pytest.mark.parametrize("url", ["localhost:9000", "ht!tp://x", "http://"])
def test_a_malformed_endpoint_is_told(url: str) -> None:
    with pytest.raises(InvalidSettings):
        S3Store(BUCKET, endpoint_url=url, session=boto3.session.Session("access", "secret"))


def test_an_unknown_profile_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(InvalidSettings, match="nobody"):
        S3Store(BUCKET)


def test_servers_that_list_by_directory_are_put_in_order(server: StandIn) -> None:
    keys = ["l/a/b", "l/a-c", "l/a.d", "l/ab/c", "l/a/a", "l/z"]
    server.objects = {f"deep/{key}": b"x" for key in keys}
    server.lists_by_directory = True
    with closing(server.store(page_size=2, prefix="deep")) as store:
        assert [head.key for head in store.list("l/")] == sorted(keys)
        for limit in range(1, 8):
            assert [head.key for head in store.list("l/", limit)] == sorted(keys)[:limit]


def test_the_newest_head_costs_one_request(server: StandIn) -> None:
    server.objects = {f"v1/h/p/{number:04d}": b"x" for number in range(50)}
    with closing(server.store()) as store:
        assert [head.key for head in store.list("v1/h/p/", 1)] == ["v1/h/p/0000"]
    assert len(server.seen) == 1
    assert "max-keys=1&" in server.seen[0][1]


def test_names_that_are_no_keys_are_not_listed(server: StandIn, store: S3Store) -> None:
    server.objects = {"v1/b/": b"", "v1/b/with space": b"x", "v1/b/ok": b"x"}
    assert [head.key for head in store.list("v1/b/")] == ["v1/b/ok"]


def test_a_store_where_both_creators_win_is_refused(store: S3Store, server: StandIn) -> None:
    server.honours_conditions = False
    with pytest.raises(InvalidSettings, match="two creators of one key both succeeded"):
        probe(store)
    assert server.objects == {}


def test_signed_urls_of_no_or_endless_life_are_refused(store: S3Store) -> None:
    for expires_s in (0, -1, 8 * 24 * 3600):
        with pytest.raises(StoreError):
            store.presign("v1/x", expires_s)


def test_an_absent_object_is_missing_not_unavailable(store: S3Store) -> None:
    with pytest.raises(KeyMissing):
        store.get("v1/x")


def test_every_error_class_of_the_client_is_translated() -> None:
    """What is outside of the two bases that we catch is about broken service models, not about requests."""
    bases = (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError, Warning)
    errors = [
        error
        for _, error in inspect.getmembers(botocore.exceptions, inspect.isclass)
        if issubclass(error, Exception) and not issubclass(error, bases)
    ]
    assert {error.__name__ for error in errors} == {"MissingServiceIdError", "UndefinedModelAttributeError"}
