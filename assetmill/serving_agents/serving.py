"""What the tools of one server share: the profile, and the review pages that were opened."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import anyio.to_thread
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError

from assetmill.errors import AssetmillError
from assetmill.serving_agents import commands
from assetmill.serving_agents.standing import bounded
from assetmill.settings import Settings

T = TypeVar("T")
FREE = {"spent_usd": 0.0}


@dataclass
class Serving:
    """One server's profile, and the processes that end with it."""

    settings: Settings
    pages: list[subprocess.Popen[str]] = field(default_factory=list[subprocess.Popen[str]])

    def close(self) -> None:
        """End the review pages."""
        for page in self.pages:
            page.terminate()
            page.wait()


def serving_of(ctx: Context[Any, Any]) -> Serving:
    """Return what the server of a call shares."""
    serving = ctx.request_context.lifespan_context
    assert isinstance(serving, Serving)  # noqa: S101 - the server's own lifespan yields it
    return serving


async def in_thread(work: Callable[..., T], *arguments: Any, **options: Any) -> T:
    """Do blocking work beside the loop; what goes wrong is told in the words of the command line.

    Raises:
        ToolError: the work refused. The SDK hides the text of every other error.
    """
    try:
        return await anyio.to_thread.run_sync(partial(work, *arguments, **options))
    except AssetmillError as error:
        raise ToolError(str(error)) from error
    except subprocess.TimeoutExpired as error:
        raise ToolError(f"the command did not end within {error.timeout:g} s") from error


async def looked_up(
    ctx: Context[Any, Any], words: list[str], parameters: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Answer with the document of a command that spends nothing."""
    profile = serving_of(ctx).settings.profile
    document = await in_thread(commands.look_up, words, profile, parameters)
    return {"cost": FREE, **bounded(document)}


Answer = Coroutine[Any, Any, dict[str, Any]]
