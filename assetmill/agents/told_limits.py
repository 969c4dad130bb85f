"""What answers told of a deployment's limits, kept between commands: a plan and the next run begin with it.

Limits come with few answers, and with none in the background; whoever starts without them learns by refusals.
"""

from __future__ import annotations

import datetime
import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from assetmill.errors import InvalidInput
from assetmill.settings import Settings

if TYPE_CHECKING:
    from assetmill.agents.pacing import Rates

_FILE = "limits.json"
_NAMES = ("requests", "tokens", "images")
BELIEVED = datetime.timedelta(days=7)
"""So long a limit is assumed that nobody has told again: quotas are raised on request."""


class ToldLimits(NamedTuple):
    """What a model deployment granted a minute, and the day on which an answer said so."""

    rates: Rates
    read: datetime.date


def told_limits(headers: Mapping[str, str]) -> dict[str, float]:
    """Return the limits a minute that headers name; those that are none, such as -1, are left out."""
    found: dict[str, float] = {}
    for name in _NAMES:
        limit, period = (headers.get(f"x-ratelimit-{kind}-{name}", "") for kind in ("limit", "renewalperiod"))
        if limit.isdigit() and int(limit):
            period_s = int(period) if period.isdigit() and int(period) else 60
            found[name] = int(limit) * 60 / min(period_s, 60)
    return found


def keep_limits(
    settings: Settings, deployment: str, limits: Mapping[str, float], today: datetime.date
) -> None:
    """Keep what an answer told today in place of what was told before; other limits of it stay.

    Of the emulator nothing is kept: its quotas are switches, and are off at its next start.
    """
    if settings.uses_emulator:
        return
    path = settings.home / _FILE
    endpoints = _endpoints(path)
    rows = endpoints.setdefault(settings.foundry.endpoint, {})
    earlier = {name: rows.get(deployment, {}).get(name) for name in _NAMES}
    rows[deployment] = {**earlier, **limits, "read": str(today)}
    settings.home.mkdir(parents=True, exist_ok=True)
    # Several runs of one home may write at once: each has a file of its own until it is whole.
    beside = path.with_suffix(f".{uuid.uuid4().hex}")
    beside.write_text(json.dumps(endpoints, indent=1), encoding="utf-8")
    beside.replace(path)


def read_limits(settings: Settings, today: datetime.date) -> dict[str, ToldLimits]:
    """Return by deployment what a profile's endpoint told within a week.

    Raises:
        InvalidInput: the file was damaged.
    """
    path = settings.home / _FILE
    try:
        rows = _endpoints(path).get(settings.foundry.endpoint, {})
        found = {name: _told(row) for name, row in rows.items()}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _damaged(path, error) from error
    return {name: one for name, one in found.items() if today - one.read <= BELIEVED}


def _told(row: Mapping[str, Any]) -> ToldLimits:
    from assetmill.agents.pacing import Rates

    limits = {name: None if row.get(name) is None else float(row[name]) for name in _NAMES}
    return ToldLimits(Rates(**limits), datetime.date.fromisoformat(row["read"]))


def _endpoints(path: Path) -> dict[str, dict[str, dict[str, Any]]]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> InvalidInput:
    return InvalidInput(f"{path} is damaged: {error!r}; delete it, runs write it anew")
