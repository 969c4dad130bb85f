"""The MCP server: tools and resources for coding agents, over stdio or HTTP on this machine."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError, UnexpectedToolError
from mcp.types import CallToolResult, InputRequiredResult
from pydantic import ValidationError

from assetmill.serving_agents import commands
from assetmill.serving_agents.looking_tools import add_looking_tools
from assetmill.serving_agents.refusing import unfit
from assetmill.serving_agents.serving import Serving, in_thread
from assetmill.serving_agents.spending_tools import add_spending_tools
from assetmill.settings import Settings

_INSTRUCTIONS = (
    "Pipelines of agent stages make pictures and files here, and what is paid for is kept. "
    "`plan` first: it says what would run and what it would cost. `run`, `batch`, `edit` and `update` spend "
    "money: give each a ceiling and a key of your own, then ask `status`. The same call with the same key is "
    "paid once. "
    "`look` shows a small picture of an asset."
)
_DOCS = Path(__file__).resolve().parents[2] / "docs"
"""Only a checkout has them; an installed wheel serves the schema and the last run alone."""


class AgentServer(MCPServer[Serving]):
    """The SDK's server, save that arguments a tool cannot take are refused in our words."""

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[Serving, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        """Call a tool.

        Raises:
            ToolError: it refused, or cannot be called so.
        """
        try:
            return await super().call_tool(name, arguments, context)
        except UnexpectedToolError:
            raise
        except ToolError as error:
            if not isinstance(error.__cause__, ValidationError):
                raise
            tool = next(tool for tool in await self.list_tools() if tool.name == name)
            raise ToolError(unfit(name, tool.input_schema, error.__cause__)) from error


def make_server(settings: Settings) -> MCPServer[Serving]:
    """Return a server for one profile."""

    @asynccontextmanager
    async def lifespan(_: MCPServer[Serving]) -> AsyncGenerator[Serving]:
        serving = Serving(settings)
        try:
            yield serving
        finally:
            serving.close()

    server = AgentServer(
        "assetmill",
        title="assetmill",
        instructions=_INSTRUCTIONS,
        version=version("assetmill"),
        log_level="WARNING",
        lifespan=lifespan,
    )
    add_looking_tools(server)
    add_spending_tools(server)
    _add_resources(server, settings)
    return server


def _add_resources(server: MCPServer[Any], settings: Settings) -> None:
    @server.resource("assetmill://schema", mime_type="application/schema+json")
    async def schema() -> str:  # pyright: ignore[reportUnusedFunction] - the decorator keeps it
        """The JSON Schema of pipeline files."""
        return json.dumps(await in_thread(commands.look_up, ["schema"], None))

    @server.resource("assetmill://runs/latest", mime_type="application/json")
    async def latest() -> str:  # pyright: ignore[reportUnusedFunction]
        """The newest run: its stages, assets and cost."""
        return json.dumps(await in_thread(commands.look_up, ["show", "latest"], settings.profile))

    for page in sorted(_DOCS.glob("*.md")):
        _add_page(server, page)


def _add_page(server: MCPServer[Any], page: Path) -> None:
    @server.resource(f"assetmill://docs/{page.stem}", name=page.stem, mime_type="text/markdown")
    async def read() -> str:  # pyright: ignore[reportUnusedFunction]
        """A page of the documentation."""
        return await in_thread(page.read_text, encoding="utf-8")
