"""Prepare what a first run would wait for, and end what runs left behind."""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path

import click

from assetmill.cli.options import json_option, print_json
from assetmill.local import detached, prefect_server
from assetmill.local.left_running import left_running
from assetmill.local.own_prefect import lasting_prefect_service, prefect_service
from assetmill.local.services import emulator_service
from assetmill.private import make_home
from assetmill.settings import load_settings


@click.command(hidden=True)
def setup() -> None:
    """Prepare Prefect's local database, so that no run waits for its migrations."""
    prepared = prefect_server.template()
    if not prepared.is_file():
        prepared.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as work:
            _migrate(Path(work))
            prefect_server.copy_database(Path(work) / prefect_server.DATABASE, prepared)
    prefect_server.lay_out(make_home(load_settings().home) / "prefect")
    click.echo(f"Prefect's database is ready: {prepared}")


@click.command()
@click.option("--profile", help="Whose services; the default is the profile of runs.")
@click.option("--all", "everywhere", is_flag=True, help="Those of all your projects on this machine.")
@json_option
def stop(profile: str | None, *, everywhere: bool, as_json: bool) -> None:
    """End the embedded services of this directory now.

    They would end when they have been idle for a while.
    """
    if everywhere:
        return _stop_all(as_json=as_json)
    settings = load_settings(profile)
    ended: dict[str, bool] = {}
    left = set[str]()
    if settings.home.is_dir():
        started = (
            emulator_service(settings),
            prefect_service(settings),
            lasting_prefect_service(settings, 1),
        )
        ended = {service.title: detached.stop(service) for service in started}
        left = {service.title for service in started if detached.is_guarded(service.directory)}
    if as_json:
        return print_json({"services": [{"title": title, "stopped": was} for title, was in ended.items()]})
    for title, was_running in ended.items():
        # `emulator serve` and `serve` work in somebody's terminal.
        otherwise = (
            "works still: end it with Ctrl-C where it was started" if title in left else "was not running"
        )
        click.echo(f"{title}: {'stopped' if was_running else otherwise}")
    return None if ended else click.echo("nothing was started here")


def _stop_all(*, as_json: bool) -> None:
    ended = [(service, detached.stop_in(service.directory)) for service in left_running()]
    if as_json:
        told = [
            {"title": service.title, "directory": str(service.directory), "stopped": was}
            for service, was in ended
        ]
        return print_json({"services": told})
    for service, was in ended:
        click.echo(f"{service.title} in {service.directory}: {'stopped' if was else 'is still ending'}")
    return None if ended else click.echo("nothing is running")


def _migrate(directory: Path) -> None:
    os.environ["PREFECT_HOME"] = str(directory)
    os.environ["PREFECT_SERVER_DATABASE_CONNECTION_URL"] = prefect_server.database_url(directory)
    os.environ["PREFECT_LOGGING_LEVEL"] = "ERROR"
    from prefect.server.database import provide_database_interface

    async def create() -> None:
        database = provide_database_interface()
        await database.create_db()
        await (await database.engine()).dispose()

    asyncio.run(create())
