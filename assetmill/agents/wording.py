"""What the service's errors say, in whatever shape they come: read once, without trust in any field.

One meaning arrives as an HTTP status, as an event in a stream that began well, or as a response that failed;
its words may lie in a nested error, in a list of filters, or as JSON inside a message.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

Json = Mapping[str, Any]

Meaning = Literal["account", "exhausted", "blocked", "limit", "container", "agent", "conversation", "model"]
"""What an error is about. `limit` passes by waiting, `exhausted` does not; `blocked` is moderation's word.

`container`, `agent`, `conversation` and `model` are what is not there, or not any more.
"""

_ACCOUNT_CODES = frozenset(
    {"account_blocked", "resource_blocked", "content_generation_blocked", "access_terminated"}
)
_EXHAUSTED_CODES = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
_BLOCK_CODES = frozenset(
    {
        *("content_filter", "contentfilter", "contentfiltered", "moderation_blocked", "invalid_prompt"),
        *("content_policy_violation", "image_content_policy_violation", "responsibleaipolicyviolation"),
    }
)
_LIMIT_CODES = frozenset(
    {
        *("429", "rate_limit_exceeded", "rate_limit_reached", "ratelimitreached", "ratelimitexceeded"),
        *("too_many_requests", "toomanyrequests", "engineoverloaded", "engine_overloaded"),
        *("server_overloaded", "service_overloaded", "throttled", "resource_unavailable"),
    }
)
_MODEL_CODES = frozenset({"deploymentnotfound", "deployment_not_found", "model_not_found"})

# Only a block of the resource speaks of it so; a refused prompt names the content policy alone.
_ACCOUNT_WORDS = re.compile(
    r"(resource|account|subscription|organi[sz]ation)\b.{0,40}\b(blocked|suspended|terminated)", re.I | re.S
)
_ABUSE_WORDS = re.compile(r"unusual behaviou?r|content policy|abus", re.I)
_EXHAUSTED_WORDS = re.compile(r"exceeded your current quota|check your plan and billing", re.I)
_BLOCK_WORDS = re.compile(
    r"content management policy|(?:content|usage) polic(?:y|ies)|safety system|content filter", re.I
)
_LIMIT_WORDS = re.compile(
    r"\b(?:rate|call|token) (?:rate )?limit|too many requests|overloaded|experiencing high demand", re.I
)
_NO_CAPACITY_WORDS = re.compile(
    r"resource unavailable|\bflex\b.{0,60}\b(?:capacity|unavailable)", re.I | re.S
)
_CONTAINER_WORDS = re.compile(
    r"container(?:\W+\w+){0,4}\W+(?:expired|not found|does(?:n't| not) exist|no longer)"
    r"|expired container|expected container_id",
    re.I | re.S,
)
_SUBJECTS: tuple[tuple[Meaning, re.Pattern[str]], ...] = (
    ("agent", re.compile(r"\bagent\b", re.I)),
    ("container", re.compile(r"\bcontainer\b", re.I)),
    ("conversation", re.compile(r"\bconversation\b", re.I)),
    ("model", re.compile(r"\bdeployment\b|\bmodel\b", re.I)),
)
_LENGTHS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_LENGTH = (
    r"\d+(?:\.\d+)?\s*(?:ms|milliseconds?|s(?:ec(?:ond)?s?)?|m(?:in(?:ute)?s?)?|h(?:ours?)?|d(?:ays?)?)"
    r"(?![a-z])(?:\(s\))?"
)
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|milli|[smhd])", re.I)
_WAIT_WORDS = re.compile(rf"(?:retry|try again|wait)[^\d.]{{0,60}}((?:{_LENGTH}[\s,]*)+)", re.I)
_DEEPEST = 6


@dataclass(frozen=True)
class Wording:
    """An error in the service's own words. `codes` are all it names, in lower case; `code` the outermost.

    `filtered_at` is what moderation refused when the error marks it: "prompt", "completion" or "". `param` is
    the field that it is about, "" where it names none.
    """

    message: str = ""
    code: str = ""
    codes: frozenset[str] = frozenset()
    categories: tuple[str, ...] = ()
    filtered_at: str = ""
    param: str = ""

    @property
    def retry_after_s(self) -> float | None:
        """How long the words ask to wait, None when they do not say, or say no time at all."""
        found = _WAIT_WORDS.search(self.message)
        return duration_s(found[1]) if found else None

    @property
    def lacks_capacity(self) -> bool:
        """Whether it says that a lane has no room, rather than that a quota is used up."""
        return "resource_unavailable" in self.codes or bool(_NO_CAPACITY_WORDS.search(self.message))

    def meaning(self, status: int = 0) -> Meaning | None:
        """Return what this is about; `status` is the HTTP status, 0 where there was none of its own."""
        if self == _SAYS_NOTHING and not status:
            return None
        found: Meaning | None = next((name for name, holds in self._meanings(status) if holds), None)
        return found or self._missing(status)

    def _meanings(self, status: int) -> Iterator[tuple[Meaning, bool]]:
        """Yield what it may be about, the gravest first: a block of the account names the policy, too."""
        codes, said = self.codes, self.message
        yield "account", bool(codes & _ACCOUNT_CODES or _ACCOUNT_WORDS.search(said))
        yield "account", status == 403 and bool(_ABUSE_WORDS.search(said))
        yield "exhausted", bool(codes & _EXHAUSTED_CODES or _EXHAUSTED_WORDS.search(said))
        yield "blocked", bool(codes & _BLOCK_CODES or self.filtered_at)
        yield "limit", status == 429 or bool(codes & _LIMIT_CODES or _LIMIT_WORDS.search(said))
        yield "blocked", status in (0, 400) and bool(_BLOCK_WORDS.search(said))
        yield "container", "container_expired" in codes or bool(_CONTAINER_WORDS.search(said))

    def _missing(self, status: int) -> Meaning | None:
        """Return what a 404 says is not there: what its sentence names first, whatever its name holds."""
        if self.codes & _MODEL_CODES:
            return "model"
        if status != 404:
            return None
        if "conversation_not_found" in self.codes:
            return "conversation"
        found: list[tuple[int, Meaning]] = [
            (hit.start(), name) for name, word in _SUBJECTS if (hit := word.search(self.message))
        ]
        return min(found)[1] if found else None


_SAYS_NOTHING = Wording()


def read_wording(error: object) -> Wording:
    """Return what an error says: a body, its `error`, or a text that may hold either as JSON."""
    if not error:
        return _SAYS_NOTHING  # of every item of every response it is asked
    layers = list(_layers(error))
    messages = [text for layer in layers if (text := _text(layer, "message"))]
    codes = [
        text for layer in layers for name in ("code", "type", "statusCode") if (text := _text(layer, name))
    ]
    outer = [text for layer in layers for name in ("code", "statusCode") if (text := _text(layer, name))]
    plain = [text for text in messages if not _json_in(text)]
    message = (plain or messages or [error if isinstance(error, str) else ""])[0]
    marks = [mark for layer in layers for mark in filter_marks(layer)]
    listed = {name for layer in layers for name in _listed(layer)}
    return Wording(
        message=message,
        code=outer[0] if outer else "",
        codes=frozenset(text.lower() for text in codes),
        categories=tuple(sorted(listed.union(*(names for _, names in marks)))),
        filtered_at=marks[0][0] if marks else "",
        param=next((text for layer in layers if (text := _text(layer, "param"))), ""),
    )


def filter_marks(holder: Json) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield what `content_filters` and its older tables refused: at which side, and the categories."""
    filters = holder.get("content_filters")
    for entry in cast(list[object], filters) if isinstance(filters, list) else ():
        names = _filtered(_map(_map(entry).get("content_filter_results")))
        if _map(entry).get("blocked") is True or (names and _map(entry).get("blocked") is None):
            yield str(_map(entry).get("source_type") or "prompt"), names
    for name in ("content_filter_result", "content_filter_results"):
        if names := _filtered(_map(holder.get(name))):
            yield "prompt", names


def duration_s(text: str) -> float | None:
    """Return a length of time as services write it: `20`, `59.7s`, `6m0s`, `12ms`; None for none or zero."""
    try:
        seconds = float(text)
    except ValueError:
        parts = [(float(number), unit.lower()) for number, unit in _PART.findall(text)]
        seconds = sum(number * _LENGTHS["ms" if unit == "milli" else unit] for number, unit in parts)
    return seconds if 0.0 < seconds < float("inf") else None


def _layers(error: object, depth: int = 0) -> Iterator[Json]:
    """Yield an error and everything that it wraps, outermost first."""
    if depth > _DEEPEST:
        return
    if isinstance(error, str):
        yield from _layers(_json_in(error), depth + 1)
        return
    fields = _map(error)
    if not fields:
        return
    if isinstance(fields.get("error"), Mapping | str):
        yield from _layers(fields["error"], depth + 1)
    yield fields
    yield from _layers(_json_in(_text(fields, "message")), depth + 1)
    for name in ("innererror", "inner_error", "innerError"):
        yield from _layers(fields.get(name), depth + 1)


def _json_in(text: str) -> Json:
    """Return the JSON object that a text is or ends in, {} when there is none."""
    start = text.find("{")
    if start < 0:
        return {}
    try:
        return _map(json.loads(text[start:].strip()))
    except (ValueError, RecursionError):
        return {}


def _listed(layer: Json) -> Iterator[str]:
    """Yield the categories that moderation lists by name."""
    found = _map(layer.get("moderation_details")).get("categories")
    yield from map(str, cast(list[object], found) if isinstance(found, list) else ())


def _filtered(table: Json) -> frozenset[str]:
    return frozenset(str(name) for name, result in table.items() if _map(result).get("filtered") is True)


def _text(holder: Json, name: str) -> str:
    value = holder.get(name)
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _map(value: object) -> Json:
    return cast(Json, value) if isinstance(value, Mapping) else {}
