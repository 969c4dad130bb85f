"""`assetmill repair`: mends a damaged store, and says what a person can do about the rest."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import click

from assetmill.care.repairing import Repairer
from assetmill.care.repairs import Repaired, mend_mark
from assetmill.care.salvage import Salvage
from assetmill.cli.options import json_option, print_json, profile_option
from assetmill.cli.telling import reads_records, told_progress
from assetmill.settings import Settings, load_settings
from assetmill.stage.services import open_services
from assetmill.store.opening import open_store
from assetmill.store.run_ids import make_run_id

_SAID = {
    "mended": "mended",
    "aside": "set aside",
    "lost": "lost",
    "made_again": "to be made again",
    "stray": "stray",
    "newer": "newer",
}


@click.command()
@click.option("--from", "folders", multiple=True, metavar="DIR", type=click.Path(path_type=Path, exists=True),
              help="Look for lost files there too; repeatable.")  # fmt: skip
@click.option("--make-again", is_flag=True, help="Let runs pay again for what is lost for good.")
@click.option("--offline", is_flag=True, help="Do not ask the service for what it still has.")
@profile_option
@json_option
def repair(
    folders: tuple[Path, ...], profile: str | None, *, make_again: bool, offline: bool, as_json: bool
) -> int:
    """Mend what is damaged in the store.

    From its other records, from exported files, from the service.

    Nothing is thrown away: what cannot be read is set aside. Exit code 0 when nothing is lost any more.
    """
    settings = load_settings(profile)
    if settings.uses_emulator and not offline:
        from assetmill.local.services import local_services

        with local_services(settings, prefect=False) as local:
            local.wait_for_emulator()
            return _repair(settings, folders, profile, make_again=make_again, offline=False, as_json=as_json)
    return _repair(settings, folders, profile, make_again=make_again, offline=offline, as_json=as_json)


def _mend_mark(settings: Settings) -> Repaired | None:
    """Set a damaged mark of the store aside: without one the store is probed as at its first use."""
    backend = open_store(settings.store_url, endpoint_url=settings.store.endpoint_url,
                         region=settings.store.region, home=settings.home)  # fmt: skip
    with closing(backend):
        return mend_mark(backend)


def _repair(
    settings: Settings,
    folders: tuple[Path, ...],
    profile: str | None,
    *,
    make_again: bool,
    offline: bool,
    as_json: bool,
) -> int:
    done = [mark] if (mark := _mend_mark(settings)) else []
    _tell(*done, as_json=as_json)
    with open_services(load_settings(profile)) as services:
        salvage = Salvage(services, (settings.home / "out", *folders), asks_service=not offline)
        run_id = make_run_id(str(uuid.uuid4()), time.time())
        repairer = Repairer(services, salvage, run_id, may_make_again=make_again)
        with told_progress(services.backend, reads=reads_records, done=lambda: repairer.objects) as clear:
            for one in repairer.repair():
                clear()
                done.append(one)
                _tell(one, as_json=as_json)
    counts = Counter(one.state for one in done)
    if as_json:
        print_json({"status": "damaged" if counts["lost"] else "whole", "counts": dict(counts),
                    "objects": [asdict(one) for one in done]})  # fmt: skip
    else:
        said = ", ".join(f"{count} {_SAID[state]}" for state, count in counts.items())
        click.echo(said or "nothing to mend")
    return 1 if counts["lost"] else 0


def _tell(*done: Repaired, as_json: bool) -> None:
    for one in () if as_json else done:
        click.echo(f"{_SAID[one.state]:<16} {one.what}: {one.message}\n{'':<17}{one.key}")
