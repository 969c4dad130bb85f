"""`assetmill import`: a person's own files as assets."""

from __future__ import annotations

import uuid
from pathlib import Path

import click

from assetmill.cli.options import asset_json, json_option, print_json, profile_option
from assetmill.cli.telling import told_count
from assetmill.editing.adopting import adopt_all
from assetmill.settings import load_settings
from assetmill.stage.services import open_services


@click.command("import")
@click.argument("files", nargs=-1, required=True, metavar="FILE ...", type=click.Path(path_type=Path))
@profile_option
@json_option
def import_(files: tuple[Path, ...], profile: str | None, *, as_json: bool) -> None:
    """Bring your own pictures and documents in as assets.

    They can be edited, or given to stages.

    A file that the store has already is the asset that it was. Nothing is sent to the service.
    """
    with (
        open_services(load_settings(profile)) as services,
        told_count("importing", "file", len(files)) as step,
    ):
        manifest = adopt_all(files, services, str(uuid.uuid4()), on_file=step)
    found = [
        (entry, entry.record, asset)
        for entry in manifest.stages
        if entry.record
        for asset in entry.record.outputs
    ]
    if as_json:
        print_json(
            {"run_id": manifest.run_id, "assets": [asset_json(asset, record) for _, record, asset in found]}
        )
        return
    for entry, _, asset in found:
        size = f"{asset.width}x{asset.height}" if asset.width else f"{asset.blob.size_bytes} B"
        note = "" if entry.status == "done" else "  (was there already)"
        click.echo(f"{asset.asset_id}  {asset.kind:<8} {size:>11}  {asset.name}{note}")
