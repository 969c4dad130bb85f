"""What an endpoint itself tells of its models' ends: read from its replies, without trust in any field."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, cast

_NEVER = datetime.date(2099, 12, 31)
"""The services write this day where there is none."""
_GONE = frozenset({"deprecated", "retired"})


class Lifecycle(NamedTuple):
    """What an endpoint says of one deployment or model, by the name that requests use.

    `day` None: it gives no day. `is_gone`: it serves it no more, whatever the day.
    """

    name: str
    model: str
    version: str
    day: datetime.date | None
    is_gone: bool
    source: str


def read_lifecycles(
    deployments: Iterable[Mapping[str, Any]], models: Iterable[Mapping[str, Any]]
) -> tuple[Lifecycle, ...]:
    """Return what deployments and models tell; a deployment's own day goes before its model's."""
    listed = {one.name: one for one in map(_from_model, models) if one.name}
    found = dict(listed)
    for body in deployments:
        own = _from_deployment(body)
        model = listed.get(own.model)
        if model and own.day is None and not own.is_gone:
            own = own._replace(day=model.day, is_gone=model.is_gone, source=model.source)
        found[own.name] = own
    return tuple(one for one in found.values() if one.day or one.is_gone or one.version)


def _from_deployment(body: Mapping[str, Any]) -> Lifecycle:
    name, model = str(body.get("name") or ""), str(body.get("modelName") or "")
    days = sorted(_days(body))
    status = str(body.get("lifecycleStatus") or "").lower()
    version = str(body.get("modelVersion") or "")
    day = days[0] if days else None
    return Lifecycle(name, model or name, version, day, status in _GONE, "the endpoint's deployments")


def _from_model(body: Mapping[str, Any]) -> Lifecycle:
    name = str(body.get("id") or "")
    days = sorted(_days(body))
    status = str(body.get("lifecycle_status") or "").lower()
    day = days[0] if days else None
    return Lifecycle(name, name, "", day, status in _GONE, "the endpoint's list of models")


def _days(body: Mapping[str, Any]) -> Iterator[datetime.date]:
    """Yield every day on which inference ends; a SKU may end before its model."""
    given = body.get("deprecation")
    deprecation: Mapping[str, Any] = cast("Mapping[str, Any]", given) if isinstance(given, dict) else {}
    for value in (deprecation.get("inference"), body.get("deprecationDate"), body.get("shutdown_date")):
        day = _day(value)
        if day and day < _NEVER:
            yield day


def _day(value: object) -> datetime.date | None:
    """Read a day as the services write it: a date, a time, or seconds since 1970."""
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.datetime.fromtimestamp(value, datetime.UTC).date()
        return datetime.date.fromisoformat(value[:10]) if isinstance(value, str) else None
    except (ValueError, OverflowError, OSError):
        return None
