"""Every error of the vendor's SDKs has a meaning for money, and a new one cannot slip in unseen."""

from __future__ import annotations

import email.utils
import json
from collections.abc import Iterator
from typing import Any, cast

import azure.core.exceptions as core
import httpx2
import openai
import pytest
from azure import identity
from azure.identity import AuthenticationRequiredError

from assetmill.agents.foundry_errors import retry_after_s, translate
from assetmill.errors import (
    AccountBlocked,
    AssetmillError,
    ConversationGone,
    HandleExpired,
    ModelRetired,
    NoCapacity,
    NotSent,
    OutcomeUnknown,
    PromptBlocked,
    Rejected,
    ServiceAway,
    ServiceError,
    Throttled,
)

REQUEST = httpx2.Request("POST", "https://simulated.invalid/openai/v1/responses")

# What each class means when it ends the one call that spends. `None`: never raised by that call, and open
# if it were. A class that is not here fails the test: decide, do not default.
OPENAI: dict[str, type[ServiceError] | None] = {
    "OpenAIError": OutcomeUnknown,
    "APIError": OutcomeUnknown,
    "APIResponseValidationError": OutcomeUnknown,
    "APIStatusError": Rejected,  # by status: below
    "APIConnectionError": OutcomeUnknown,
    "APITimeoutError": OutcomeUnknown,
    "BadRequestError": Rejected,
    "AuthenticationError": Rejected,
    "OAuthError": Rejected,
    "PermissionDeniedError": Rejected,
    "NotFoundError": HandleExpired,
    "ConflictError": OutcomeUnknown,
    "UnprocessableEntityError": Rejected,
    "RateLimitError": Throttled,
    "InternalServerError": OutcomeUnknown,
    "SubjectTokenProviderError": None,
    "LengthFinishReasonError": None,
    "ContentFilterFinishReasonError": None,
    "WebSocketConnectionClosedError": None,
    "WebSocketQueueFullError": None,
    "StreamAlreadyConsumed": None,
    "MutuallyExclusiveAuthError": None,
    "APIRemovedInV1": None,
    "_AmbiguousModuleClientUsageError": None,
}
# azure-core fetches the token, before anything is sent: what it cannot do was never sent.
AZURE: dict[str, type[ServiceError]] = {
    "AzureError": NotSent,
    "ServiceRequestError": ServiceAway,
    "ServiceRequestTimeoutError": ServiceAway,
    "ServiceResponseError": ServiceAway,
    "ServiceResponseTimeoutError": ServiceAway,
    "HttpResponseError": NotSent,
    "DecodeError": NotSent,
    "IncompleteReadError": NotSent,
    "ResourceExistsError": NotSent,
    "ResourceNotFoundError": NotSent,
    "ResourceModifiedError": NotSent,
    "ResourceNotModifiedError": NotSent,
    "TooManyRedirectsError": NotSent,
    "ODataV4Error": NotSent,
    "StreamConsumedError": NotSent,
    "StreamClosedError": NotSent,
    "ResponseNotReadError": NotSent,
    "ClientAuthenticationError": Rejected,
    "CredentialUnavailableError": Rejected,
    "AuthenticationRequiredError": Rejected,
}
STATUS_OF = {
    "APIStatusError": 400,
    "BadRequestError": 400,
    "AuthenticationError": 401,
    "OAuthError": 401,
    "PermissionDeniedError": 403,
    "NotFoundError": 404,
    "ConflictError": 409,
    "UnprocessableEntityError": 422,
    "RateLimitError": 429,
    "InternalServerError": 500,
}


def family(base: type[Exception]) -> Iterator[type[Exception]]:
    yield base
    for child in base.__subclasses__():
        yield from family(child)


def own(base: type[Exception], package: str) -> dict[str, type[Exception]]:
    """Return a base with all its descendants in the vendor's package; other tests' classes are not theirs."""
    return {found.__name__: found for found in family(base) if found.__module__.startswith(package)}


OPENAI_CLASSES = own(openai.OpenAIError, "openai")
AZURE_CLASSES = own(core.AzureError, "azure.core") | own(core.AzureError, "azure.identity")


def status_error(
    status: int, body: object = None, headers: dict[str, str] | None = None, kind: Any = openai.APIStatusError
) -> openai.APIStatusError:
    """Make an error as the SDK does from a reply whose JSON is `body`."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = httpx2.Response(status, headers=headers, content=content, request=REQUEST)
    outer = cast(dict[str, object], body) if isinstance(body, dict) else {"error": body}
    inner = outer.get("error", outer)
    if kind.__name__ == "OAuthError":
        return kind(response=response, body=inner)
    return kind("it went wrong", response=response, body=inner)


def envelope(code: str = "", message: str = "it went wrong") -> dict[str, object]:
    return {"error": {"code": code, "message": message, "type": "invalid_request_error"}}


def example(kind: type[Exception]) -> Exception:
    """Make one error of a class; where its constructor asks for more than it may have, leave it empty."""
    name = kind.__name__
    if name in STATUS_OF:
        return status_error(STATUS_OF[name], envelope(), kind=kind)
    if issubclass(kind, openai.APIConnectionError):
        return kind(request=REQUEST)
    if issubclass(kind, core.AzureError):
        error = kind.__new__(kind)
        core.AzureError.__init__(error, "it went wrong")
        vars(error).setdefault("status_code", None)
        return error
    error = kind.__new__(kind)
    Exception.__init__(error, "it went wrong")
    return error


def test_no_class_of_the_vendors_is_without_a_meaning() -> None:
    assert set(OPENAI_CLASSES) == set(OPENAI)
    assert set(AZURE_CLASSES) == set(AZURE)
    assert {AuthenticationRequiredError, identity.CredentialUnavailableError} <= set(AZURE_CLASSES.values())


@pytest.mark.parametrize("name", OPENAI)
def test_an_openai_error_around_a_spend(name: str) -> None:
    translated = translate(example(OPENAI_CLASSES[name]), spending=True)
    assert type(translated) is (OPENAI[name] or OutcomeUnknown)


@pytest.mark.parametrize("name", AZURE)
def test_an_azure_error_around_a_spend(name: str) -> None:
    assert type(translate(example(AZURE_CLASSES[name]), spending=True)) is AZURE[name]


@pytest.mark.parametrize("name", [*OPENAI, *AZURE])
def test_no_error_of_a_free_call_leaves_an_outcome_open(name: str) -> None:
    kind = (OPENAI_CLASSES | AZURE_CLASSES)[name]
    assert not isinstance(translate(example(kind), spending=False), OutcomeUnknown)


@pytest.mark.parametrize("kind", [ValueError, KeyError, json.JSONDecodeError, OSError, RuntimeError])
def test_what_nobody_knows_is_open_around_a_spend(kind: type[Exception]) -> None:
    error = kind("x", "y", 0) if kind is json.JSONDecodeError else kind("x")
    assert type(translate(error, spending=True)) is OutcomeUnknown


def transport_errors() -> dict[str, type[Exception]]:
    return own(httpx2.TransportError, "httpx2")


NEVER_LEFT = {"ConnectError", "ConnectTimeout", "PoolTimeout", "UnsupportedProtocol"}
MAY_HAVE_LEFT = {
    *("TransportError", "TimeoutException", "ReadTimeout", "WriteTimeout", "NetworkError", "ReadError"),
    *("WriteError", "CloseError", "ProxyError", "ProtocolError", "LocalProtocolError", "RemoteProtocolError"),
    "SSEError",
}


def test_every_error_of_the_transport_is_known() -> None:
    assert set(transport_errors()) == NEVER_LEFT | MAY_HAVE_LEFT


@pytest.mark.parametrize("name", sorted(NEVER_LEFT | MAY_HAVE_LEFT))
def test_a_connection_error_means_what_its_cause_means(name: str) -> None:
    error = openai.APIConnectionError(request=REQUEST)
    error.__cause__ = transport_errors()[name]("x")
    never_left = NotSent if name == "UnsupportedProtocol" else ServiceAway
    expected = never_left if name in NEVER_LEFT else OutcomeUnknown
    assert type(translate(error, spending=True)) is expected


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_free_call_of_a_service_that_cannot_now_may_be_made_again(status: int) -> None:
    assert type(translate(status_error(status, b"<html>Bad luck</html>"), spending=False)) is ServiceAway
    assert type(translate(status_error(status, b"<html>Bad luck</html>"), spending=True)) is OutcomeUnknown


def test_a_certificate_that_is_not_trusted_is_no_outage() -> None:
    error = openai.APIConnectionError(request=REQUEST)
    error.__cause__ = httpx2.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed certificate")
    assert type(translate(error, spending=False)) is NotSent


@pytest.mark.parametrize("status", range(300, 600))
def test_only_the_service_itself_refuses_a_spend(status: int) -> None:
    """A status that some proxy may have sent, with whatever page, is no proof of anything."""
    translated = translate(status_error(status, b"<html>Bad luck</html>"), spending=True)
    assert type(translated) is OutcomeUnknown


@pytest.mark.parametrize("status", [301, 307, 308, 408, 409, 418, 425, 460, 499, 500, 502, 503, 504, 529])
def test_a_status_that_does_not_refuse_is_open(status: int) -> None:
    assert type(translate(status_error(status, envelope()), spending=True)) is OutcomeUnknown


@pytest.mark.parametrize(
    ("status", "code", "message", "expected"),
    [
        (400, "content_filter", "", PromptBlocked),
        (400, "moderation_blocked", "", PromptBlocked),
        (403, "account_blocked", "", AccountBlocked),
        (400, "conversation_locked", "", OutcomeUnknown),
        (409, "response_id_conflict", "", OutcomeUnknown),
        (404, "not_found", "Conversation with id 'conv_1' not found.", ConversationGone),
        (404, "not_found", "File 'assistant-1' not found.", HandleExpired),
        (404, "DeploymentNotFound", "The API deployment for this resource does not exist.", ModelRetired),
        (404, "model_not_found", "The model `X` has been deprecated, learn more here:", ModelRetired),
        (400, "ServiceModelDeprecated", "has been deprecated since 2026-10-14", ModelRetired),
        (410, "410", "", ModelRetired),
        (413, "", "too large", Rejected),
        (429, "rate_limit_exceeded", "", Throttled),
        (429, "resource_unavailable", "", NoCapacity),
        (429, "429", "Flex processing has no capacity at present.", NoCapacity),
        (429, "429", "Flex and standard requests have exceeded the token rate limit.", Throttled),
        (503, "resource_unavailable", "", OutcomeUnknown),
        (408, "request_timeout", "The flex request timed out.", OutcomeUnknown),
    ],
)
def test_what_the_service_says_counts(
    status: int, code: str, message: str, expected: type[AssetmillError]
) -> None:
    error = status_error(status, envelope(code, message))
    error.args = (message,)
    assert type(translate(error, spending=True)) is expected


@pytest.mark.parametrize("seconds", [0.5, 7.0, 121.0, 3_600.0])
def test_retry_after_in_seconds_is_honoured_however_long(seconds: float) -> None:
    error = status_error(429, envelope("rate_limit_exceeded"), {"Retry-After": str(seconds)})
    translated = translate(error, spending=True)
    assert isinstance(translated, Throttled)
    assert translated.retry_after_s == seconds


@pytest.mark.parametrize("seconds", [5, 121, 3_600])
def test_retry_after_as_a_date_is_honoured_however_far(seconds: int) -> None:
    now = 1_800_000_000.0
    headers = {"retry-after": email.utils.formatdate(now + seconds, usegmt=True)}
    assert retry_after_s(headers, now) == seconds


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, None),
        ({"retry-after": "Thu, 99 Foo 99999 99:99:99 GMT"}, None),
        ({"retry-after": "Mon, 01 Jan 0001 00:00:00 -0000"}, None),
    ],
)
def test_any_retry_after_is_read_without_harm(headers: dict[str, str], expected: float | None) -> None:
    assert retry_after_s(headers, 1_800_000_000.0) == expected
