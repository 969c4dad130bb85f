"""`assetmill assets` and `assetmill export`: everything that was made, and how to get it out."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import click

from assetmill.batches.ledger import BatchLedger
from assetmill.batches.records import BatchManifest
from assetmill.cli.batch_export import Choice, export_batch, summary
from assetmill.cli.exports import export_assets, sidecar_names, write_sidecar
from assetmill.cli.options import (
    asset_json,
    json_item,
    json_option,
    print_json,
    print_json_list,
    profile_option,
)
from assetmill.cli.spooling import opened_spool
from assetmill.cli.telling import told_count, told_progress
from assetmill.errors import InvalidInput, NotFound
from assetmill.names import stage_label
from assetmill.provenance.sidecar import SidecarKind
from assetmill.records import AssetId, AssetRecord, RunId, RunManifest, StageEntry, StageRecord
from assetmill.settings import load_settings
from assetmill.stage.services import Services, open_services
from assetmill.store.kept import KeptAsset
from assetmill.store.ledger import Ledger


@click.command()
@click.option("--run", "run", metavar="RUN", help="Only what this run made or reused; `latest` works too.")
@click.option("--all", "everything", is_flag=True, help="Also what failed or open attempts have kept.")
@profile_option
@json_option
def assets(run: str | None, profile: str | None, *, everything: bool, as_json: bool) -> None:
    """List the assets of the store, newest last.

    With --all everything that was ever paid for is there, with its role and why it is no output: also files
    of stages that failed or have not ended.
    """
    shown = _json if as_json else _whole_line if everything else _line
    with opened_spool() as spool:
        with open_services(load_settings(profile)) as services, told_progress(services.backend):
            found = _of_run(services.ledger, run) if run else _of_store(services.ledger)
            kept = _kept(services.ledger, run) if everything else ()
            for one in itertools.chain(found, kept):
                # A run's are listed as it made them.
                made_at, replaces = 0.0 if run else one.asset.created_at, one.is_choice
                spool.add(made_at, one.asset.asset_id, shown(one), replaces=replaces)
        if as_json:
            return print_json_list("assets", spool.lines())
        for line in spool.lines():
            click.echo(line)
    if not spool.is_used:
        click.echo("no assets yet: try `assetmill run product-launch`")
    return None


class _Listed(NamedTuple):
    asset: AssetRecord
    record: StageRecord | KeptAsset
    is_choice: bool = False


def _line(found: _Listed) -> str:
    asset = found.asset
    size = f"{asset.width}x{asset.height}" if asset.width else f"{asset.blob.size_bytes} B"
    return f"{asset.asset_id}  {asset.kind:<8} {size:>11}  {asset.label:<24} {asset.name}"


def _whole_line(found: _Listed) -> str:
    return f"{_line(found)}  {found.asset.role}{_reason(found.asset, found.record)}"


def _json(found: _Listed) -> str:
    return json_item(asset_json(found.asset, found.record))


def _of_store(ledger: Ledger) -> Iterator[_Listed]:
    # A choice among draws says more of what it lists than the draw itself; a refusal of all of them, too.
    refused = ledger.kept.refused_draws()
    for record in ledger.stages():
        for asset in record.outputs:
            told = asset if record.draws else refused.get(asset.asset_id, asset)
            yield _Listed(told, record, bool(record.draws))


def _of_run(ledger: Ledger, run: str) -> Iterator[_Listed]:
    found = {
        asset.asset_id: _Listed(asset, record) for record in _records(ledger, run) for asset in record.outputs
    }
    yield from found.values()


def _kept(ledger: Ledger, run: str | None) -> Iterator[_Listed]:
    run_id = ledger.find_run(run) if run else None
    found = (one for one in ledger.kept.all() if run_id is None or one.run_id == run_id)
    return (_Listed(one.asset, one) for one in found)


def _reason(asset: AssetRecord, record: StageRecord | KeptAsset) -> str:
    reason = record.reason if isinstance(record, KeptAsset) else asset.rejected
    plain = " ".join(reason.split())
    return f": {plain[:120]}{'...' if len(plain) > 120 else ''}" if plain else ""


@click.command()
@click.argument("what", metavar="RUN|BATCH|ASSET")
@click.argument("directory", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Also candidates, pictures on the way and files of failed stages.",
)
@click.option(
    "--stage", "stages", metavar="NAME", multiple=True, help="Of a batch, only this stage; may be repeated."
)
@click.option(
    "--sidecar",
    "sidecars",
    type=click.Choice(["json", "xmp"]),
    multiple=True,
    help="Also write where each file comes from, beside it; may be repeated.",
)
@profile_option
@json_option
def export(
    what: str,
    directory: Path,
    profile: str | None,
    *,
    everything: bool,
    stages: tuple[str, ...],
    sidecars: tuple[SidecarKind, ...],
    as_json: bool,
) -> int:
    """Write the files of a run, a batch or one asset to DIR.

    A batch, by its ID or its name, is a folder for each row, and rows.csv with what became of them.
    """
    with open_services(load_settings(profile)) as services:
        if batch := _batch(services, what):
            choice = Choice(everything, sidecars, stages)
            return _export_batch(batch, directory, choice, services, as_json=as_json)
        if stages:
            raise InvalidInput("--stage is for a batch")
        found = _exported(services.ledger, what, everything=everything)
        with told_count("exporting", "file", len(found.assets)) as step:
            paths = export_assets(found.assets, services.blobs, directory, on_file=step)
        beside = sidecar_names([path.name for path in paths], sidecars, directory)
        files: list[dict[str, str | None]] = []
        for asset, path in zip(found.assets, paths, strict=True):
            _tell_name(asset.name, path.name)
            files.append({"path": str(path), "asset_id": asset.asset_id, "sidecar_of": None})
            for kind in sidecars:
                name = beside[path.name, kind]
                _tell_name(f"{path.name}.{kind}", name)
                written = write_sidecar(kind, asset, path.with_name(name), services)
                files.append({"path": str(written), "asset_id": asset.asset_id, "sidecar_of": str(path)})
    if as_json:
        print_json({"directory": str(directory), "files": files, "missing": list(found.missing)})
    for file in () if as_json else files:
        click.echo(file["path"])
    for text in found.missing:
        click.echo(f"missing: {text}", err=True)
    # Who asks for all that there is knows that it may not be what was ordered.
    return 1 if found.missing and not everything else 0


def _tell_name(wanted: str, name: str) -> None:
    if name != wanted:
        click.echo(f"{wanted!r} is written as {name}: its own name is not safe here, or taken", err=True)


def _batch(services: Services, what: str) -> BatchManifest | None:
    """Return the batch that is meant; IDs of runs and assets, and `latest`, are never a batch's name."""
    if what == "latest" or what.startswith(("run_", "ast_")):
        return None
    manifest = BatchLedger(services.backend).find(what)
    if manifest is None and what.startswith("batch_"):
        raise NotFound("batch", what, "it was never run to an end in this store")
    return manifest


def _export_batch(
    manifest: BatchManifest, directory: Path, choice: Choice, services: Services, *, as_json: bool
) -> int:
    told = export_batch(manifest, directory, choice, services)
    if as_json:
        faults = [str(fault) for fault in told.faults]
        counts = {"files": told.files, "written": told.written, "rows": told.rows, "faults": faults}
        print_json({"directory": str(directory), "batch_id": manifest.batch_id, **counts})
    for text in () if as_json else summary(manifest, directory, told):
        click.echo(text)
    return 0 if told.is_whole else 1


@dataclass(frozen=True)
class _ToExport:
    """What is to be exported, and what should have been there: `stage: why not`."""

    assets: list[AssetRecord]
    missing: tuple[str, ...] = ()


def _exported(ledger: Ledger, what: str, *, everything: bool) -> _ToExport:
    if what.startswith("ast_"):
        try:
            asset = ledger.read_asset(AssetId(what))
        except ValueError:
            asset = None
        if asset is None:
            raise NotFound("asset", what, "see `assetmill assets`")
        return _ToExport([asset])
    run_id = ledger.find_run(what)
    manifest = ledger.read_manifest(run_id)
    if manifest is not None:
        # What was undone when the run ended may have been made or accepted since.
        now = [(entry, entry.record or _made_since(ledger, manifest, entry)) for entry in manifest.stages]
        missing = tuple(f"{e.label}: {e.error or e.status}" for e, record in now if record is None)
        made = [asset for _, record in now if record for asset in record.outputs]
    else:
        records = list(_made_by(ledger, run_id))
        missing = tuple(_not_made(ledger, run_id, records))
        made = [asset for record in records for asset in record.outputs]
    found = [asset for asset in made if everything or asset.role == "output"]
    kept = [one.asset for one in _kept(ledger, run_id)] if everything else []
    return _ToExport([*found, *kept], missing)


def _made_since(ledger: Ledger, manifest: RunManifest, entry: StageEntry) -> StageRecord | None:
    return ledger.read_stage(manifest.pipeline, entry.fingerprint) if entry.fingerprint else None


def _not_made(ledger: Ledger, run_id: RunId, records: list[StageRecord]) -> Iterator[str]:
    """Yield what a run without a manifest has not made; what it would have reused is not known."""
    labels = {record.label for record in records}
    start = ledger.read_start(run_id)
    for stage, variant in start.stages if start else ():
        if (label := stage_label(stage, variant)) not in labels:
            yield f"{label}: the run was killed or still goes on; run it again"


def _records(ledger: Ledger, text: str) -> Iterator[StageRecord]:
    run_id = ledger.find_run(text)
    manifest = ledger.read_manifest(run_id)
    if manifest is None:
        return _made_by(ledger, run_id)
    return (entry.record for entry in manifest.stages if entry.record)


def _made_by(ledger: Ledger, run_id: RunId) -> Iterator[StageRecord]:
    """A run that was killed has no manifest; what it finished is there all the same."""
    return (record for record in ledger.stages() if record.run_id == run_id)
