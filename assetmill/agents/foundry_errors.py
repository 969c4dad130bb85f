"""Every error that the vendor's SDKs can raise, translated once.

What matters is when it happened: before any spend (`NotSent`), as a definite refusal (`Rejected`), or at a
moment that leaves the outcome open (`OutcomeUnknown`), which is also what everything unknown means. Only the
service refuses a spend: a status without its envelope may come from a proxy that had passed the request on.
"""

from __future__ import annotations

import email.utils
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import cast

import httpx2
import openai
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)

from assetmill.agents.wording import Meaning, Wording, duration_s, read_wording
from assetmill.errors import (
    AccountBlocked,
    AssetmillError,
    ContainerGone,
    ConversationGone,
    HandleExpired,
    ModelRetired,
    NoCapacity,
    NotSent,
    OutcomeUnknown,
    PromptBlocked,
    QuotaExhausted,
    Rejected,
    ServiceAway,
    ServiceError,
    Throttled,
)

_MODEL_CODES = frozenset(
    {
        "deploymentnotfound",
        "model_not_found",
        "model_deprecated",
        "servicemodeldeprecated",
        "servicemodeldeprecating",
        "deploymentmodelnotsupported",
    }
)
# A lock on the conversation may be our own first request still running: its outcome is open.
_OPEN_CODES = frozenset({"conversation_locked", "response_id_conflict"})
_NEVER_LEFT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.UnsupportedProtocol)
_NO_ANSWER = (
    *(httpx2.TransportError, openai.APIConnectionError, ServiceRequestError, ServiceResponseError),
    OSError,  # the clients let those of sockets through
)
_AWAY_STATUSES = frozenset({502, 503, 504})
# What says that a request was not carried out. 408, 409, 499 and whatever comes next do not.
_REFUSALS = frozenset(
    {400, 401, 402, 403, 404, 405, 406, 407, 410, 411, 412, 413, 414, 415, 417, 422, 426, 431}
)


def translate(error: Exception, *, spending: bool) -> AssetmillError:
    """Return our error for one that a call of the SDK raised.

    `spending` says that the call was the one that costs money: then whatever is not known to be a refusal
    has an open outcome. For every other call the same errors mean that nothing was done yet.
    """
    if isinstance(error, AssetmillError):
        return error
    found = _translate_known(error, spending)
    if type(found) is NotSent or (isinstance(found, OutcomeUnknown) and not spending):
        kind = ServiceAway if _is_away(error) else NotSent
        return kind(found.message, found.code, found.status)
    return found


def _is_away(error: Exception) -> bool:
    """Whether the same call may succeed a moment later: nothing answers, or who answers says "not now"."""
    if isinstance(error, openai.APIStatusError | HttpResponseError):
        return error.status_code in _AWAY_STATUSES
    cause = error.__cause__ if isinstance(error, openai.APIConnectionError) and error.__cause__ else error
    if not isinstance(cause, _NO_ANSWER) or isinstance(cause, httpx2.UnsupportedProtocol):
        return False
    # What is not trusted now will not be in a moment either.
    return "CERTIFICATE_VERIFY_FAILED" not in str(cause)


@contextmanager
def translated(*, spending: bool = False) -> Generator[None]:
    """Translate the errors of calls, of which most spend nothing."""
    try:
        yield
    except AssetmillError:
        raise
    except Exception as error:
        # Any: the SDKs let JSON, socket and TLS errors through untranslated; above here there are only ours.
        raise translate(error, spending=spending) from error


def _translate_known(error: Exception, spending: bool) -> ServiceError:
    if isinstance(error, openai.APIStatusError):
        return _from_status_error(error, spending)
    if isinstance(error, openai.APIConnectionError):
        cause = error.__cause__
        kind = NotSent if isinstance(cause, _NEVER_LEFT) else OutcomeUnknown
        return kind(f"no answer from the service: {cause or error}")
    if type(error) is openai.APIError:
        return from_event(getattr(error, "body", None))
    if isinstance(error, httpx2.HTTPError):
        kind = NotSent if isinstance(error, _NEVER_LEFT) else OutcomeUnknown
        return kind(f"no answer from the service: {error or type(error).__name__}")
    if isinstance(error, AzureError):
        found = _from_azure(error)
        # The client that spends uses azure-core for its token alone, before it sends anything.
        is_open = isinstance(found, OutcomeUnknown)
        return NotSent(found.message, found.code, found.status) if is_open else found
    return OutcomeUnknown(f"{type(error).__name__}: {error}")


def _from_status_error(error: openai.APIStatusError, spending: bool) -> ServiceError:
    status, headers = error.status_code, error.response.headers
    if _is_enveloped(error.body):
        return _from_wording(read_wording(error.body), status, headers, spending)
    if spending:
        return OutcomeUnknown(f"not the service's own answer: {error}", "", status)
    return _from_wording(Wording(str(error)), status, headers, spending)


def from_reply(status: int, headers: Mapping[str, str], body: Mapping[str, object]) -> ServiceError:
    """Return our error for a reply other than 200 to a call that spends and that no SDK has read."""
    inner = body.get("error")
    if status < 400 or not _is_enveloped(inner):
        return OutcomeUnknown(f"not the service's own answer: status {status}", "", status)
    return _from_wording(read_wording(inner), status, headers, spending=True)


def from_event(body: object) -> ServiceError:
    """Return what an `error` event means in a stream that has not named its response yet.

    It refuses as an HTTP status would when it says why; any other end of such a stream leaves it open.
    """
    wording = read_wording(body)
    if wording.meaning() in {"account", "exhausted", "blocked", "limit"}:
        return _from_wording(wording, 0, {}, spending=True)
    return OutcomeUnknown(wording.message or "the stream began with an error", wording.code)


def _from_azure(error: AzureError) -> ServiceError:
    if isinstance(error, HttpResponseError) and error.status_code is not None:
        body = {"code": error.error.code, "message": error.error.message} if error.error else None
        wording = read_wording(body) if body and body["message"] else Wording(error.message)
        headers = cast(Mapping[str, str], getattr(error.response, "headers", {}))
        return _from_wording(wording, error.status_code, headers, spending=False)
    if isinstance(error, ClientAuthenticationError):
        return Rejected(f"no credential works: {error.message.splitlines()[0]}", "credential")
    if isinstance(error, ServiceRequestError):
        return NotSent(f"the request never left: {error.message}")
    return OutcomeUnknown(error.message)


def _from_wording(wording: Wording, status: int, headers: Mapping[str, str], spending: bool) -> ServiceError:
    message, code, meaning = wording.message, wording.code, wording.meaning(status)
    if meaning == "blocked":
        return PromptBlocked(message, code, status, wording.categories)
    if meaning is not None and meaning in _STOPS:
        return _STOPS[meaning](message, code, status)
    is_refusal = (status in _REFUSALS or status in (0, 429)) and code.lower() not in _OPEN_CODES
    if meaning == "limit" and (is_refusal or not spending):
        kind = NoCapacity if wording.lacks_capacity else Throttled
        return kind(message, code, status, hint_s(headers, wording))
    if not is_refusal:
        return OutcomeUnknown(message, code, status)
    if code.lower() in _MODEL_CODES or (status == 410 and spending):
        return ModelRetired(_with_advice(message), code, status)
    return _refusal_of(meaning, status, spending)(_with_advice(_with_field(wording)), code, status)


_STOPS: Mapping[Meaning, type[Rejected]] = {"account": AccountBlocked, "exhausted": QuotaExhausted}


def _refusal_of(meaning: Meaning | None, status: int, spending: bool) -> type[ServiceError]:
    """Return what a definite refusal is that is about one thing alone."""
    if meaning == "conversation" and spending:
        return ConversationGone
    if meaning == "container":
        return ContainerGone
    return HandleExpired if status == 404 and meaning != "model" else Rejected


_ADVICE = (
    ("x-ms-oai-image-generation-deployment", "set image_deployment under [foundry] in the profile"),
    ("imagegen deployment", "set image_deployment under [foundry] in the profile"),
    ("api deployment for this resource", "name a model deployment of this project: `assetmill doctor`"),
)
"""What a person can do about a refusal that names nothing of theirs."""


def _with_field(wording: Wording) -> str:
    """Return the message with the field that it is about, which the service may name beside its words."""
    message, param = wording.message, wording.param
    return message if not param or param.lower() in message.lower() else f"{message} ({param})"


def _with_advice(message: str) -> str:
    found = next((advice for words, advice in _ADVICE if words in message.lower()), "")
    return f"{message} ({found})" if found else message


def hint_s(headers: Mapping[str, str], wording: Wording) -> float | None:
    """Return how long a refusal asks to wait, by its header, its words, or when its limits begin anew."""
    return retry_after_s(headers) or wording.retry_after_s or _reset_s(headers)


def _reset_s(headers: Mapping[str, str]) -> float | None:
    """Return when the limit that was reached begins anew, as the headers `x-ratelimit-reset-*` say."""
    named = {name.lower(): value for name, value in headers.items()}
    resets = {
        name.removeprefix("x-ratelimit-reset-"): seconds
        for name, value in named.items()
        if name.startswith("x-ratelimit-reset-") and (seconds := duration_s(value))
    }
    used_up = [
        s for name, s in resets.items() if named.get(f"x-ratelimit-remaining-{name}", "0") in ("0", "-1")
    ]
    return max(used_up or resets.values(), default=None)


def retry_after_s(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Return how long the service asks to wait, None when it does not say, or says no time at all.

    It may say it in three forms.
    """
    if milliseconds := duration_s(headers.get("retry-after-ms", "")):
        return milliseconds / 1000
    text = headers.get("retry-after", "")
    try:
        return duration_s(str(float(text)))
    except ValueError:
        pass
    try:
        due = email.utils.parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None
    left_s = due - (time.time() if now is None else now)
    return left_s if left_s > 0 else None


def _is_enveloped(body: object) -> bool:
    """Whether a body is the service's: the SDK has already taken it out of `error`."""
    return isinstance(body, Mapping) and any(key in body for key in ("code", "message", "type"))


def advice_on(error: Exception) -> str:
    """Return what to do when an endpoint cannot be asked at all."""
    if isinstance(error, Rejected) and error.status in {401, 403, 0}:
        return "sign in (`az login`) or give the identity the role Azure AI User on the project"
    return "check the endpoint: https://<account>.services.ai.azure.com/api/projects/<project>"
