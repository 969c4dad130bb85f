"""Recorded exchanges with the real service, as JSON files below a folder."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from foundry_emulator.jsons import Json, as_list, as_object

_DATE = re.compile(r"20\d\d-\d\d(-\d\d)?")
_NEWEST = "9999-12"
_SINCE = (
    ("2026-07", "azure-2026-07"),
    ("2026-05", "azure-2026-05"),
    # From this day on an agent's version has a status.
    ("2026-03-31", "azure-2026-04"),
    ("2026-02", "azure-2026-03"),
)
_OPENAI = "/v1/"
"""How the paths of OpenAI's own service begin."""


class UnreadableExchange(Exception):
    """A file is no exchange; the message names it and says why."""


@dataclass(frozen=True)
class Exchange:
    """One request and what the real service answered."""

    name: str
    """The file's path below the folder, without its ending."""
    method: str
    path: str
    """Below the project endpoint, query included."""
    body: Any
    request_headers: Mapping[str, str]
    status: int
    headers: Mapping[str, str]
    answer: Any
    """The JSON body; None for a stream or an answer without one."""
    events: tuple[Json, ...]
    """The data of a stream's events, in order."""
    day: str
    """When it was recorded, `YYYY-MM-DD` or `YYYY-MM`; what carries no date counts as new."""
    is_openai: bool = False
    """Whether OpenAI's own service answered, and not Foundry."""

    session: str = ""
    """Whose exchanges belong together, in the order of their numbers; "" for one that stands alone."""
    number: int = 0
    is_shortened: bool = False
    """Whether something of the answer was left out when it was written down."""

    @property
    def flavour(self) -> str:
        """Return the dated flavour under which the emulator should answer the same."""
        if self.is_openai:
            return "openai"
        return next((flavour for day, flavour in _SINCE if self.day >= day), "azure-2025-11")


def read_exchanges(folder: Path) -> Iterator[Exchange]:
    """Read every JSON file below a folder, in order of name.

    Raises:
        UnreadableExchange: a file is no JSON object with a request, or there is none at all.
    """
    paths = sorted(folder.rglob("*.json"))
    if not paths:
        raise UnreadableExchange(f"{str(folder)!r} holds no exchanges: JSON files with `request` and `body`")
    for path in paths:
        try:
            yield _exchange(str(path.relative_to(folder).with_suffix("")), json.loads(path.read_bytes()))
        except (ValueError, KeyError, TypeError, AttributeError) as problem:
            raise UnreadableExchange(f"{str(path)!r} is no exchange: {problem!r}") from problem


def _exchange(name: str, raw: Json) -> Exchange:
    request = raw["request"]
    events = as_list(raw.get("events")) or as_list(raw.get("sse"))
    path = "/" + str(request["path"]).lstrip("/")
    is_openai = path.startswith(_OPENAI)
    return Exchange(
        name=name,
        method=str(request["method"]),
        path=f"/openai{path}" if is_openai else path,
        body=request.get("body"),
        request_headers=request.get("headers") or {},
        status=int(raw.get("status") or 0),
        headers=raw.get("headers") or {},
        answer=raw.get("body"),
        events=tuple(_event(as_object(one)) for one in events),
        day=_day(name, raw.get("source")),
        is_openai=is_openai,
        session=str(as_object(raw.get("source")).get("session") or ""),
        number=int(as_object(raw.get("source")).get("number") or 0),
        is_shortened=bool(raw.get("cut")),
    )


def _event(raw: Json) -> Json:
    data = raw.get("data", raw)
    return cast(Json, json.loads(data) if isinstance(data, str) else data)


def _day(name: str, source: object) -> str:
    said = str(cast(Json, source).get("date") or "") if isinstance(source, dict) else ""
    found = _DATE.search(said) or _DATE.search(name)
    return found[0] if found else _NEWEST
