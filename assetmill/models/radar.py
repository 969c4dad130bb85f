"""How long the models that a project uses will live: one verdict for each use, by the best source there is.

What an endpoint itself tells goes before the tables; of the tables' sources the earliest day counts.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from assetmill.agents.told import Told, read_told
from assetmill.models.uses import Use, uses_of
from assetmill.settings import Settings
from assetmill.spec.chat_models import load_chat_models
from assetmill.spec.image_models import load_image_models
from assetmill.spec.lifetimes import SOON, Lifetime

State = Literal["gone", "soon", "lives", "no day", "unknown"]


class Sighting(NamedTuple):
    """One use of a model and what is known of its end. `others` are what other sources say instead."""

    use: Use
    provider: str
    state: State
    day: datetime.date | None
    days_left: int | None
    source: str
    others: tuple[str, ...]
    replacement: str

    @property
    def is_near(self) -> bool:
        """Whether somebody must act."""
        return self.state in {"gone", "soon"}

    def __str__(self) -> str:
        use = self.use
        name = f"{use.model} ({use.kind} {use.name})"
        if self.day is None:
            says = {"gone": "is gone", "no day": "no day is known", "unknown": "is in no table of models"}
            return f"{name}: {says.get(self.state, self.state)}" + self._advice()
        left = self.days_left or 0
        when = f"{left} days left" if left > 0 else f"gone for {-left} days" if left else "ends today"
        others = f" ({'; '.join(self.others)})" if self.others else ""
        return f"{name}: {when}, {self.day} at {self.provider} by {self.source}{others}{self._advice()}"

    def _advice(self) -> str:
        use = f"use {self.replacement}; " if self.replacement else ""
        return f"; {use}change {self.use.place}" if self.is_near else ""


def look(
    settings: Settings, root: Path, today: datetime.date, *, within: datetime.timedelta = SOON
) -> tuple[Sighting, ...]:
    """Return a verdict for every use of a model, those that end first before the others.

    Raises:
        InvalidInput: a profile, a pipeline, the lock or a table is not valid.
    """
    lifetimes = lifetimes_of(settings.configs)
    told = read_told(settings.home, settings.foundry.endpoint)
    found = [
        judge(use, settings.foundry.provider, lifetimes, told, today=today, within=within)
        for use in uses_of(settings, root)
    ]
    return tuple(sorted(found, key=lambda one: (one.day or datetime.date.max, one.use)))


def lifetimes_of(configs: Path) -> Mapping[str, Lifetime]:
    """Return every model's lifetime by name and alias."""
    images = {name: model.lifetime for name, model in load_image_models(configs).rows.items()}
    return {**images, **{name: model.lifetime for name, model in load_chat_models(configs).items()}}


def is_gone(model: str, settings: Settings, today: datetime.date) -> bool:
    """Whether a model can no longer be called; on the emulator only what the endpoint itself told counts."""
    said = read_told(settings.home, settings.foundry.endpoint).get(model)
    if said and said.lifecycle.is_gone:
        return True
    day = said.lifecycle.day if said else None
    if day is None and not settings.uses_emulator:
        lifetime = lifetimes_of(settings.configs).get(model)
        day = lifetime.ends_at(settings.foundry.provider) if lifetime else None
    return day is not None and day <= today


def judge(
    use: Use,
    provider: str,
    lifetimes: Mapping[str, Lifetime],
    told: Mapping[str, Told],
    *,
    today: datetime.date,
    within: datetime.timedelta,
) -> Sighting:
    """Return what is known of one use's model."""
    said = told.get(use.model)
    model = said.lifecycle.model if said else use.model
    version = said.lifecycle.version if said else ""
    exact = f"{model}-{version}" if version else use.model
    lifetime = lifetimes.get(exact) or lifetimes.get(use.model) or lifetimes.get(model)
    replacement = lifetime.replaced_by(provider) if lifetime else ""
    endings = lifetime.endings_at(provider, version) if lifetime else ()
    if said and (said.lifecycle.day or said.lifecycle.is_gone):
        day, source = said.lifecycle.day, str(said)
    elif endings:
        day, source = endings[0].day, str(endings[0].source)
    else:
        return Sighting(use, provider, "no day" if lifetime else "unknown", None, None, "", (), replacement)
    others = {f"{one.day} by {one.source}": None for one in endings if one.day != day}
    is_gone = bool(said and said.lifecycle.is_gone) or (day is not None and day <= today)
    is_soon = day is not None and day - today <= within
    state: State = "gone" if is_gone else "soon" if is_soon else "lives"
    left = (day - today).days if day else None
    return Sighting(use, provider, state, day, left, source, tuple(others), replacement)
