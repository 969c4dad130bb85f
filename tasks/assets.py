"""What was made, told to Prefect as materialised assets: one event each, in the form its own decorator sends.

`prefect.assets.materialize` must know its assets when a task is declared; ours are known when they are made.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

from prefect.events import emit_event

from assetmill.records import AssetId, AssetRecord, RunManifest

TOOL = "assetmill"

_is_seen: ContextVar[bool] = ContextVar("is_seen", default=True)


@contextmanager
def telling(*, is_seen: bool) -> Generator[None]:
    """Say whether anybody can see the events of flows that are run inside.

    A server without a page and without automations takes two milliseconds for each, a tenth of a stage.
    """
    token = _is_seen.set(is_seen)
    try:
        yield
    finally:
        _is_seen.reset(token)


def tell_prefect(manifest: RunManifest) -> int:
    """Send an event for every asset that this run made, and return how many; reused ones were told before."""
    told = 0
    if not _is_seen.get():
        return told
    for entry in manifest.stages:
        if entry.record is None or entry.record.run_id != manifest.run_id:
            continue
        for asset in entry.record.outputs:
            emit_event(
                event="prefect.asset.materialization.succeeded",
                resource={
                    "prefect.resource.id": asset_key(asset.asset_id),
                    "prefect.resource.name": asset.name,
                },
                related=[
                    *(_related(asset_key(parent), "asset") for parent in asset.derived_from),
                    _related(TOOL, "asset-materialized-by"),
                ],
                payload=_facts(asset, manifest),
            )
            told += 1
    return told


def asset_key(asset_id: AssetId) -> str:
    """Return the key under which Prefect knows an asset."""
    return f"assetmill://assets/{asset_id}"


def _related(resource_id: str, role: str) -> dict[str, str]:
    return {"prefect.resource.id": resource_id, "prefect.resource.role": role}


def _facts(asset: AssetRecord, manifest: RunManifest) -> dict[str, str | int]:
    return {
        "pipeline": manifest.pipeline,
        "run_id": manifest.run_id,
        "stage": asset.stage,
        "variant": asset.variant,
        "media_type": asset.blob.media_type,
        "digest": asset.blob.digest,
        "size_bytes": asset.blob.size_bytes,
    }
