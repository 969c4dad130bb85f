"""`assetmill store copy`: a whole store into another place, while it is worked with."""

from __future__ import annotations

import threading
from dataclasses import asdict

import click

from assetmill.care.copying import Copied, StoreCopier
from assetmill.cli.options import json_option, print_json, profile_option
from assetmill.errors import InvalidInput
from assetmill.outages import Outages
from assetmill.settings import Settings, load_settings
from assetmill.store.backend import Backend
from assetmill.store.opening import open_store, probe
from assetmill.store.waiting import WaitingBackend

_SHOWN = 20


@click.group()
def store() -> None:
    """Look after stores as a whole."""


@store.command("copy")
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.option("--thorough", is_flag=True, help="Read and compare also what is there already.")
@click.option("--from-endpoint", metavar="URL", help="S3 endpoint of FROM; else the profile's.")
@click.option("--to-endpoint", metavar="URL", help="S3 endpoint of TO; else the profile's.")
@profile_option
@json_option
def copy(
    source: str,
    target: str,
    *,
    thorough: bool,
    from_endpoint: str | None,
    to_endpoint: str | None,
    profile: str | None,
    as_json: bool,
) -> int:
    """Copy the store FROM into TO.

    A backup, a restore, or a move. FROM may be worked with meanwhile.

    Nothing in TO is overwritten; run it again and only what is new is copied. Work with one of the two from
    then on: what is paid for through one the other knows nothing of. Exit code 1 when TO holds something else
    under a key.
    """
    settings = load_settings(profile)
    if source == target:
        raise InvalidInput(f"{source} is both: name two stores")
    outages = Outages(settings.run.outage_s, threading.Event())
    from_store = _opened(source, from_endpoint, settings, outages)
    to_store = _opened(target, to_endpoint, settings, outages)
    try:
        if next(from_store.list("v1/"), None) is None:
            raise InvalidInput(f"{from_store.name} is empty: is that its address?")
        probe(to_store)
        result = StoreCopier(from_store, to_store, is_thorough=thorough).run()
    finally:
        from_store.close()
        to_store.close()
    if as_json:
        print_json({"source": from_store.name, "target": to_store.name, **asdict(result)})
    else:
        click.echo(_summary(result, to_store.name))
    return 1 if result.differing else 0


def _opened(url: str, endpoint: str | None, settings: Settings, outages: Outages) -> Backend:
    told = settings.store
    found = open_store(
        url, endpoint_url=endpoint or told.endpoint_url, region=told.region, home=settings.home
    )
    return WaitingBackend(found, outages)


def _summary(result: Copied, target: str) -> str:
    lines = [
        f"{result.copied} objects copied ({result.size_bytes / 1e6:.1f} MB), {result.there} were in {target}"
    ]
    lines += [f"  differs: {key}" for key in result.differing[:_SHOWN]]
    if left := len(result.differing) - _SHOWN:
        lines += [f"  and {left} more"] if left > 0 else []
    return "\n".join(lines)
