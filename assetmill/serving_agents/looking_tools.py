"""The tools that spend nothing: what there is, what it would cost, where it came from, what it looks like."""

from __future__ import annotations

import base64
import json
import subprocess
from typing import Annotated, Any

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ImageContent, TextContent, ToolAnnotations
from pydantic import Field

from assetmill.serving_agents import commands, pictures
from assetmill.serving_agents.serving import FREE, Answer, in_thread, looked_up, serving_of

Ctx = Context[Any, Any]
Parameters = Annotated[dict[str, Any] | None, Field(description="The pipeline's parameters by name.")]
_READS = ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)


async def list_pipelines(ctx: Ctx) -> dict[str, Any]:
    """List the pipelines of the project with their parameters and stages."""
    return await looked_up(ctx, ["pipelines"])


async def describe(ctx: Ctx, pipeline: str) -> dict[str, Any]:
    """Describe one pipeline: its parameters with types and defaults, its stages."""
    listed = await looked_up(ctx, ["pipelines"])
    found = next((entry for entry in listed["pipelines"] if entry["name"] == pipeline), None)
    if found is None:
        names = ", ".join(entry["name"] for entry in listed["pipelines"])
        raise ToolError(f"no pipeline {pipeline!r}; there are: {names}")
    return {"cost": FREE, **found}


async def plan(ctx: Ctx, pipeline: str, parameters: Parameters = None) -> dict[str, Any]:
    """Say what a run would do and why, stage by stage, and what it would cost. Spends and writes nothing."""
    return await looked_up(ctx, ["plan", pipeline], parameters)


async def assets(
    ctx: Ctx,
    run: Annotated[str | None, Field(description="Only of this run: its ID, or `latest`.")] = None,
    limit: Annotated[int, Field(ge=1, le=100)] = 20,
) -> dict[str, Any]:
    """List assets with their IDs, newest last. No bytes: `look` shows one."""
    document = await in_thread(
        commands.look_up, ["assets"], serving_of(ctx).settings.profile, None, ["--run", run] if run else []
    )
    found = document["assets"]
    return {"cost": FREE, "assets": found[-limit:], "left_out": max(0, len(found) - limit)}


async def look(
    ctx: Ctx,
    asset: Annotated[
        str, Field(description="An asset ID or its beginning, RUN/STAGE/NAME, `latest` as RUN.")
    ],
    longest_px: Annotated[int, Field(ge=32, le=pictures.MOST_PX)] = pictures.STANDARD_PX,
) -> list[TextContent | ImageContent]:
    """Look at an asset: a small picture of it, never its whole bytes."""
    found = await in_thread(pictures.thumbnail, asset, longest_px, serving_of(ctx).settings)
    told = {
        "cost": FREE,
        "asset_id": found.asset_id,
        "name": found.name,
        "whole_px": found.whole,
        "shown_px": (found.width, found.height),
    }
    data = base64.b64encode(found.data).decode("ascii")
    return [
        TextContent(type="text", text=json.dumps(told)),
        ImageContent(type="image", data=data, mime_type="image/jpeg"),
    ]


async def why(ctx: Ctx, run: str, stage: str) -> dict[str, Any]:
    """Say why a stage of a run ran, or why it was reused. `run` is a run's ID or `latest`."""
    return await looked_up(ctx, ["why", run, stage])


async def lineage(ctx: Ctx, asset: str) -> dict[str, Any]:
    """Show what an asset was made from and what was made from it, with prompts, models and costs."""
    return await looked_up(ctx, ["lineage", asset])


async def check(ctx: Ctx) -> dict[str, Any]:
    """Say what no longer matches assets.lock. Exit code and findings are in the answer."""
    return await looked_up(ctx, ["check"])


async def spend(ctx: Ctx, by: str = "day") -> dict[str, Any]:
    """Show what was spent in all: by day, pipeline, stage or model."""
    document = await in_thread(
        commands.look_up, ["spend"], serving_of(ctx).settings.profile, None, ["--by", by]
    )
    return {"cost": FREE, **document}


async def review_link(
    ctx: Ctx, what: Annotated[str | None, Field(description="A run, a batch, a pipeline or an asset.")] = None
) -> dict[str, Any]:
    """Open a review page on this machine and return its link, which works once; it ends with this server."""
    serving = serving_of(ctx)
    words = commands.with_options(
        ["open", "--no-browser", *([what] if what else [])], serving.settings.profile, []
    )

    def opened() -> dict[str, Any]:
        page = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        serving.pages.append(page)
        return commands.first_document(page)

    return {"cost": FREE, **await in_thread(opened)}


def add_looking_tools(server: MCPServer[Any]) -> None:
    """Add the tools that spend nothing."""
    tools: tuple[Any, ...] = (
        list_pipelines, describe, plan, assets, why, lineage, check, spend, review_link,
    )  # fmt: skip
    for tool in tools:
        server.add_tool(tool, annotations=_READS)
    server.add_tool(look, annotations=_READS, structured_output=False)


__all__ = ["Answer", "add_looking_tools"]
