"""What an endpoint tells of its models' ends that is not known here yet: told before, or by the tables."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from assetmill.agents.lifecycles import Lifecycle
from assetmill.spec.lifetimes import Lifetime, ToldEnd


class DayChange(NamedTuple):
    """A model's end as it is told now, and as it was known; None is no day. `was` says who knew it."""

    name: str
    before: datetime.date | None
    was: str
    day: datetime.date | None
    is_gone: bool
    source: str

    def __str__(self) -> str:
        before = f"{self.before} ({self.was})" if self.before else "no day"
        after = f"gone{f' since {self.day}' if self.day else ''}" if self.is_gone else str(self.day)
        return f"{self.name}: {before} -> {after} ({self.source})"


def day_changes(
    told: Iterable[Lifecycle], known: Mapping[str, ToldEnd], lifetimes: Mapping[str, Lifetime], provider: str
) -> list[DayChange]:
    """Return what differs from what was known, by name; what an endpoint says no day of changes nothing."""
    found = [_change(one, known, lifetimes, provider) for one in told if one.day or one.is_gone]
    return sorted(one for one in found if one is not None)


def _change(
    one: Lifecycle, known: Mapping[str, ToldEnd], lifetimes: Mapping[str, Lifetime], provider: str
) -> DayChange | None:
    before = known.get(one.name)
    if before is None or not before.says_something:
        lifetime = lifetimes.get(one.name) or lifetimes.get(one.model)
        endings = lifetime.endings_at(provider, one.version) if lifetime else ()
        before = ToldEnd(endings[0].day, is_gone=False, source=str(endings[0].source)) if endings else None
    if before and (before.day, before.is_gone) == (one.day, one.is_gone):
        return None
    was = before.source if before else ""
    return DayChange(one.name, before.day if before else None, was, one.day, one.is_gone, one.source)
