"""Every error that the vendor's SDKs can raise, translated once.

What matters is when it happened: before any spend (`NotSent`), as a definite refusal (`Rejected`), or at a
moment that leaves the outcome open (`OutcomeUnknown`), which is also what everything unknown means. Only the
service refuses a spend: a status without its envelope may come from a proxy that had passed the request on.
"""

from __future__ import annotations

import email.utils
import time
from collections.abc import Mapping
from typing import Any, cast

import httpx2
import openai
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
)

from assetmill.errors import (
    AccountBlocked,
    AssetmillError,
    ConversationGone,
    HandleExpired,
    ModelRetired,
    NotSent,
    OutcomeUnknown,
    PromptBlocked,
    Rejected,
    ServiceError,
    Throttled,
)

_PROMPT_CODES = frozenset(
    {"content_filter", "contentfilter", "moderation_blocked", "content_policy_violation"}
)
_ACCOUNT_CODES = frozenset(
    {"account_blocked", "resource_blocked", "content_generation_blocked", "access_terminated"}
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
    if isinstance(found, OutcomeUnknown) and not spending:
        return NotSent(found.message, found.code, found.status)
    return found


def _translate_known(error: Exception, spending: bool) -> ServiceError:
    if isinstance(error, openai.APIStatusError):
        if spending and error.status_code < 500 and not _is_enveloped(error.body):
            return OutcomeUnknown(f"not the service's own answer: {error}", "", error.status_code)
        found = _from_status(
            error.status_code, _code(error.body), str(error), error.response.headers, spending
        )
        if isinstance(found, PromptBlocked):
            return PromptBlocked(found.message, found.code, found.status, _categories(error.body))
        return found
    if isinstance(error, openai.APIConnectionError):
        cause = error.__cause__
        kind = NotSent if isinstance(cause, _NEVER_LEFT) else OutcomeUnknown
        return kind(f"no answer from the service: {cause or error}")
    if isinstance(error, AzureError):
        found = _from_azure(error)
        # The client that spends uses azure-core for its token alone, before it sends anything.
        is_open = isinstance(found, OutcomeUnknown)
        return NotSent(found.message, found.code, found.status) if is_open else found
    return OutcomeUnknown(f"{type(error).__name__}: {error}")


def _from_azure(error: AzureError) -> ServiceError:
    if isinstance(error, HttpResponseError) and error.status_code is not None:
        code = error.error.code if error.error and error.error.code else ""
        headers = cast(Mapping[str, str], getattr(error.response, "headers", {}))
        return _from_status(error.status_code, code, error.message, headers, spending=False)
    if isinstance(error, ClientAuthenticationError):
        return Rejected(f"no credential works: {error.message.splitlines()[0]}", "credential")
    if isinstance(error, ServiceRequestError):
        return NotSent(f"the request never left: {error.message}")
    return OutcomeUnknown(error.message)


def _from_status(
    status: int, code: str, message: str, headers: Mapping[str, str], spending: bool
) -> ServiceError:
    plain = code.lower()
    if status == 429:
        return Throttled(message, code, status, retry_after_s(headers))
    if plain in _ACCOUNT_CODES:
        return AccountBlocked(message, code, status)
    if plain in _PROMPT_CODES:
        return PromptBlocked(message, code, status)
    if status not in _REFUSALS or plain in _OPEN_CODES:
        return OutcomeUnknown(message, code, status)
    if plain in _MODEL_CODES or (status == 410 and spending):
        return ModelRetired(message, code, status)
    if status == 404:
        gone = "conversation" in message.lower()
        kind = ConversationGone if spending and gone else HandleExpired
    else:
        kind = Rejected
    return kind(message, code, status)


def retry_after_s(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Return how long the service asks to wait, None when it does not say. It may say it in three forms."""
    if milliseconds := headers.get("retry-after-ms"):
        try:
            return max(0.0, float(milliseconds) / 1000)
        except ValueError:
            pass
    text = headers.get("retry-after")
    if not text:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        due = email.utils.parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None
    return max(0.0, due - (time.time() if now is None else now))


def _is_enveloped(body: object) -> bool:
    """Whether a body is the service's: the SDK has already taken it out of `error`."""
    return isinstance(body, Mapping) and any(key in body for key in ("code", "message", "type"))


def _code(body: object) -> str:
    return str(_error(body).get("code") or "")


def _error(body: object) -> Mapping[str, Any]:
    fields = _map(body)
    return _map(fields.get("error")) or fields


def _categories(body: object) -> tuple[str, ...]:
    """Return why moderation refused a prompt: OpenAI lists the categories, Azure marks them in a table."""
    error = _error(body)
    listed: object = _map(error.get("moderation_details")).get("categories")
    if isinstance(listed, list):
        return tuple(sorted(map(str, cast(list[object], listed))))
    inner = _map(error.get("innererror"))
    table = _map(inner.get("content_filter_result") or inner.get("content_filter_results"))
    return tuple(sorted(name for name, result in table.items() if _map(result).get("filtered") is True))


def _map(value: object) -> Mapping[str, Any]:
    return cast(Mapping[str, Any], value) if isinstance(value, Mapping) else {}
