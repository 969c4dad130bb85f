"""How the radar's verdicts look: on the screen, as JSON, and in a pull request."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from assetmill.agents.gateway import Finding
from assetmill.cli.written import rows_that_fit
from assetmill.markdown import cell, code
from assetmill.models.radar import Sighting, look
from assetmill.settings import Settings
from assetmill.spec.lifetimes import SOON

_ROWS = 50


def today() -> datetime.date:
    """Return the day, in UTC."""
    return datetime.datetime.now(datetime.UTC).date()


def text(sightings: tuple[Sighting, ...], within: datetime.timedelta) -> str:
    """Return the verdicts as text: those that somebody must act on, and how many live on."""
    near = [one for one in sightings if one.is_near]
    blind = [one for one in sightings if one.day is None and not one.is_near]
    last = f"{len(near)} uses of models end within {within.days} days; {len(sightings) - len(near)} live on"
    return "\n".join([*map(str, near), *map(str, blind), last])


def document(sightings: tuple[Sighting, ...], within: datetime.timedelta) -> dict[str, Any]:
    """Return the verdicts as `--json` shows them."""
    rows = [
        {
            **one.use._asdict(),
            "provider": one.provider,
            "state": one.state,
            "day": str(one.day) if one.day else None,
            "days_left": one.days_left,
            "source": one.source,
            "others": list(one.others),
            "replacement": one.replacement or None,
        }
        for one in sightings
    ]
    return {"within_days": within.days, "near": sum(one.is_near for one in sightings), "models": rows}


def for_pull_request(sightings: tuple[Sighting, ...], within: datetime.timedelta) -> str:
    """Return the verdicts as Markdown, "" while nothing ends soon; text from files cannot leave its cell."""
    near = [one for one in sightings if one.is_near]
    if not near:
        return ""
    head = [
        f"### Models that end within {within.days} days",
        "",
        "| Used by | Model | Ends | Instead | Change |",
    ]
    rows = [
        "| "
        + " | ".join(
            (
                cell(f"{one.use.kind} {one.use.name}"),
                code(one.use.model),
                cell(f"{one.day or 'gone'} ({one.source})"),
                code(one.replacement) if one.replacement else "",
                code(one.use.place),
            )
        )
        + " |"
        for one in near
    ]
    return "\n".join([*head, "|---|---|---|---|---|", *rows_that_fit(rows, _ROWS), ""])


def findings(settings: Settings, root: Path) -> Iterator[Finding]:
    """Yield what `doctor` says of the project's models: a line for each that ends soon, or that all live."""
    sightings = look(settings, root, today())
    by_model: dict[str, list[Sighting]] = {}
    for one in sightings:
        if one.is_near:
            by_model.setdefault(one.use.model, []).append(one)
    for uses in by_model.values():
        first = uses[0]
        used = ", ".join(f"{one.use.kind} {one.use.name}" for one in uses[:3])
        more = f" and {len(uses) - 3} more" if len(uses) > 3 else ""
        left = f"{first.days_left} days left" if (first.days_left or 0) > 0 else "gone"
        message = (
            f"{first.use.model}: {left}, {first.day} at {first.provider} by {first.source}; {used}{more}"
        )
        instead = f"use {first.replacement}: " if first.replacement else ""
        places = "; ".join(dict.fromkeys(one.use.place for one in uses[:3]))
        goes = f" (`assetmill migrate --to {first.replacement}` does)" if first.replacement else ""
        yield Finding("models", "warning", message, f"{instead}change {places}{goes}")
    if not by_model:
        days = [one for one in sightings if one.day]
        first_day = f", the first ends on {days[0].day} ({days[0].use.model})" if days else ""
        yield Finding("models", "ok", f"{len(sightings)} uses live for {SOON.days} days{first_day}")
