"""`assetmill cancel`: call off a run or a batch, on whatever machines it is."""

from __future__ import annotations

import getpass
import socket

import click

from assetmill.batches.ledger import BATCH_ID, BatchLedger
from assetmill.cli.options import json_option, print_json, profile_option
from assetmill.errors import InvalidInput, NotFound
from assetmill.records import RunId
from assetmill.settings import load_settings
from assetmill.stage.services import Services, open_services


@click.command()
@click.argument("name", metavar="RUN|BATCH")
@profile_option
@json_option
def cancel(name: str, profile: str | None, *, as_json: bool) -> None:
    """Call off RUN or BATCH, on whatever machines it is at work.

    Within seconds nothing more of it is begun; what was posted already is found again by the next run, and
    paid for once. What is made stays.
    """
    with open_services(load_settings(profile)) as services:
        kind = call_off(name, services)
    if as_json:
        print_json({"name": name, "kind": kind})
    else:
        click.echo(f"{kind} {name} is called off: within seconds nothing more of it is begun")


def call_off(name: str, services: Services) -> str:
    """Store the mark that calls a run or a batch off, and return which of the two it is.

    Raises:
        InvalidInput: the run is over.
        NotFound: there is neither.
    """
    reason = f"cancelled by {getpass.getuser()} on {socket.gethostname()}"
    batches = BatchLedger(services.backend)
    if name.startswith("run_"):
        run_id = RunId(name)
        if services.ledger.read_start(run_id) is None:
            raise NotFound("run", name, "`assetmill show` lists them; a batch is called off by its own name")
        if services.ledger.find_manifest(run_id):
            raise InvalidInput(f"run {name} is over: `assetmill show {name}` says how it ended")
        services.ledger.cancel(run_id, reason)
        return "run"
    if not BATCH_ID.fullmatch(name):
        raise NotFound("batch", name, "see what `assetmill batch` printed when it began")
    if not batches.is_known(name):
        # The first rows of a batch may be under way: nothing of it is stored until some have ended.
        click.echo(f"warning: nothing of a batch {name!r} is stored yet; is that its name?", err=True)
    batches.cancel(name, reason)
    return "batch"
