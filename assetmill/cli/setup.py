"""Prepare what a first run would wait for, and end what runs left behind."""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path

import click

from assetmill.local import detached, prefect_server
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
def stop(profile: str | None) -> None:
    """End the embedded services of this directory now, instead of when they have been idle for a while."""
    settings = load_settings(profile)
    if not settings.home.is_dir():
        return click.echo("nothing was started here")
    services = (emulator_service(settings), prefect_service(settings), lasting_prefect_service(settings, 1))
    for service in services:
        ended = detached.stop(service)
        click.echo(f"{service.title}: {'stopped' if ended else 'was not running'}")


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
