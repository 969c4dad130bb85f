"""How long the models of a project will live, asked on a schedule."""

from __future__ import annotations

from typing import Any

from prefect import flow

from tasks.models import look_at_models, publish_models, tell_models


@flow(name="watch-models", persist_result=False)
async def watch_models(profile: str | None = None, within_days: int = 90) -> dict[str, Any]:
    """Ask the endpoint and the tables which models of the project end soon, and say so in an event.

    Args:
        profile: The settings to use; without one `ASSETMILL_PROFILE` decides, else `local`.
        within_days: Ends within so many days are told.

    Raises:
        InvalidInput: a pipeline, a profile, the lock or a table is not valid.
    """
    sightings = look_at_models(profile, within_days)
    await publish_models(sightings, within_days)
    near = tell_models(sightings)
    return {"models": len({one.use.model for one in sightings}), "near": near}
