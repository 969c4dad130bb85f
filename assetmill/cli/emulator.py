"""`assetmill emulator`: the embedded Foundry service by itself, its bill, and how to make it forget."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from assetmill.cli.options import json_option, print_json, usd, when
from assetmill.errors import InvalidInput
from assetmill.private import make_home
from assetmill.settings import load_settings

_DIRECTORY = click.Path(file_okay=False, path_type=Path)
state_option = click.option("--state", type=_DIRECTORY, help="Its directory; default: the local profile's.")


@click.group()
def emulator() -> None:
    """Serve the embedded Foundry service, or look into it."""
    from assetmill.local.services import require_emulator

    require_emulator()


@emulator.command()
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Project endpoint's port; 0: any.")
@state_option
@click.option("--ready-file", type=click.Path(dir_okay=False, path_type=Path), help="JSON, once it answers.")
@click.option("--idle-timeout", type=click.FloatRange(min=0, min_open=True), help="End when idle so long.")
@click.option("--unsafe-code-interpreter", is_flag=True, help="Run programs even where no sandbox holds.")
@click.option("--allow-mcp-host", multiple=True, metavar="HOST", help="An MCP host besides loopback.")
@json_option
def serve(
    port: int,
    state: Path | None,
    ready_file: Path | None,
    idle_timeout: float | None,
    allow_mcp_host: tuple[str, ...],
    *,
    unsafe_code_interpreter: bool,
    as_json: bool,
) -> None:
    """Serve until Ctrl-C, and print how an SDK reaches it.

    Any official client does.
    """
    from foundry_emulator.server import Ready, StateInUse
    from foundry_emulator.server import serve as serve_state

    def say(ready: Ready) -> None:
        if as_json:
            print_json({"endpoint": ready.endpoint, "environment": ready.environment()})
            return sys.stdout.flush()
        click.echo(f"# the embedded Foundry service: {ready.endpoint}")
        for name, value in ready.environment().items():
            click.echo(f"export {name}={value}")
        return sys.stdout.flush()

    if state is None:
        make_home(load_settings().home)
    os.umask(0o077)
    try:
        serve_state(
            _state(state),
            port,
            ready_file,
            idle_timeout,
            unsafe_code_interpreter=unsafe_code_interpreter,
            mcp_hosts=frozenset(allow_mcp_host),
            on_ready=say,
        )
    except StateInUse as error:
        raise InvalidInput(str(error)) from error
    except OSError as error:
        raise InvalidInput(f"cannot serve on port {port}: {error.strerror or error}") from error


@emulator.command()
@state_option
@json_option
def bill(state: Path | None, *, as_json: bool) -> None:
    """Show what a real service would have charged.

    One line per charge.
    """
    from foundry_emulator.at_rest import NoSuchState, read_bill

    try:
        charges = read_bill(_state(state))
    except NoSuchState as error:
        raise InvalidInput(str(error)) from error
    if as_json:
        return print_json({"charges": charges})
    for charge in charges:
        parts = [when(charge["at"]), *(charge.get(key) for key in ("kind", "model", "response_id"))]
        click.echo(f"{usd(charge.get('usd')):>9}  " + "  ".join(str(part) for part in parts if part))
    total = sum(float(charge.get("usd") or 0.0) for charge in charges)
    return click.echo(f"{usd(total):>9}  in all, {len(charges)} charges")


@emulator.command()
@state_option
@click.option("--all", "kinds", flag_value="all", help="Everything that can expire.")
@click.option("--files", "files", is_flag=True, help="Uploaded files.")
@click.option("--containers", is_flag=True, help="Code interpreter containers.")
@click.option("--responses", is_flag=True, help="Stored responses.")
@click.option("--vector-stores", "vector_stores", is_flag=True, help="Vector stores.")
@json_option
def expire(state: Path | None, kinds: str | None, *, as_json: bool, **chosen: bool) -> None:
    """Make the service forget, as the real one does in time."""
    from foundry_emulator.at_rest import NoSuchState
    from foundry_emulator.at_rest import expire as expire_state

    named = [kinds] if kinds else [kind for kind, is_chosen in chosen.items() if is_chosen]
    if not named:
        raise click.UsageError("say what expires: --all, --files, --containers, --responses, --vector-stores")
    try:
        expired = expire_state(_state(state), named)
    except NoSuchState as error:
        raise InvalidInput(str(error)) from error
    if as_json:
        print_json({"expired": dict(expired)})
    for kind, count in () if as_json else expired.items():
        click.echo(f"{kind}: {count} expired")


def _state(given: Path | None) -> Path:
    return given or load_settings().emulator_home
