"""Whether a batch can be done by its hour: asked before anything is spent, from the quotas of the profile."""

from __future__ import annotations

import datetime
import math
import re
from dataclasses import dataclass

from assetmill.batches.row_plans import Totals
from assetmill.errors import InvalidInput
from assetmill.settings import Settings

_HOUR = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")


def parse_by(text: str, now: datetime.datetime | None = None) -> float:
    """Return the time that `06:00` (the next one here) or an ISO time means, as Unix seconds.

    Raises:
        InvalidInput: neither, or it is past.
    """
    here = (now or datetime.datetime.now(datetime.UTC)).astimezone()
    if match := _HOUR.fullmatch(text.strip()):
        at = here.replace(hour=int(match[1]), minute=int(match[2]), second=0, microsecond=0)
        # Only a date that is taken apart and put together again has the right offset after a clock change.
        return (at if at > here else _next_day(at)).timestamp()
    try:
        at = datetime.datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise InvalidInput(f"{text!r} is no time: write 06:00 or 2026-11-23T06:00") from error
    at = at.astimezone()
    if at <= here:
        raise InvalidInput(f"{text!r} has passed")
    return at.timestamp()


def _next_day(at: datetime.datetime) -> datetime.datetime:
    plain = at.replace(tzinfo=None) + datetime.timedelta(days=1)
    return plain.astimezone()


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
