"""The protocol through which the engine reaches agents. No SDK type passes it.

Errors: every method raises `ServiceError`s only. `create_response` and `draw` are the calls that spend; each
is sent once, never repeated below this line.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

from assetmill.agents.lifecycles import Lifecycle
from assetmill.records import Lane, Way

Json = Mapping[str, Any]

WAYS: tuple[Way, ...] = ("background", "stream", "foreground")
"""From the safest on: in the background a reply with the ID comes at once, on the line only at the end."""

TERMINAL = frozenset({"completed", "failed", "cancelled", "incomplete"})


@dataclass(frozen=True)
class AgentDefinition:
    """What an agent version is made of. `structured_inputs` name the `{{templates}}` inside tools."""

    name: str
    model: str
    instructions: str
    tools: tuple[Json, ...]
    tool_choice: str | None = None
    text_format: Json | None = None
    effort: str | None = None
    structured_inputs: tuple[str, ...] = ()


@dataclass(frozen=True)
class AgentVersion:
    """One immutable version of an agent; records store it."""

    name: str
    version: str


@dataclass(frozen=True)
class AgentVersionEntry:
    """A version of one of our agents, as the service lists it."""

    name: str
    version: str
    created_at: float
    is_newest: bool


@dataclass(frozen=True)
class ResponseRequest:
    """One call to an agent, as it will be posted.

    `is_streamed` asks for partial pictures on the way, where the way itself is no stream.
    """

    agent: AgentVersion
    conversation_id: str
    input: tuple[Json, ...]
    metadata: Mapping[str, str]
    image_deployment: str | None = None
    structured_inputs: Mapping[str, str] = field(default_factory=dict[str, str])
    max_tool_calls: int | None = None
    way: Way = "background"
    lane: Lane = "now"
    is_streamed: bool = False
    may_reattach: bool = True
    """Whether a stream that was cut may be attached to again: a GET, where the endpoint did not refuse it."""
    is_truncatable: bool = False
    """Whether the service may drop the oldest items of a long conversation; computer use asks for it."""


class GivenPicture(NamedTuple):
    """A picture that an image model starts from, as it is sent."""

    name: str
    data: bytes
    media_type: str


@dataclass(frozen=True)
class DrawRequest:
    """One call of an image model itself. `name` is what we call it: the service gives it no ID.

    `route` and `path` say how that model is called. Without a size it chooses one.
    """

    name: str
    route: str
    path: str
    deployment: str
    prompt: str
    size: tuple[int, int] | None
    output_format: str
    pictures: tuple[GivenPicture, ...] = ()


@dataclass(frozen=True)
class Frame:
    """A picture that a stream brought while its response ran: a partial one, or the whole of a call."""

    index: int
    data: bytes
    call_id: str = ""
    is_final: bool = False


@dataclass(frozen=True)
class Response:
    """A response as the service tells it; `body` is the JSON as received.

    `rates` are the `x-ratelimit-*` headers that came with it. `reattached` says whether the endpoint let its
    stream be attached to again where it was cut, None where that was not tried.
    """

    response_id: str
    status: str
    body: Json
    rates: Mapping[str, str] = field(default_factory=dict[str, str])
    reattached: bool | None = None

    @property
    def is_final(self) -> bool:
        """Whether nothing will change any more."""
        return self.status in TERMINAL


@dataclass(frozen=True)
class UploadedFile:
    """A file on the service."""

    file_id: str
    created_at: float
    expires_at: float | None


@dataclass(frozen=True)
class ContainerFileEntry:
    """A file inside a code interpreter container."""

    file_id: str
    container_id: str
    path: str
    size_bytes: int | None
    source: str


@dataclass(frozen=True)
class Finding:
    """One line of `assetmill doctor`."""

    check: str
    state: Literal["ok", "warning", "problem"]
    message: str
    advice: str = ""
    is_away: bool = False
    """Nothing answers there, which may pass."""


OnFrame = Callable[[Frame], None]


class Gateway(Protocol):
    """An agent service. Methods may be called from several threads at once."""

    endpoint: str

    def ensure_agent(self, definition: AgentDefinition) -> AgentVersion:
        """Return a version with exactly this definition, making one only when none fits."""
        ...

    def create_conversation(self, metadata: Mapping[str, str]) -> str:
        """Create an empty conversation and return its ID. Free."""
        ...

    def delete_conversation(self, conversation_id: str) -> None:
        """Delete a conversation, so that no later call can use it. Gone already is fine."""
        ...

    def list_responses(self, conversation_id: str) -> tuple[Response, ...]:
        """Return the conversation's responses in any status, oldest first; bodies may be partial.

        Raises:
            HandleExpired: what is listed proves nothing about this conversation.
        """
        ...

    def create_response(self, request: ResponseRequest, on_created: Callable[[str], None]) -> Response:
        """Spend: post the request exactly once, in the way it says, and return the first state that is told.

        `on_created` hears the response ID as soon as it is known, before anything else is read.

        Raises:
            NotSent, Throttled: before any spend.
            Rejected, PromptBlocked, AccountBlocked: a definite refusal.
            ConversationGone: the conversation was deleted.
            OutcomeUnknown: anything else at all.
        """
        ...

    def draw(self, request: DrawRequest) -> Response:
        """Spend: ask an image model itself, exactly once, and return its reply in a response's form.

        Nothing of it can be asked for again: what is not in the reply is lost.

        Raises:
            NotSent, Throttled: before any spend.
            Rejected, PromptBlocked, AccountBlocked: a definite refusal.
            OutcomeUnknown: anything else at all.
        """
        ...

    def has_route(self, route: str, path: str) -> bool | None:
        """Return whether the endpoint serves a way to call image models; None when it does not say. Free."""
        ...

    def post_and_leave(self, request: ResponseRequest) -> None:
        """Spend: post, and hang up before the answer. For a probe, which looks what becomes of it.

        Raises:
            ServiceError: as `create_response` does, but for an answer that was not waited for.
        """
        ...

    def find_pictures(
        self, response_id: str, conversation_id: str, call_ids: Collection[str]
    ) -> tuple[Json, ...]:
        """Return a finished response's image calls with their pictures, by whatever way shows some. Free.

        `call_ids` are its own calls: a conversation also holds the pictures that it was given.
        """
        ...

    def get_response(self, response_id: str) -> Response:
        """Return a response as it is now.

        Raises:
            HandleExpired: the service no longer knows it.
        """
        ...

    def follow_response(self, response_id: str, *, deadline_s: float, on_frame: OnFrame | None) -> Response:
        """Wait until the response is final, streaming partial pictures where the endpoint can.

        Raises:
            OutcomeUnknown: it was not final at the deadline; it still runs and may be adopted later.
        """
        ...

    def upload_file(self, name: str, data: bytes, media_type: str) -> UploadedFile:
        """Upload bytes for use as input picture, container file or vector store file."""
        ...

    def has_file(self, file_id: str) -> bool:
        """Return whether the service still knows a file."""
        ...

    def create_vector_store(self, name: str, file_ids: Sequence[str]) -> str:
        """Create a vector store of uploaded files and wait until it can be searched."""
        ...

    def has_vector_store(self, vector_store_id: str) -> bool:
        """Return whether a vector store is there and can be searched."""
        ...

    def list_container_files(self, container_id: str) -> tuple[ContainerFileEntry, ...]:
        """Return the files of a container.

        Raises:
            HandleExpired: the container is gone.
        """
        ...

    def read_container_file(self, container_id: str, file_id: str) -> bytes:
        """Return a container file's bytes; errors as in `list_container_files`."""
        ...

    def delete_file(self, file_id: str) -> None:
        """Delete an uploaded file; gone already is fine."""
        ...

    def delete_response(self, response_id: str) -> None:
        """Delete a stored response; gone already is fine."""
        ...

    def delete_vector_store(self, vector_store_id: str) -> None:
        """Delete a vector store; gone already is fine."""
        ...

    def list_agent_versions(self) -> tuple[AgentVersionEntry, ...]:
        """Return every version of every agent that assetmill made."""
        ...

    def delete_agent_version(self, name: str, version: str) -> None:
        """Delete one version of an agent; gone already is fine."""
        ...

    def examine(self, models: Sequence[str]) -> tuple[Finding, ...]:
        """Check credential, endpoint and model deployments without any spend."""
        ...

    def lifecycles(self) -> tuple[Lifecycle, ...]:
        """Return what the endpoint itself tells of its models' ends, () when it tells nothing."""
        ...

    def close(self) -> None:
        """Release connections."""
        ...
