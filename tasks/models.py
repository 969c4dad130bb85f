"""What the watch over models asks, keeps and tells: a report, and one event for each model that ends soon."""

from __future__ import annotations

import datetime

from prefect import task
from prefect.artifacts import acreate_markdown_artifact
from prefect.events import emit_event

from assetmill.agents.told import keep_told
from assetmill.models.radar import Sighting, look
from assetmill.project import project_root
from assetmill.traces.sending import tell_lifetimes
from tasks import policies
from tasks.connections import services_for

ENDS = "assetmill.model.ends"


@task(name="look-at-models", **policies.SEAL)
def look_at_models(profile: str | None, within_days: int) -> tuple[Sighting, ...]:
    """Ask the endpoint what it tells of its models, keep that, and return the verdicts."""
    services = services_for(profile)
    settings = services.settings
    today = datetime.datetime.fromtimestamp(services.clock(), datetime.UTC).date()
    keep_told(settings.home, settings.foundry.endpoint, services.gateway.lifecycles(), today)
    return look(settings, project_root().path, today, within=datetime.timedelta(days=within_days))


async def publish_models(sightings: tuple[Sighting, ...], within_days: int) -> None:
    """Show the verdicts as an artifact of the flow run."""
    near = [f"- {one}" for one in sightings if one.is_near]
    said = near or [f"No model of the project ends within {within_days} days."]
    await acreate_markdown_artifact(key="models", markdown="\n".join(["# Models", "", *said]))


def tell_models(sightings: tuple[Sighting, ...]) -> int:
    """Send one event for each model that ends soon or is gone, and return how many there are."""
    # Of several uses of a model, or sources, the first is the one that ends first.
    tell_lifetimes({one.use.model: one.days_left for one in reversed(sightings) if one.days_left is not None})
    near: dict[str, list[Sighting]] = {}
    for one in sightings:
        if one.is_near:
            near.setdefault(one.use.model, []).append(one)
    for model, uses in near.items():
        first = uses[0]
        resource = {"prefect.resource.id": f"assetmill.model.{model}", "prefect.resource.name": model}
        payload = {
            "model": model,
            "provider": first.provider,
            "state": first.state,
            "day": str(first.day) if first.day else None,
            "days_left": first.days_left,
            "source": first.source,
            "replacement": first.replacement,
            "used_by": [f"{one.use.kind} {one.use.name}" for one in uses],
            "change": list(dict.fromkeys(one.use.place for one in uses)),
        }
        emit_event(event=ENDS, resource=resource, payload=payload)
    return len(near)
