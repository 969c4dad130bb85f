"""`assetmill mcp`: tools for coding agents."""

from __future__ import annotations

import importlib.util

import click

from assetmill.cli.options import profile_option
from assetmill.errors import InvalidSettings
from assetmill.settings import load_settings


@click.command()
@click.option("--http", "is_http", is_flag=True, help="Listen on this machine instead of talking over stdio.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="With --http: the port; else a free one."
)
@click.option("--no-spending", is_flag=True, help="Whatever the profile says: tools that spend refuse.")
@profile_option
def mcp(profile: str | None, *, is_http: bool, port: int, no_spending: bool) -> None:
    """Serve tools to a coding agent over the Model Context Protocol, until its program goes.

    What spends needs a ceiling and a key of the caller's; the same call twice is paid once.
    """
    if importlib.util.find_spec("mcp") is None:
        raise InvalidSettings("the tools for coding agents are an extra: `pip install 'assetmill[mcp]'`")
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
        click.echo(f"http://127.0.0.1:{listener.getsockname()[1]}{PATH}")
        click.echo(f"its bearer token is in {settings.home / 'mcp' / 'auth'}, after the colon", err=True)
        serve_http(server, listener, token)
    return None
