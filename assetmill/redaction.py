"""No secret is said or stored: values that are known to be secret, and passwords in URLs, become `***`."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, cast

MARK = "***"
_SHORTEST = 6
"""A value shorter than this is in every other word, and would make nonsense of what is said."""

_SHORTEST_GUESS = 8
"""Of a variable of which only the name says that it is secret."""

_known: set[str] = set()
"""The secrets that this process was given: errors are made where no settings are."""

_VARIABLE = re.compile(
    r"(SECRET|PASSWORD|TOKEN|API_KEY|ACCESS_KEY|ACCOUNT_KEY|STORAGE_KEY|AUTH_STRING|CONNECTION_STRING)$"
)
_USER = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)[^\s/?#@]*@")
_PARAMETER = re.compile(
    r"([?&;](?:sig|signature|code|key|token|access_token|api[-_]?key|password|secret|subscription-key"
    r"|x-amz-signature|x-amz-credential|x-amz-security-token)=)[^&#\s\"'<>]+",
    re.IGNORECASE,
)


def remember(values: Iterable[str]) -> None:
    """Note values that must never be said; as they are, and without white space around them."""
    _known.update(form for value in values for form in (value, value.strip()) if len(form) >= _SHORTEST)


def remember_environment(environ: Mapping[str, str] | None = None) -> None:
    """Note the values of variables whose names say that they are secrets."""
    env = os.environ if environ is None else environ
    values = (value for name, value in env.items() if _VARIABLE.search(name))
    remember(value for value in values if len(value) >= _SHORTEST_GUESS)


def redact(text: str) -> str:
    """Return text in which no known secret and no URL's password is left."""
    if "://" in text:
        text = _USER.sub(rf"\1{MARK}@", text)
    if "=" in text:
        text = _PARAMETER.sub(rf"\1{MARK}", text)
    return redact_known(text)


def holds_credential(url: str) -> bool:
    """Whether an address holds a password or a signed parameter, which would be stored and shown with it."""
    return bool(_USER.search(url) or _PARAMETER.search(url))


def redact_known(text: str) -> str:
    """Return text in which no known secret is left, as it is or as JSON writes it."""
    return _without(text, _forms(frozenset(_known)))


def _without(text: str, forms: tuple[str, ...]) -> str:
    for form in forms:
        if form in text:
            text = text.replace(form, MARK)
    return text


@lru_cache(maxsize=1)
def _forms(secrets: frozenset[str]) -> tuple[str, ...]:
    """Return every form of secrets in the order in which to look for them: one may be part of another."""
    longest_first = sorted(secrets, key=len, reverse=True)
    return tuple(
        form for secret in longest_first for form in {secret, json.dumps(secret)[1:-1], repr(secret)[1:-1]}
    )


def redact_json(value: Any) -> Any:
    """Return a JSON value in whose texts no known secret is left; the same object when none was."""
    if not _known:
        return value
    return _redacted(value, _forms(frozenset(_known)))


def _redacted(value: Any, forms: tuple[str, ...]) -> Any:
    if isinstance(value, str):
        return _without(value, forms)
    if isinstance(value, list):
        return [_redacted(item, forms) for item in cast(list[Any], value)]
    if isinstance(value, dict):
        return {key: _redacted(item, forms) for key, item in cast(dict[str, Any], value).items()}
    return value
