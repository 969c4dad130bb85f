"""`assetmill mcp`: tools for coding agents."""

from __future__ import annotations

import importlib.util

import click

from assetmill.cli.options import json_option, print_json, profile_option
from assetmill.errors import InvalidInput, InvalidSettings
from assetmill.settings import load_settings


@click.command()
@click.option("--http", "is_http", is_flag=True, help="Listen on this machine instead of talking over stdio.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="With --http: the port; else a free one."
)
@click.option("--no-spending", is_flag=True, help="Whatever the profile says: tools that spend refuse.")
@profile_option
@json_option
def mcp(profile: str | None, *, is_http: bool, port: int, no_spending: bool, as_json: bool) -> None:
    """Serve tools to a coding agent.

    It is done over the Model Context Protocol, until the agent's program goes.

    What spends needs a ceiling and a key of the caller's; the same call twice is paid once.
    """
    if importlib.util.find_spec("mcp") is None:
        raise InvalidSettings("the tools for coding agents are an extra: `pip install 'assetmill[mcp]'`")
    if as_json and not is_http:
        raise InvalidInput("--json is for --http: over stdio stdout belongs to the protocol")
    settings = load_settings(profile)
    if no_spending:
        closed = settings.coding_agents.model_copy(update={"spend": "forbid"})
        settings = settings.model_copy(update={"coding_agents": closed})
    from assetmill.serving_agents.server import make_server

    server = make_server(settings)
    if not is_http:
        return server.run("stdio")
    from assetmill.local.gallery_server import listening
    from assetmill.serving_agents.http import PATH, serve_http, token_of

    token = token_of(settings)
    with listening(port) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}{PATH}"
        if as_json:
            print_json({"url": url, "auth_file": str(settings.home / "mcp" / "auth")})
        else:
            click.echo(url)
            click.echo(f"its bearer token is in {settings.home / 'mcp' / 'auth'}, after the colon", err=True)
        serve_http(server, listener, token)
    return None
