"""A project for coding agents, and a client that calls the server's tools."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mcp import Client, StdioServerParameters
from mcp.types import CallToolResult, ElicitRequestParams, ElicitResult

from assetmill.project import find_configs

PIPELINE = """
name: card
parameters:
  subject: {default: a red mug}
stages:
  - name: pic
    prompt: Draw {{ subject }}.
    tools: [{type: image_generation, size: 1024x1024, quality: low}]
    outputs: [{name: pic.png}]
"""


_BASE64 = re.compile(r"[A-Za-z0-9+/_=-]{40,}")


def lay_out(folder: Path, profile: str = "") -> Path:
    """Make a project with one pipeline and, where given, a profile `mine`."""
    (folder / "configs" / "pipelines").mkdir(parents=True)
    (folder / "configs" / "profiles").mkdir()
    (folder / "configs" / "pipelines" / "card.yaml").write_text(PIPELINE)
    configs = find_configs({})
    for name in ("prices.toml", "image_models.toml"):
        (folder / "configs" / name).write_bytes((configs / name).read_bytes())
    text = (configs / "profiles" / "local.toml").read_text()
    (folder / "configs" / "profiles" / "local.toml").write_text(text)
    (folder / "configs" / "profiles" / "mine.toml").write_text(f"{text}\n{profile}\n")
    return folder


def environment() -> dict[str, str]:
    """Return ours without what another test's Prefect left, and with a patient idle time."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    return {**clean, "ASSETMILL_IDLE_TIMEOUT_S": "120"}


def program(folder: Path, *options: str) -> StdioServerParameters:
    """Return how the server is started; it writes its process ID, so that a test can kill it."""
    command = f'echo $$ > server.pid; exec "{sys.executable}" -m assetmill.cli.main mcp "$@"'
    return StdioServerParameters(
        command="/bin/sh", args=["-c", command, "sh", *options], cwd=str(folder), env=environment()
    )


@dataclass
class Agent:
    """A coding agent's side of a conversation."""

    client: Client
    progress: list[tuple[float, float | None, str | None]] = field(
        default_factory=list[tuple[float, float | None, str | None]]
    )
    longest_base64: int = 0
    """The longest stretch in any answer that can be a file's bytes."""
    transcript: list[tuple[str, dict[str, Any], CallToolResult]] = field(
        default_factory=list[tuple[str, dict[str, Any], CallToolResult]]
    )

    async def call(self, tool: str, **arguments: Any) -> CallToolResult:
        """Call a tool."""
        answer = await self.client.call_tool(tool, arguments, progress_callback=self._note)
        assert isinstance(answer, CallToolResult)
        texts = [words(answer), *(part.data for part in answer.content if part.type == "image")]
        found = [len(run) for text in texts for run in _BASE64.findall(text)]
        self.longest_base64 = max([self.longest_base64, *found])
        self.transcript.append((tool, arguments, answer))
        return answer

    async def document(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool that must succeed."""
        answer = await self.call(tool, **arguments)
        assert not answer.is_error, words(answer)
        return json.loads(words(answer))

    async def refusal(self, tool: str, **arguments: Any) -> str:
        """Call a tool that must refuse."""
        answer = await self.call(tool, **arguments)
        assert answer.is_error, words(answer)
        return words(answer)

    async def _note(self, progress: float, total: float | None, message: str | None) -> None:
        self.progress.append((progress, total, message))


def words(answer: CallToolResult) -> str:
    """Return the text of an answer."""
    return "".join(part.text for part in answer.content if part.type == "text")


def talk(
    server: Any, conversation: Callable[[Agent], Awaitable[None]], *, consents: bool | None = None
) -> None:
    """Hold a conversation; `consents` is a person's word where the program can ask one."""

    async def elicited(context: Any, params: ElicitRequestParams) -> ElicitResult:
        del context, params
        return ElicitResult(action="accept", content={"allow": bool(consents)})

    async def hold() -> None:
        callback = None if consents is None else elicited
        async with Client(server, elicitation_callback=callback) as client:
            await conversation(Agent(client))

    asyncio.run(hold())
