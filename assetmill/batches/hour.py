"""Whether a batch can be done by its hour: asked before anything is spent, from the quotas of the profile."""

from __future__ import annotations

import datetime
import math
import re
import zoneinfo
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assetmill.errors import InvalidInput
from assetmill.settings import Settings

if TYPE_CHECKING:
    # A run reads an hour, and has no rows.
    from assetmill.batches.row_plans import Totals

_HOUR = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")


def parse_by(text: str, now: datetime.datetime | None = None) -> float:
    """Return the time that `06:00` (the next one here) or an ISO time means, as Unix seconds.

    A time zone may follow, as in `06:00 Europe/Oslo`; a time without one is this machine's.

    Raises:
        InvalidInput: neither, or it is past.
    """
    plain, _, name = text.strip().partition(" ")
    zone = _zone(name.strip(), text)
    here = (now or datetime.datetime.now(datetime.UTC)).astimezone(zone)
    if match := _HOUR.fullmatch(plain):
        return _next(datetime.time(int(match[1]), int(match[2])), here, zone)
    try:
        at = datetime.datetime.fromisoformat(plain)
    except ValueError as error:
        raise InvalidInput(f"{text!r} is no time: write 06:00 or 2026-11-23T06:00") from error
    # Without a zone Python asks the machine's own rules for that very day.
    moment = (at.replace(tzinfo=zone) if at.tzinfo is None else at).timestamp()
    if moment <= here.timestamp():
        raise InvalidInput(f"{text!r} has passed")
    return moment


def iso(at: float) -> str:
    """Return a moment as `parse_by` reads it on any machine."""
    return datetime.datetime.fromtimestamp(at, datetime.UTC).isoformat()


def _zone(name: str, text: str) -> zoneinfo.ZoneInfo | None:
    if not name:
        return None
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidInput(f"{text!r}: no time zone {name!r}, write Europe/Oslo or UTC") from error


def _next(hour: datetime.time, here: datetime.datetime, zone: zoneinfo.ZoneInfo | None) -> float:
    """Return the next moment at which clocks here show an hour, whatever their offset is by then."""
    moments: list[float] = []
    for days in (0, 1, 2):
        plain = datetime.datetime.combine(here.date() + datetime.timedelta(days=days), hour)
        first, second = (plain.replace(tzinfo=zone, fold=fold).timestamp() for fold in (0, 1))
        # An hour that comes twice is met twice; what clocks skip is taken as they stood before.
        moments += [first, max(first, second)]
    return min(moment for moment in moments if moment > here.timestamp())


@dataclass(frozen=True)
class Forecast:
    """How long the quotas make a batch take, at least. `bottleneck` is empty when no quota is set.

    Only quotas are counted, not how long the service takes for each stage: a batch is never done sooner.
    """

    seconds: float
    bottleneck: str
    by: float | None
    now: float

    @property
    def is_met(self) -> bool:
        """Whether the quotas allow all of it before its hour."""
        return self.by is None or self.now + self.seconds <= self.by

    @property
    def share(self) -> float:
        """The part that fits before the hour, 1 when all of it does."""
        if self.by is None or self.seconds <= 0:
            return 1.0
        return max(0.0, min(1.0, (self.by - self.now) / self.seconds))

    def __str__(self) -> str:
        if self.by is None:
            return ""
        hour = datetime.datetime.fromtimestamp(self.by, datetime.UTC).astimezone().strftime("%H:%M")
        if not self.bottleneck:
            return f"no quota is set in the profile, so nothing says whether {hour} can be met"
        need = f"the quota needs at least {_duration(self.seconds)} ({self.bottleneck})"
        if self.is_met:
            return f"{need}: {hour} can be met"
        return f"{need}: {hour} cannot be met, about {math.floor(self.share * 100)} % will be done by then"


def forecast(totals: Totals, settings: Settings, by: float | None, now: float) -> Forecast:
    """Say how long a plan takes at least under the profile's quotas."""
    longest, bottleneck = 0.0, ""
    for deployment, takes in totals.wanted.items():
        rate = settings.quota.deployments.get(deployment)
        for name, amount in takes.items():
            limit = getattr(rate, name, None) if rate else None
            if limit is None:
                continue
            seconds = _seconds(amount, limit * settings.quota.share)
            if not bottleneck or seconds > longest:
                longest, bottleneck = seconds, f"{limit:g} {name} a minute of {deployment}"
    return Forecast(longest, bottleneck, by, now)


def _seconds(amount: float, a_minute: float) -> float:
    """The first minute's quota is there at once; each further minute brings another."""
    return max(0.0, math.ceil(amount / a_minute) - 1) * 60.0


def _duration(seconds: float) -> str:
    hours, rest = divmod(math.ceil(seconds / 60), 60)
    return f"{hours} h {rest} min" if hours else f"{rest} min"
