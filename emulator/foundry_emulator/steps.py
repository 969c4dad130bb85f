"""What the written rules see of a turn, and the steps they may take: the seam between rules and runner.

`rules.decide(turn)` is a generator. It yields a step, the runner carries it out with the real tool, sends
the result back into the generator, and writes the output item and its events. Rules never touch state.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Item = Mapping[str, Any]
"""An item of the Responses surface as JSON: a message, a tool call, a tool call's output."""


@dataclass(frozen=True)
class Picture:
    """A picture the turn can see: an `input_image`, or an earlier image call's result."""

    data: bytes
    source: str
    """The file ID, image call ID or `data:` marker it came from."""


@dataclass(frozen=True)
class ContainerFile:
    """A file mounted for code interpreter; `path` is absolute, under `/mnt/data`."""

    path: str
    data: bytes
    file_id: str | None = None


@dataclass(frozen=True)
class Turn:
    """Everything a model would be given for one response.

    `history` holds the whole conversation in order, the new input last. `text` is the text of the newest
    user message. `pictures` are in order of appearance, oldest first. `tools` are the agent's tools with
    defaults filled in and structured inputs already substituted.
    """

    text: str
    instructions: str
    history: Sequence[Item]
    tools: Sequence[Mapping[str, Any]]
    model: str
    tool_choice: str | Mapping[str, Any] = "auto"
    text_format: Mapping[str, Any] | None = None
    pictures: Sequence[Picture] = ()
    mask: Picture | None = None
    container_files: Sequence[ContainerFile] = ()
    max_tool_calls: int | None = None

    def tool(self, kind: str) -> Mapping[str, Any] | None:
        """Return the first tool of that type, or None when the turn has none."""
        return next((tool for tool in self.tools if tool["type"] == kind), None)


@dataclass(frozen=True)
class Draw:
    """Call the image tool; the runner adds size, format and the rest from the tool's own settings."""

    prompt: str
    action: Literal["generate", "edit"] = "generate"


@dataclass(frozen=True)
class RunCode:
    """Run Python in the turn's container."""

    code: str


@dataclass(frozen=True)
class SearchFiles:
    """Search the file search tool's vector stores."""

    queries: Sequence[str]


@dataclass(frozen=True)
class CallFunction:
    """Ask the caller to run a function; ends the response once the rules have yielded their last step."""

    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class ListMcpTools:
    """List the tools of an MCP server."""

    server_label: str


@dataclass(frozen=True)
class CallMcp:
    """Call a tool of an MCP server; the runner asks for approval when the tool's policy says so."""

    server_label: str
    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class UseComputer:
    """Ask the caller for one computer action (`{"type": "click", "x": 1, "y": 2, ...}`)."""

    action: Mapping[str, Any]
    pending_safety_checks: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class Say:
    """Answer in words. `annotations` are file or container file citations in wire form."""

    text: str
    annotations: Sequence[Mapping[str, Any]] = ()


Step = Draw | RunCode | SearchFiles | CallFunction | ListMcpTools | CallMcp | UseComputer | Say


@dataclass(frozen=True)
class Drawn:
    """Result of `Draw`. `error` is the image item's wire error when moderation refused it."""

    call_id: str
    data: bytes | None
    revised_prompt: str = ""
    error: Mapping[str, Any] | None = None
    path: str = ""
    """Where code of this response finds the picture."""


@dataclass(frozen=True)
class WrittenFile:
    """A file that code left in the container; `file_id` is its `cfile_` ID."""

    path: str
    file_id: str
    container_id: str
    size_bytes: int
    displayed: bool = False
    """Whether it is a figure that was shown and not the code's own writing: it is cited without a link."""


@dataclass(frozen=True)
class CodeRan:
    """Result of `RunCode`. `error` is the last line of the traceback, or why the sandbox stopped it."""

    logs: str
    files: Sequence[WrittenFile] = ()
    error: str | None = None


@dataclass(frozen=True)
class Hit:
    """One passage that file search found."""

    file_id: str
    filename: str
    text: str
    score: float
    attributes: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class FoundPassages:
    """Result of `SearchFiles`, best first."""

    hits: Sequence[Hit]


@dataclass(frozen=True)
class McpTools:
    """Result of `ListMcpTools`: tool definitions as the server gave them, or why it could not."""

    tools: Sequence[Mapping[str, Any]]
    error: str | None = None


@dataclass(frozen=True)
class McpAnswer:
    """Result of `CallMcp`; `awaiting_approval` means the response ends with an approval request."""

    output: str | None
    error: str | None = None
    awaiting_approval: bool = False


StepResult = Drawn | CodeRan | FoundPassages | McpTools | McpAnswer | None
"""What the runner sends back; None for steps that the caller or nobody answers."""

Steps = Generator[Step, StepResult, None]
Decide = Callable[[Turn], Steps]
