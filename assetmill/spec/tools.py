"""The tools a stage may name, each with its own options, and how they look on the wire.

Texts may be templates (`size: "{{ format.size }}"`), so closed sets of words are checked after rendering,
against the capability table of the image model (`image_models.py`).
"""

# No postponed annotations here: pydantic would compile and evaluate the text of each at every start.

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from assetmill.redaction import holds_credential
from assetmill.spec.short_forms import OneOrMore, ShortForms

ENGINE_KEY = "assetmill"
"""Under this key a wire tool carries what only our engine reads; it is taken off before sending."""


class ToolSpec(BaseModel):
    """Base of all tools: forbids keys that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    def wire(self) -> dict[str, Any]:
        """Return the tool as the service takes it, without IDs of files and vector stores."""
        return self.model_dump(exclude_none=True)


class ServiceTool(ToolSpec):
    """A tool that runs at the service. A stage during which it failed is not done, unless it is optional."""

    optional: bool = False

    def wire(self) -> dict[str, Any]:
        """Return the tool as the service takes it; that it is optional is for our engine alone."""
        wire = self.model_dump(exclude_none=True, exclude={"optional"})
        return {**wire, **self.engine_part()}

    def engine_part(self, **own: Any) -> dict[str, Any]:
        """Return what only our engine reads, under its key; nothing when there is none."""
        own |= {"optional": True} if self.optional else {}
        return {ENGINE_KEY: own} if own else {}


class ImageGeneration(ToolSpec):
    """Draw or edit pictures. What is left out comes from the pipeline's defaults, then from ours."""

    type: Literal["image_generation"] = "image_generation"
    model: str | None = None
    action: str | None = None
    size: str | None = None
    quality: str | None = None
    output_format: str | None = None
    output_compression: int | None = Field(default=None, ge=0, le=100)
    background: str | None = None
    input_fidelity: str | None = None
    moderation: str | None = None
    complexity: str | None = None
    partial_images: int | None = Field(default=None, ge=0, le=3)


class DirectDrawing(ToolSpec):
    """Call an image model itself, without an agent: for models that are no model of the image tool.

    `deployment` names the model deployment where it is not called like its model.
    """

    type: Literal["image_model"] = "image_model"
    model: str
    deployment: str | None = None
    size: str | None = None
    output_format: str | None = None

    def wire(self) -> dict[str, Any]:
        """Return what is asked of the model; its deployment is the stage's."""
        return self.model_dump(exclude_none=True, exclude={"deployment"})


class CodeInterpreter(ServiceTool):
    """Run Python in a container that has the stage's container files under `/mnt/data`."""

    type: Literal["code_interpreter"] = "code_interpreter"
    memory_limit: Literal["1g", "4g", "16g", "64g"] | None = None

    def wire(self) -> dict[str, Any]:
        """Return the tool with an automatic container."""
        memory = {"memory_limit": self.memory_limit} if self.memory_limit else {}
        return {"type": self.type, "container": {"type": "auto", **memory}, **self.engine_part()}


class RankingOptions(BaseModel):
    """How file search ranks what it finds."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    ranker: str | None = None
    score_threshold: float | None = Field(default=None, ge=0, le=1)


Names = Annotated[tuple[str, ...], OneOrMore(str)]
"""One name, or a list of names."""


class FileSearch(ServiceTool):
    """Search the named knowledge sets; all of the pipeline's sets when none is named."""

    type: Literal["file_search"] = "file_search"
    knowledge: Names = ()
    max_num_results: int | None = Field(default=None, ge=1, le=50)
    ranking_options: RankingOptions | None = None
    filters: dict[str, Any] | None = None

    def wire(self) -> dict[str, Any]:
        """Return the tool with the names of knowledge sets, which become vector stores when it is sent."""
        wire = super().wire()
        wire["knowledge"] = list(self.knowledge)
        return wire


Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
"""The name of an environment variable."""


class Function(ToolSpec):
    """Let the agent call a typed Python function of ours, named `module:function`.

    It runs in a process of its own, which has of the environment what Python needs, and the variables that
    `env` names.
    """

    type: Literal["function"] = "function"
    function: str = Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")
    name: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_-]{1,64}$")
    description: str | None = None
    timeout_s: float = Field(default=30.0, gt=0, le=600)
    memory_mb: int | None = Field(default=None, ge=64, le=65536)
    env: Annotated[tuple[Variable, ...], OneOrMore(str)] = ()

    def wire(self) -> dict[str, Any]:
        """Return the tool without its JSON schema, which the engine reads from the annotations."""
        wire = {"type": self.type, "name": self.name or self.function.partition(":")[2]}
        if self.description:
            wire["description"] = self.description
        own: dict[str, Any] = {"function": self.function, "timeout_s": self.timeout_s}
        own |= {"memory_mb": self.memory_mb} if self.memory_mb else {}
        own |= {"env": list(self.env)} if self.env else {}
        return {**wire, ENGINE_KEY: own}


def _without_credential(url: str) -> str:
    """Refuse an address that would carry a secret into fingerprints, records and errors.

    Raises:
        ValueError: it holds one. The address itself is not said.
    """
    if holds_credential(url):
        raise ValueError(
            "the address holds a password or a key, which would be stored and shown with it: leave it out; "
            "for an MCP server name it with `headers_from` or `project_connection_id`"
        )
    return url


Address = Annotated[str, Field(pattern=r"^https?://"), AfterValidator(_without_credential)]


class Mcp(ServiceTool):
    """Let the agent use a server that speaks the Model Context Protocol.

    `headers_from` names an entry of the settings; the headers themselves never enter a record. A
    `project_connection_id` names a connection of the Foundry project, which then holds the credential.
    """

    type: Literal["mcp"] = "mcp"
    server_label: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    server_url: Address
    server_description: str | None = None
    allowed_tools: Names | None = None
    require_approval: Literal["always", "never"] | Names = "always"
    headers_from: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_-]{1,64}$")
    project_connection_id: str | None = None

    def wire(self) -> dict[str, Any]:
        """Return the tool; a list of names under `require_approval` means these tools alone need one."""
        wire = self.model_dump(exclude_none=True, exclude={"headers_from", "optional"})
        if not isinstance(self.require_approval, str):
            wire["require_approval"] = {"always": {"tool_names": list(self.require_approval)}}
        own = {"headers_from": self.headers_from} if self.headers_from else {}
        return {**wire, **self.engine_part(**own)}


Host = Annotated[str, Field(pattern=r"^(\*\.)?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$")]
"""A host's name or IPv4 address without a port; `*.example.com` means all below that name."""


class ComputerUse(ToolSpec):
    """Let the agent work in a browser of ours, on the allowed hosts only, for a bounded number of steps.

    Every port of an allowed host is allowed.
    """

    type: Literal["computer_use"] = "computer_use"
    start_url: Address
    allowed_hosts: Annotated[tuple[Host, ...], OneOrMore(str), Field(min_length=1)]
    environment: Literal["browser"] = "browser"
    display_width: int = Field(default=1280, ge=320, le=3840)
    display_height: int = Field(default=800, ge=240, le=2160)
    max_steps: int = Field(default=20, ge=1, le=200)

    @model_validator(mode="after")
    def _starts_where_it_may(self) -> Self:
        host = urlsplit(self.start_url).hostname or ""
        if not any(fnmatchcase(host.lower(), allowed.lower()) for allowed in self.allowed_hosts):
            raise ValueError(f"start_url is on {host!r}, which allowed_hosts does not name")
        return self

    def wire(self) -> dict[str, Any]:
        """Return the tool under the service's name for it."""
        ours = {
            "start_url": self.start_url,
            "allowed_hosts": list(self.allowed_hosts),
            "max_steps": self.max_steps,
        }
        return {
            "type": "computer_use_preview",
            "environment": self.environment,
            "display_width": self.display_width,
            "display_height": self.display_height,
            ENGINE_KEY: ours,
        }


def _named(value: Any) -> Any:
    return {"type": value} if isinstance(value, str) else value


AnyTool = Annotated[
    Annotated[
        ImageGeneration | DirectDrawing | CodeInterpreter | FileSearch | Function | Mcp | ComputerUse,
        Field(discriminator="type"),
    ],
    ShortForms(_named, {"enum": ["code_interpreter", "file_search", "image_generation"]}),
]
"""A tool with options, or its name alone: `- code_interpreter`."""

TOOLS: Mapping[str, type[ToolSpec]] = {
    "image_generation": ImageGeneration,
    "image_model": DirectDrawing,
    "code_interpreter": CodeInterpreter,
    "file_search": FileSearch,
    "function": Function,
    "mcp": Mcp,
    "computer_use": ComputerUse,
}
