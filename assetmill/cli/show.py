"""`assetmill show`: runs, batches that are not sealed, and what a run made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from assetmill.batches.begun import BegunBatch, BegunBatches
from assetmill.batches.so_far import BatchLooks, BatchSoFar
from assetmill.cli.options import asset_json, json_option, print_json, profile_option, usd, when
from assetmill.cli.run_json import document
from assetmill.names import counted
from assetmill.records import AssetRecord, RunId, RunManifest, RunStart, StageEntry
from assetmill.settings import load_settings
from assetmill.stage.services import Services, open_services
from assetmill.store.kept import KeptAsset
from assetmill.store.ledger import Ledger

RECENT = 20


@click.command()
@click.argument("run", required=False)
@profile_option
@json_option
def show(run: str | None, profile: str | None, *, as_json: bool) -> None:
    """Show RUN; without one, the newest runs.

    Below them come the batches that are under way or were interrupted.

    RUN is an ID, its beginning, or `latest`.
    """
    with open_services(load_settings(profile)) as services:
        ledger = services.ledger
        if run is None:
            return _show_newest(services, as_json=as_json)
        run_id = ledger.find_run(run)
        manifest = ledger.read_manifest(run_id)
        if manifest is None:
            return _show_open(ledger, run_id, as_json=as_json)
        kept = {entry.label: _kept_by(ledger, manifest, entry) for entry in manifest.stages}
    if as_json:
        listed = [asset_json(one.asset, one) for found in kept.values() for one in found]
        return print_json(document(manifest) | {"kept": listed})
    return click.echo("\n".join(_lines(manifest, kept)))


def _kept_by(ledger: Ledger, manifest: RunManifest, entry: StageEntry) -> tuple[KeptAsset, ...]:
    """Return what a stage that is not done has kept."""
    if entry.record is not None or entry.fingerprint is None:
        return ()
    return tuple(ledger.kept.of_stage(manifest.pipeline, entry.fingerprint))


def _show_newest(services: Services, *, as_json: bool) -> None:
    ledger, looks = services.ledger, BatchLooks(services.backend)
    begun = BegunBatches(services.backend).newest(RECENT)
    batches = [_batch_json(one, looks.look(one)) for one in begun]
    newest = list(reversed(ledger.runs()))[:RECENT]
    known = [(run_id, ledger.find_manifest(run_id) or ledger.find_start(run_id)) for run_id in newest]
    rows = [_run_json(run_id, found) for run_id, found in known if found]
    if as_json:
        return print_json({"runs": rows, "batches": batches})
    if not rows and not batches:
        return click.echo("no runs yet: try `assetmill run product-launch`")
    for row in rows:
        spent = usd(row["spent_usd"]) if row["status"] != "open" else ""
        click.echo(
            f"{row['run_id']}  {when(row['started_at'])}  {row['status']:<9} {spent:>9}  {row['pipeline']}"
        )
    for one in batches:
        state = one["status"].replace("_", " ")
        told = f"{state}, {_rows(one['rows_done'], one['rows'])}, {_cost(one['spent_usd'])}"
        click.echo(f"{one['batch_id']}  {when(one['started_at'])}  {told}  {one['pipeline']}")
    return None


def _rows(done: int | None, count: int) -> str:
    return (
        f"none of {counted(count, 'row')} told of yet" if done is None else f"at least {done} of {count} rows"
    )


def _cost(spent_usd: float | None) -> str:
    return "cost not told yet" if spent_usd is None else f"at least {usd(spent_usd)}"


def _batch_json(begun: BegunBatch, now: BatchSoFar) -> dict[str, Any]:
    return {
        "batch_id": begun.start.batch_id,
        "pipeline": begun.start.pipeline,
        "status": "under_way" if now.is_going else "interrupted",
        "rows": begun.start.row_count,
        "rows_done": now.done,
        "spent_usd": now.spent_usd,
        "started_at": begun.began_at,
    }


def _run_json(run_id: RunId, found: RunManifest | RunStart) -> dict[str, Any]:
    sealed = found if isinstance(found, RunManifest) else None
    return {
        "run_id": run_id,
        "pipeline": found.pipeline,
        "status": sealed.status if sealed else "open",
        "spent_usd": sealed.spent_usd if sealed else None,
        "started_at": found.started_at,
    }


def _show_open(ledger: Ledger, run_id: RunId, *, as_json: bool) -> None:
    """A run without a manifest: it runs now, or it was killed. What it finished is in the store."""
    start = ledger.read_start(run_id)
    done = [record for record in ledger.stages() if record.run_id == run_id]
    labels = [record.label for record in done]
    if as_json:
        return print_json({"run_id": run_id, "status": "open", "stages_done": labels})
    click.echo(f"{run_id}  not finished: it runs now, or was killed")
    if start:
        click.echo(
            f"  {start.pipeline}, started {when(start.started_at)}, {counted(len(start.stages), 'stage')}"
        )
    for record in done:
        click.echo(f"  {record.label:<32} done  {usd(record.cost_usd):>9}")
    return None


def _lines(manifest: RunManifest, kept: Mapping[str, tuple[KeptAsset, ...]]) -> list[str]:
    seconds = manifest.finished_at - manifest.started_at
    given = ", ".join(f"{name}={value!r}" for name, value in manifest.parameters.items())
    lines = [
        f"{manifest.run_id}  {manifest.pipeline}  {manifest.status}",
        f"  {when(manifest.started_at)}, {seconds:.1f} s, profile {manifest.profile}, "
        f"spent {usd(manifest.spent_usd)}",
        f"  {given}" if given else "",
    ]
    for entry in manifest.stages:
        lines += _stage_lines(entry)
        lines += [_asset_line(one.asset, f"kept {one.asset.role}") for one in kept[entry.label]]
    return [line for line in lines if line]


def _stage_lines(entry: StageEntry) -> list[str]:
    seconds = "" if entry.seconds is None else f"{entry.seconds:.1f} s"
    lines = [f"{entry.label:<32} {entry.status:<8} {seconds:>9} {usd(entry.spent_usd):>9}"]
    if entry.error:
        lines.append(f"    {entry.error}")
    record = entry.record
    if record is None:
        return lines
    for made in record.made_by:
        agent = f"{made.agent_name}:{made.agent_version} ({made.model})" if made.agent_name else made.model
        lines.append(f"    by {agent}, {made.response_id}")
    for check in record.checks:
        told = "not checked" if check.state == "not_checked" else check.state
        lines.append(f"    {told} {check.check} of {check.output}  {check.message}".rstrip())
    if decision := record.decision:
        lines.append(f"    {decision.kind} by {decision.decided_by}, though: {decision.reason}")
    lines += [_asset_line(asset, asset.role) for asset in record.outputs]
    return lines


def _asset_line(asset: AssetRecord, role: str) -> str:
    size = f"{asset.width}x{asset.height}" if asset.width else f"{asset.blob.size_bytes} bytes"
    return f"    {asset.name}  {asset.blob.media_type} {size}  {role}  {asset.asset_id}"
