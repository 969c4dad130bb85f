"""`assetmill purge`: remove an asset's bytes for good, here and on the service."""

from __future__ import annotations

import click

from assetmill.care.purging import OldVersions, Purge, PurgeReceipt, carry_out, plan_purge
from assetmill.cli.options import json_option, print_json, profile_option
from assetmill.errors import InvalidInput
from assetmill.history.assets import AssetFinder
from assetmill.settings import load_settings
from assetmill.stage.services import open_services
from assetmill.store.index import Index


@click.command()
@click.argument("asset", metavar="ASSET")
@click.option("--derivatives", is_flag=True, help="Also everything that was made from it.")
@click.option("--service", "ask_service", is_flag=True, help="Also the service's copies of it.")
@click.option(
    "--local", "clear_local", is_flag=True, help="Also exports and other copies that were written here."
)
@click.option(
    "--versions", "clear_versions", is_flag=True, help="Also older versions that the bucket keeps of it."
)
@click.option("--shared", is_flag=True, help="Also where other assets have the very same bytes.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@profile_option
@json_option
def purge(
    asset: str,
    profile: str | None,
    *,
    derivatives: bool,
    ask_service: bool,
    clear_local: bool,
    clear_versions: bool,
    shared: bool,
    yes: bool,
    as_json: bool,
) -> int:
    """Remove the bytes of ASSET. Its records stay, and say that the bytes were purged.

    ASSET is an asset ID, a service ID, an exported file, or RUN/STAGE/NAME. Exit code 1 when a copy that was
    to go could not be removed; the receipt says which, which copies on this machine are left, and where
    nobody has looked.
    """
    with open_services(load_settings(profile)) as services:
        index = Index(services.backend, services.ledger)
        found = AssetFinder(services.ledger, index).find(asset)
        planned = plan_purge(found, services, index, derivatives=derivatives)
        if planned.shared and not shared:
            others = ", ".join(planned.shared[:3])
            raise InvalidInput(
                f"other assets have the very same bytes ({others}): add --shared to purge them too"
            )
        if not yes:
            _ask(planned, as_json=as_json)
        receipt = carry_out(
            planned,
            services,
            ask_service=ask_service,
            clear_local=clear_local,
            clear_versions=clear_versions,
        )
    if as_json:
        print_json({"complete": receipt.is_complete, **receipt.model_dump(mode="json")})
    else:
        click.echo("\n".join(_lines(receipt)))
    return 0 if receipt.is_complete else 1


def _ask(planned: Purge, *, as_json: bool) -> None:
    if as_json:
        raise InvalidInput("with --json nobody is asked: add --yes")
    for asset in planned.assets:
        click.echo(f"{asset.asset_id}  {asset.name}  {asset.blob.size_bytes} B", err=True)
    click.confirm(f"Remove the bytes of these {len(planned.assets)} for good?", abort=True, err=True)


def _lines(receipt: PurgeReceipt) -> list[str]:
    lines = [f"purged {len(receipt.digests)} files, {receipt.size_bytes} bytes; the records stay"]
    for copy in receipt.service:
        lines.append(f"  {copy.outcome:<9} {copy.kind} {copy.id}  {copy.message}".rstrip())
    lines += [f"  {copy.outcome:<9} {copy.path}  {copy.message}".rstrip() for copy in receipt.local]
    lines += _version_lines(receipt.versions)
    lines += [f"  not looked at: {place}" for place in receipt.unreached]
    if any(copy.outcome == "left" and not copy.message for copy in receipt.local):
        lines.append("next: add --local to remove the copies that are left on this machine")
    if not receipt.asked_service:
        lines.append("next: add --service to remove the service's copies too")
    return lines


def _version_lines(versions: OldVersions) -> list[str]:
    match versions.outcome:
        case "none":
            return []
        case "deleted":
            return [f"  deleted   {versions.count} versions that the bucket had kept"]
        case "left":
            return [
                "  left      the bucket keeps what is deleted as older versions",
                "next: add --versions to remove those too",
            ]
        case _:
            return [f"  {versions.outcome:<9} older versions in the bucket  {versions.message}"]
