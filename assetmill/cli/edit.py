"""`assetmill edit`: change an asset by words, and keep what must not change."""

from __future__ import annotations

import uuid
from collections.abc import Coroutine
from typing import Any, cast

import click

from assetmill.cli.exports import export_assets, folder_of
from assetmill.cli.options import (
    asset_json,
    budget_option,
    exit_code_of,
    json_option,
    print_json,
    profile_option,
    usd,
)
from assetmill.cli.terminal import Screen, watched
from assetmill.editing.orders import MOST_REPLICAS, EditOrder
from assetmill.editing.retouch.composite import DEFAULT_FEATHER_PX
from assetmill.editing.run import begin_edit, carry_out_all, is_done
from assetmill.local.services import has_prefect_api, local_services
from assetmill.records import AssetRecord, RunManifest, StageEntry
from assetmill.settings import load_settings
from assetmill.stage.interrupts import interruptible
from assetmill.stage.services import Services, open_services


@click.command()
@click.argument("asset")
@click.argument("instruction")
@click.option("--mask", metavar="FILE", help="Where it may change: transparent, or white on black.")
@click.option("--box", metavar="X,Y,W,H", help="The same as a box, in pixels from the top left.")
@click.option("--mask-from-alpha", is_flag=True, help="Let the transparent part of the picture change.")
@click.option(
    "--reference", "references", multiple=True, metavar="ASSET", help="A picture to go by; repeatable."
)
@click.option("--model", metavar="NAME", help="The image model; for files that are no pictures, the agent's.")
@click.option("--size", metavar="WxH", help="What to draw; by default the model's nearest to the picture.")
@click.option("--quality", metavar="WORD", help="A word of the image model; medium when left out.")
@click.option(
    "-n", "--n", "replicas", type=click.IntRange(1, MOST_REPLICAS), default=1, help="How many results."
)
@click.option(
    "--feather",
    type=click.IntRange(0, 256),
    default=DEFAULT_FEATHER_PX,
    show_default=True,
    metavar="PX",
    help="Width of the seam, which lies inside the mask.",
)
@budget_option("Spend no more than this.")
@click.option("--pay-again", is_flag=True, help="Also for a result that failed the same way twice.")
@profile_option
@json_option
def edit(
    profile: str | None,
    budget_usd: float | None,
    *,
    as_json: bool,
    mask_from_alpha: bool,
    feather: int,
    pay_again: bool,
    **given: Any,
) -> int:
    """Edit ASSET as INSTRUCTION says: "make the sky dusk".

    ASSET is an asset ID or the beginning of one, an ID of the service, an exported file, RUN/STAGE/NAME with
    `latest` as RUN for the newest run that has the stage, or a file of your own, which is brought in. With a
    mask or a box the rest of the picture stays as it is, pixel by pixel. Asking for the same edit again costs
    nothing; -n asks for more results.
    """
    order = EditOrder(**given, is_masked_by_alpha=mask_from_alpha, feather_px=feather)
    order.check()
    with open_services(load_settings(profile)) as services:
        with watched() as screen:
            manifest = edit_with(services, order, screen, budget_usd, pay_again=pay_again)
        results = [asset for asset, _ in _results(manifest)]
        folder = folder_of(services.settings, manifest.pipeline) / manifest.run_id
        paths = export_assets(results, services.blobs, folder)
    if as_json:
        print_json(document(manifest) | {"files": [str(path) for path in paths]})
    else:
        click.echo(summary(manifest, [str(path) for path in paths]))
    return exit_code_of(manifest.status, is_stopped=services.stop.is_set())


def edit_with(
    services: Services,
    order: EditOrder,
    screen: Screen,
    budget_usd: float | None = None,
    *,
    pay_again: bool = False,
) -> RunManifest:
    """Carry out an edit, as a flow run where the caller has a Prefect, else here, and return its manifest.

    An edit is short: starting a Prefect of our own for it would take longer than the edit.
    """
    if has_prefect_api():
        return _as_flow(services, order, screen, budget_usd=budget_usd, pay_again=pay_again)
    with interruptible(services) as interrupts:
        run = begin_edit(order, services, str(uuid.uuid4()), budget_usd=budget_usd, pay_again=pay_again)
        needs_service = not is_done(run)
        stopped = services.stop.is_set
        with local_services(
            services.settings, emulator=needs_service, prefect=False, say=screen.say, is_stopped=stopped
        ) as local:
            local.wait_for_emulator()
            if needs_service:
                _ = services.gateway
            interrupts.is_handled = True
            return carry_out_all(run)


def _as_flow(services: Services, order: EditOrder, screen: Screen, **limits: Any) -> RunManifest:
    from assetmill.local.flow_runs import manifest_of, ready_for

    with (
        interruptible(services) as interrupts,
        ready_for("flows.edit_asset", services, interrupts, screen.say, has_work=None),
    ):
        from flows.edit_asset import edit_asset

        flow = edit_asset(**_parameters(order), profile=services.settings.profile, **limits)
        return manifest_of(cast(Coroutine[Any, Any, dict[str, str]], flow), services)


def _parameters(order: EditOrder) -> dict[str, Any]:
    return {
        "asset": order.asset,
        "instruction": order.instruction,
        "mask": order.mask or "",
        "box": order.box or "",
        "mask_from_alpha": order.is_masked_by_alpha,
        "references": list(order.references),
        "model": order.model or "",
        "size": order.size or "",
        "quality": order.quality or "",
        "n": order.replicas,
        "feather": order.feather_px,
    }


def document(manifest: RunManifest) -> dict[str, Any]:
    """Return an edit as `--json` shows it."""
    results = _results(manifest)
    return {
        "run_id": manifest.run_id,
        "status": manifest.status,
        "spent_usd": manifest.spent_usd,
        "results": [
            asset_json(asset, entry.record) | {"data": entry.record.data}
            for asset, entry in results
            if entry.record
        ],
        "lost": lost(manifest),
        "stages": [
            {
                "stage": entry.stage,
                "variant": entry.variant,
                "status": entry.status,
                "spent_usd": entry.spent_usd,
                "error": entry.error,
                "data": entry.record.data if entry.record else None,
                "assets": [asset.asset_id for asset in entry.record.outputs] if entry.record else [],
            }
            for entry in manifest.stages
        ],
    }


def summary(manifest: RunManifest, paths: list[str]) -> str:
    """Return what an edit made, what it left alone, and what it cost."""
    seconds = manifest.finished_at - manifest.started_at
    lines = [
        "",
        f"edit {manifest.status} in {seconds:.1f} s, spent {usd(manifest.spent_usd)}  ({manifest.run_id})",
    ]
    for (asset, entry), path in zip(_results(manifest), paths, strict=True):
        lines += [f"  {asset.asset_id}  {asset.width or '?'}x{asset.height or '?'}", f"    {path}"]
        lines += [f"    {sentence}" for sentence in _findings(manifest, entry)]
    lines += [f"  lost: {words}" for words in lost(manifest)]
    lines += [f"  failed: {entry.error}" for entry in manifest.stages if entry.record is None]
    return "\n".join(lines)


def lost(manifest: RunManifest) -> list[str]:
    """Return what the picture lost on its way to the service."""
    found = [entry.record.data or {} for entry in manifest.stages if entry.record and entry.stage == "frame"]
    return [str(words) for data in found for words in data.get("lost", ())]


def _results(manifest: RunManifest) -> list[tuple[AssetRecord, StageEntry]]:
    """Return the results of an edit: composites where there are any, else what the service made."""
    composites = [entry for entry in manifest.stages if entry.stage == "composite"]
    entries = composites or [entry for entry in manifest.stages if entry.stage == "edit"]
    return [
        (asset, entry)
        for entry in entries
        if entry.record
        for asset in entry.record.outputs
        if asset.role == "output"
    ]


def _findings(manifest: RunManifest, entry: StageEntry) -> list[str]:
    data = entry.record.data if entry.record else None
    if entry.stage == "composite" and data:
        return [f"outside the mask the largest difference is {data['largest_difference_outside']}"]
    for other in manifest.stages:
        if other.stage == "changes" and other.variant == entry.variant and other.record and other.record.data:
            return [f"{other.record.data['changed_percent']:.1f} % of the pixels changed; no mask said where"]
    return []
