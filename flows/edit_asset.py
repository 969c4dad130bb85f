"""The order of an edit: prepare here, draw on the service, put back here."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from prefect import State, flow
from prefect.task_runners import ThreadPoolTaskRunner

from assetmill.editing.orders import MOST_REPLICAS, EditOrder
from assetmill.editing.retouch.composite import DEFAULT_FEATHER_PX
from assetmill.runs.run import check_outcome
from tasks.assets import tell_prefect
from tasks.cancelling import checked, run_watched
from tasks.edits import begin_edit, seal, submit_call
from tasks.manifests import publish_report


@flow(
    name="edit-asset",
    flow_run_name="edit {asset}",
    task_runner=cast(Any, ThreadPoolTaskRunner(max_workers=MOST_REPLICAS)),
    persist_result=False,
)
async def edit_asset(
    asset: str,
    instruction: str,
    *,
    mask: str = "",
    box: str = "",
    mask_from_alpha: bool = False,
    references: list[str] | None = None,
    model: str = "",
    size: str = "",
    quality: str = "",
    n: int = 1,
    feather: int = DEFAULT_FEATHER_PX,
    profile: str | None = None,
    budget_usd: float | None = None,
    pay_again: bool = False,
) -> dict[str, Any] | State[Any]:
    """Edit an asset and return its manifest's main facts.

    Args:
        asset: An asset ID, a service ID, a file, or RUN/STAGE/NAME.
        instruction: What to change, in words.
        mask: A file or an asset: transparent, or white on black, where the picture may change.
        box: The same as X,Y,W,H in pixels.
        mask_from_alpha: Let the transparent part of the picture change.
        references: Further pictures to go by.
        model: The image model; empty for the profile's.
        size: WIDTHxHEIGHT to draw; empty for the model's nearest to the picture.
        quality: A word of the image model; empty for medium.
        n: How many results.
        feather: Width of the seam inside the mask, in pixels.
        profile: The settings to use; without one `ASSETMILL_PROFILE` decides, else `local`.
        budget_usd: No result is begun that might take the edit above it.
        pay_again: Also pay for a result that failed the same way twice.

    Raises:
        InvalidInput: something asked for is not valid; nothing was spent.
        RunFailed: a result could not be had; what was made is stored.
        RunStopped: the run was stopped.
    """
    order = EditOrder(
        asset,
        instruction,
        mask=mask or None,
        box=box or None,
        is_masked_by_alpha=mask_from_alpha,
        references=tuple(references or ()),
        model=model or None,
        size=size or None,
        quality=quality or None,
        replicas=n,
        feather_px=feather,
    )
    run = begin_edit(order, profile, budget_usd, pay_again=pay_again)
    with run_watched(run):
        outcomes = await asyncio.gather(*(submit_call(label, run) for label in run.calls))
    for label, outcome in zip(run.calls, outcomes, strict=True):
        run.end(label, outcome)
    manifest = seal(run)
    tell_prefect(manifest)
    await publish_report(manifest, run.services)
    if stopped := checked(run.services, lambda: check_outcome(manifest), "run", manifest.run_id):
        return stopped
    return {
        "run_id": manifest.run_id,
        "status": manifest.status,
        "spent_usd": manifest.spent_usd,
        "assets": [result.asset_id for result in run.results.values()],
    }
