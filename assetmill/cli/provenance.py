"""`assetmill provenance`: what a file's own C2PA manifest says of it."""

from __future__ import annotations

from dataclasses import asdict

import click

from assetmill.cli.options import json_option, print_json, profile_option
from assetmill.editing.adopting import read_file
from assetmill.errors import NotFound
from assetmill.history.assets import AssetFinder, local_file
from assetmill.provenance.credentials import Credential, read_credential
from assetmill.settings import load_settings
from assetmill.stage.services import Services, open_services
from assetmill.store.index import Index


@click.command()
@click.argument("what", metavar="ASSET|FILE")
@profile_option
@json_option
def provenance(what: str, profile: str | None, *, as_json: bool) -> int:
    """Read and validate the C2PA manifest of an asset or a file.

    Exit code 1 when there is one and it does not hold: the file was changed, or the signature is wrong.
    """
    settings = load_settings(profile)
    with open_services(settings) as services:
        data = _bytes(what, services)
    credential = read_credential(data, settings.provenance)
    if as_json:
        print_json(asdict(credential))
    else:
        click.echo(_line(credential))
    return 1 if credential.state == "invalid" else 0


def _bytes(what: str, services: Services) -> bytes:
    """A file is read as it is, whether the store knows it or not."""
    if path := local_file(what):
        return read_file(path)
    asset = AssetFinder(services.ledger, Index(services.backend, services.ledger)).find(what)
    if data := services.blobs.find(asset.blob):
        return data
    raise NotFound("file", asset.name, "the store has lost its bytes, or they were purged")


def _line(credential: Credential) -> str:
    if credential.state == "absent":
        return "absent: the file has no C2PA manifest"
    by = f", signed by {credential.signer}" if credential.signer else ""
    made = f", made with {credential.generator}" if credential.generator else ""
    trust = " and trusted" if credential.is_trusted else ""
    problems = f": {', '.join(credential.problems)}" if credential.problems else ""
    return f"{credential.state}{trust}{by}{made}{problems}"
