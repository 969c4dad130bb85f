"""The tools that spend: each under a caller's key and a ceiling, answered at once, told by `status`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any

import anyio
from mcp.server.elicitation import AcceptedElicitation
from mcp.server.mcpserver import Context, Elicit, ElicitationResult, MCPServer, Resolve
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic import BaseModel, Field

from assetmill.errors import InvalidInput
from assetmill.serving_agents import permission, standing
from assetmill.serving_agents.looking_tools import Parameters
from assetmill.serving_agents.serving import in_thread, serving_of

Ctx = Context[Any, Any]
Key = Annotated[
    str,
    Field(
        min_length=1,
        max_length=200,
        description="Your own name for this call. The same call with the same key is never paid twice: it "
        "answers with what was made, or goes on. Take a new key for a new attempt.",
    ),
]
Ceiling = Annotated[
    float,
    Field(gt=0, allow_inf_nan=False, description="The most that this call may spend, in US dollars."),
]
_SPENDS = ToolAnnotations(
    read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=True
)
_SPENDING_META = {"assetmill/spends": True}
_MOST_WAIT_S, _LOOK_EVERY_S = 300.0, 0.5
_STAGES = re.compile(r": (\d+) stages?, ")
_ENDED = re.compile(r"^\S+\s+(?:done|reused|failed|skipped)\b")


class Consent(BaseModel):
    """A person's word on a call that spends."""

    allow: bool = Field(description="May it spend this?")


async def _consent(ctx: Ctx, tool: str, what: str, key: str, budget_usd: float) -> Consent | Elicit[Consent]:
    settings = serving_of(ctx).settings
    try:
        permission.check_ceiling(tool, budget_usd, settings)
    except InvalidInput as error:
        raise ToolError(str(error)) from error
    if settings.coding_agents.spend == "allow" or await in_thread(standing.is_known, key, settings):
        return Consent(allow=True)
    capabilities = ctx.client_capabilities
    if capabilities is None or capabilities.elicitation is None:
        raise ToolError(str(permission.cannot_ask(tool, settings)))
    return Elicit(permission.question(tool, what, budget_usd), Consent)


async def run_consent(ctx: Ctx, key: str, budget_usd: float, pipeline: str) -> Consent | Elicit[Consent]:
    """Ask for a run."""
    return await _consent(ctx, "run", pipeline, key, budget_usd)


async def batch_consent(
    ctx: Ctx, key: str, budget_usd: float, pipeline: str, rows: str
) -> Consent | Elicit[Consent]:
    """Ask for a batch."""
    return await _consent(ctx, "batch", f"{pipeline} for {rows}", key, budget_usd)


async def edit_consent(
    ctx: Ctx, key: str, budget_usd: float, asset: str, instruction: str
) -> Consent | Elicit[Consent]:
    """Ask for an edit."""
    return await _consent(ctx, "edit", f"{asset}: {instruction}", key, budget_usd)


async def update_consent(ctx: Ctx, key: str, budget_usd: float) -> Consent | Elicit[Consent]:
    """Ask for an update."""
    return await _consent(ctx, "update", "what is stale", key, budget_usd)


async def _asked(
    ctx: Ctx, tool: str, key: str, budget_usd: float, consent: ElicitationResult[Consent], **arguments: Any
) -> dict[str, Any]:
    if not (isinstance(consent, AcceptedElicitation) and consent.data.allow):
        raise ToolError(f"a person did not allow this `{tool}`; nothing was begun and nothing spent")
    given = {name: value for name, value in arguments.items() if value is not None}
    return await in_thread(standing.ask, key, tool, given, budget_usd, serving_of(ctx).settings)


async def run(
    ctx: Ctx,
    *,
    key: Key,
    budget_usd: Ceiling,
    pipeline: str,
    consent: Annotated[ElicitationResult[Consent], Resolve(run_consent)],
    parameters: Parameters = None,
) -> dict[str, Any]:
    """Run a pipeline (spends money). Answers at once with the run's ID; `status` tells how it goes."""
    return await _asked(ctx, "run", key, budget_usd, consent, pipeline=pipeline, parameters=parameters)


async def batch(
    ctx: Ctx,
    *,
    key: Key,
    budget_usd: Ceiling,
    pipeline: str,
    rows: Annotated[str, Field(description="Path of the table: .csv, .tsv, .xlsx, .jsonl, .parquet.")],
    consent: Annotated[ElicitationResult[Consent], Resolve(batch_consent)],
    name: str | None = None,
    parameters: Parameters = None,
) -> dict[str, Any]:
    """Run a pipeline for every row of a table (spends money). Answers at once with the batch's ID."""
    return await _asked(
        ctx, "batch", key, budget_usd, consent, pipeline=pipeline, rows=rows, name=name, parameters=parameters
    )


async def edit(
    ctx: Ctx,
    *,
    key: Key,
    budget_usd: Ceiling,
    asset: Annotated[str, Field(description="An asset ID, or RUN/STAGE/NAME with `latest` as RUN.")],
    instruction: str,
    consent: Annotated[ElicitationResult[Consent], Resolve(edit_consent)],
    box: Annotated[str | None, Field(description="X,Y,W,H in pixels: only there it may change.")] = None,
    mask: Annotated[str | None, Field(description="Path of a mask picture.")] = None,
    quality: str | None = None,
    size: str | None = None,
    model: str | None = None,
    n: Annotated[int | None, Field(ge=1, le=8, description="How many results.")] = None,
) -> dict[str, Any]:
    """Change an asset by words (spends money): "make the sky dusk". Answers at once with the run's ID."""
    options = {"box": box, "mask": mask, "quality": quality, "size": size, "model": model, "n": n}
    return await _asked(
        ctx, "edit", key, budget_usd, consent, asset=asset, instruction=instruction, **options
    )


async def update(
    ctx: Ctx,
    *,
    key: Key,
    budget_usd: Ceiling,
    consent: Annotated[ElicitationResult[Consent], Resolve(update_consent)],
    pipeline: str | None = None,
) -> dict[str, Any]:
    """Make what is stale in assets.lock, and nothing else (spends money). Answers at once with a call ID."""
    return await _asked(ctx, "update", key, budget_usd, consent, pipeline=pipeline)


async def status(
    ctx: Ctx,
    call_id: Annotated[str, Field(description="The call's ID, or the `run_id` that it was answered with.")],
    wait_s: Annotated[float, Field(ge=0, le=_MOST_WAIT_S, description="Wait so long for its end.")] = 0.0,
) -> dict[str, Any]:
    """Say where a call stands: running, completed, failed or stopped, with its cost and what it made.

    An unknown call, or one that was lost, is an error. While it waits, progress is told.
    """
    settings = serving_of(ctx).settings
    deadline = anyio.current_time() + wait_s
    shown = -1
    while True:
        told = await in_thread(standing.status, call_id, settings)
        lines: Sequence[str] = told["progress"]
        ended, stages = progress_in(lines)
        if ended != shown and lines:
            shown = ended
            await ctx.report_progress(ended, stages, lines[-1])
        left_s = deadline - anyio.current_time()
        if told["status"] != "running" or left_s <= 0:
            return told
        await anyio.sleep(min(_LOOK_EVERY_S, left_s))


def progress_in(lines: Sequence[str]) -> tuple[int, float | None]:
    """Return how many stages a command has ended, and of how many, as far as it said so."""
    found = [float(match[1]) for line in lines if (match := _STAGES.search(line))]
    return sum(bool(_ENDED.match(line)) for line in lines), (found[-1] if found else None)


def add_spending_tools(server: MCPServer[Any]) -> None:
    """Add the tools that spend, marked so, and the one that tells what became of them."""
    for tool in (run, batch, edit, update):
        title = f"{tool.__name__.capitalize()} (spends money)"
        server.add_tool(tool, title=title, annotations=_SPENDS, meta=_SPENDING_META)
    looks = ToolAnnotations(
        read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
    )
    server.add_tool(status, annotations=looks)
