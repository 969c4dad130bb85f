"""How long models live, by dated sources: the earliest day counts, the others are told."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from assetmill.spec.tables import PROVIDERS, Source, TableRow

SOON = datetime.timedelta(days=90)
"""A model that is retired within this time is warned about."""


class Ending(NamedTuple):
    """The day on which a provider stops serving a model, and who says so; `version` "" means all of them."""

    provider: str
    day: datetime.date
    source: Source
    version: str = ""


class ToldEnd(NamedTuple):
    """What an endpoint itself told of a model's end, and when: it goes before every table."""

    day: datetime.date | None
    is_gone: bool
    source: str

    @property
    def says_something(self) -> bool:
        """Whether it is more than that there is such a model."""
        return self.is_gone or self.day is not None

    def is_past(self, today: datetime.date) -> bool:
        """Whether the model is served no more."""
        return self.is_gone or (self.day is not None and self.day <= today)

    def warning(self, kind: str, called: str, today: datetime.date, replacement: str) -> str | None:
        """Return a warning when the model is retired soon, or is gone."""
        is_past = self.is_past(today)
        if not is_past and (self.day is None or self.day > today + SOON):
            return None
        when = f"{'was' if is_past else 'is'} retired" + (f" on {self.day}" if self.day else "")
        return f"{kind} {called!r} {when} ({self.source})" + (f"; use {replacement}" if replacement else "")


class Lifetime(NamedTuple):
    """What is known of a model's end at its providers. `replacement` is by provider."""

    model: str
    endings: tuple[Ending, ...] = ()
    replacement: Mapping[str, str] = {}
    note: str = ""

    def endings_at(self, provider: str, version: str = "") -> tuple[Ending, ...]:
        """Return a provider's endings, the earliest first; without a version those of all versions."""
        found = [
            ending
            for ending in self.endings
            if ending.provider == provider and (not version or ending.version in ("", version))
        ]
        return tuple(sorted(found, key=lambda ending: ending.day))

    def ends_at(self, provider: str, version: str = "") -> datetime.date | None:
        """Return the day that counts, None when no source gives one."""
        found = self.endings_at(provider, version)
        return found[0].day if found else None

    def called(self, name: str) -> Lifetime:
        """Return the lifetime of what a name means: `gpt-4o-2024-11-20` is that version alone."""
        version = name.removeprefix(f"{self.model}-")
        if version not in {ending.version for ending in self.endings if ending.version}:
            return self
        return self._replace(endings=tuple(one for one in self.endings if one.version in ("", version)))

    def replaced_by(self, provider: str) -> str:
        """Return the model that a provider's sources name in its place, "" when none does."""
        return self.replacement.get(provider, "")

    def warning(self, kind: str, called: str, today: datetime.date, provider: str) -> str | None:
        """Return a warning when a model is retired soon, or is gone; `kind` says what sort of model it is."""
        gone = self.ends_at(provider)
        if gone is None or gone > today + SOON:
            return None
        was = "was" if gone <= today else "is"
        use = self.replaced_by(provider)
        return f"{kind} {called!r} {was} retired on {gone} ({provider})" + (f"; use {use}" if use else "")


def read_lifetime(row: TableRow) -> Lifetime:
    """Read the lifetime that a row gives, in `ends` or, without sources of their own, in `retired`."""
    name = row.text("name")
    replacement = dict(row.by_provider("replacement"))
    for value in replacement.values():
        if not isinstance(value, str) or not value:
            row.refuse("replacement", f"{name}: a replacement must be the name of a model, not {value!r}")
    return Lifetime(name, (*_endings(row), *_retired(row)), replacement, row.text("note", ""))


def _endings(row: TableRow) -> Iterator[Ending]:
    for item in row.items("ends"):
        provider = item.text("provider")
        if provider not in PROVIDERS:
            item.refuse("provider", f"{row.text('name')}: unknown provider {provider!r}")
        yield Ending(provider, item.day("day"), item.sources()[0], item.text("version", ""))
        item.close()


def _retired(row: TableRow) -> Iterator[Ending]:
    for provider, day in row.by_provider("retired").items():
        if type(day) is not datetime.date:
            row.refuse("retired", f"{row.text('name')}: {day!r} is no day", "write it as 2027-10-21")
        yield Ending(provider, day, row.sources()[0])


def check_replacements(lifetimes: Mapping[str, tuple[Lifetime, TableRow]]) -> None:
    """Refuse a replacement that no row describes: nobody could tell what it does, costs or takes.

    Raises:
        InvalidSpec: with the line of the row that names it.
    """
    from assetmill.spec.reading import nearest

    for lifetime, row in lifetimes.values():
        for name in lifetime.replacement.values():
            if name not in lifetimes:
                message = f"{lifetime.model}: replacement {name!r} has no row"
                row.refuse("replacement", message, nearest(name, lifetimes))
