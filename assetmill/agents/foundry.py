"""The gateway on the vendor's SDKs: the only module that talks to a Foundry project.

The client that creates responses never retries and never follows a redirect: the SDK's default sends one
lost POST three times, with no idempotency header (measured on openai 3.54). Reads are retried by the SDK.
"""

from __future__ import annotations

import itertools
import json
import ssl
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any, cast

import openai
from azure.ai.projects import AIProjectClient
from azure.core.credentials import AccessToken, TokenCredential
from azure.core.exceptions import ResourceNotFoundError

from assetmill.agents.direct_calls import DirectCalls
from assetmill.agents.examining import findings_on
from assetmill.agents.foundry_errors import from_event, translate
from assetmill.agents.foundry_wire import (
    RawReply,
    body_of,
    definition_body,
    each_once,
    kind_of,
    named,
    post_arguments,
    rates_of,
    read_body,
    read_container_entries,
    read_upload,
)
from assetmill.agents.gateway import (
    AgentDefinition,
    AgentVersion,
    AgentVersionEntry,
    ContainerFileEntry,
    DrawRequest,
    Finding,
    Json,
    OnFrame,
    Response,
    ResponseRequest,
    UploadedFile,
)
from assetmill.agents.lifecycles import Lifecycle, read_lifecycles
from assetmill.agents.listing import Listing
from assetmill.agents.rhythm import Rhythm
from assetmill.agents.streaming import WatchedStream, as_map, pictures_of
from assetmill.errors import AssetmillError, HandleExpired, OutcomeUnknown, Rejected, ServiceError
from assetmill.fingerprint import canonical, digest

__all__ = ["AccessToken", "FoundryGateway"]

OUR_AGENTS = "assetmill-"
"""How the names of our agents begin: only those are ever deleted."""

_DIGEST = "assetmill_digest"
_READ_RETRIES = 4
_CREATE_TIMEOUT_S = 60.0
FOREGROUND_S = 600.0
"""How long a post is waited for on the line: pictures were seen to take up to 250 s."""
_SLOWEST_POLL_S = 10.0
_LEAVE_S = 0.5
"""After how long a probe hangs up on a foreground post: accepted by then, and not yet answered."""
_VECTOR_STORE_DEADLINE_S = 300.0

Wait = Callable[[float], None]


class FoundryGateway:
    """A Foundry project. `wait` sleeps and raises when the run is being stopped.

    Both SDK clients are documented as safe for threads. `ca` is a PEM file for a private authority.
    """

    def __init__(
        self, endpoint: str, credential: TokenCredential, *, wait: Wait, poll_s: float, ca: str | None = None
    ) -> None:
        self.endpoint = endpoint
        self._wait, self._poll_s = wait, poll_s
        self._rhythm = Rhythm(poll_s, _SLOWEST_POLL_S)
        self._project = AIProjectClient(endpoint, credential, connection_verify=ca or True)
        verify = ssl.create_default_context(cafile=ca) if ca else True
        http = openai.DefaultHttpxClient(verify=verify, follow_redirects=False)
        self._spending = self._project.get_openai_client(
            max_retries=0, http_client=http, timeout=openai.Timeout(_CREATE_TIMEOUT_S, connect=5.0)
        )
        self._reading = self._spending.with_options(max_retries=_READ_RETRIES)
        self._direct = DirectCalls(endpoint, http, lambda scope: credential.get_token(scope).token)
        self._streams: dict[str, Iterator[Json]] = {}
        self._opened: dict[str, Response] = {}
        self._agents: dict[str, AgentVersion] = {}
        self._agent_lock = threading.Lock()

    def ensure_agent(self, definition: AgentDefinition) -> AgentVersion:
        """Return the version with this definition; see `Gateway`."""
        body = definition_body(definition)
        mark = digest(canonical([definition.name, body]))
        # One lock for all: making versions is rare, and two threads must not make the same one.
        with self._agent_lock:
            if mark not in self._agents:
                self._agents[mark] = self._find_or_create_agent(definition.name, body, mark)
            return self._agents[mark]

    def _find_or_create_agent(self, name: str, body: dict[str, Any], mark: str) -> AgentVersion:
        with _translated():
            try:
                newest = itertools.islice(self._project.agents.list_versions(name, limit=20), 20)
                for version in newest:
                    if (version.metadata or {}).get(_DIGEST) == mark:
                        return AgentVersion(name, str(version.version))
            except ResourceNotFoundError:
                pass  # the first version makes the agent
            # The SDK repeats a POST that got 500 or 503: each time it may have made a version.
            made = self._project.agents.create_version(
                name,
                {"definition": body, "metadata": {_DIGEST: mark}, "description": "made by assetmill"},
                retry_total=0,
            )
            return AgentVersion(name, named(made.version))

    def create_conversation(self, metadata: Mapping[str, str]) -> str:
        """Create an empty conversation; see `Gateway`."""
        with _translated():
            return named(self._reading.conversations.create(metadata=dict(metadata)).id)

    def delete_conversation(self, conversation_id: str) -> None:
        """Delete a conversation; see `Gateway`. A direct call has none."""
        if conversation_id:
            self._is_there(lambda: self._reading.conversations.delete(conversation_id))

    def list_responses(self, conversation_id: str) -> tuple[Response, ...]:
        """List a conversation's responses; the SDK has no method for this documented call."""
        listing = Listing(conversation_id)
        params: dict[str, object] = {"conversation_id": conversation_id, "limit": 100, "order": "asc"}
        with _translated():
            while True:
                page = self._reading.get("/responses", cast_to=object, options={"params": dict(params)})
                after = listing.take(page)
                if after is None:
                    return listing.responses()
                params["after"] = after

    def create_response(self, request: ResponseRequest, on_created: Callable[[str], None]) -> Response:
        """Post once; see `Gateway`. With `draw` the only call of the project that spends."""
        try:
            if request.way == "stream" or request.is_streamed:
                return self._open_stream(post_arguments(request), on_created)
            client = self._spending
            if request.way == "foreground":
                client = client.with_options(timeout=openai.Timeout(FOREGROUND_S, connect=5.0))
            reply = cast(RawReply, client.responses.with_raw_response.create(**post_arguments(request)))
            response = read_body(json.loads(reply.text))
            on_created(response.response_id)
            self._opened[response.response_id] = response
            return replace(response, rates=rates_of(reply.headers))
        except Exception as error:
            # Whatever goes wrong around a spend must be named: an unknown exception is an open outcome.
            translated = translate(error, spending=True)
            if isinstance(translated, HandleExpired):
                self._forget_agent(request.agent)
            raise translated from error

    def draw(self, request: DrawRequest) -> Response:
        """Post once; see `Gateway`. The other call that spends."""
        return self._direct.draw(request)

    def has_route(self, route: str, path: str) -> bool | None:
        """Return whether a route is served; see `Gateway`."""
        return self._direct.has_route(route, path)

    def _forget_agent(self, agent: AgentVersion) -> None:
        """Look a version up again before it is next used: something that the post named is gone."""
        with self._agent_lock:
            self._agents = {mark: known for mark, known in self._agents.items() if known != agent}

    def _open_stream(self, arguments: dict[str, Any], on_created: Callable[[str], None]) -> Response:
        stream = self._spending.responses.create(stream=True, **arguments)
        events = (body_of(event) for event in stream)
        for event in events:
            body = as_map(event.get("response"))
            if body.get("id"):
                response = read_body(body)
                on_created(response.response_id)
                self._streams[response.response_id] = events
                return replace(response, rates=rates_of(stream.response.headers))
            if event.get("type") == "error":
                raise from_event(event)
        raise OutcomeUnknown("the stream ended before it named its response")

    def post_and_leave(self, request: ResponseRequest) -> None:
        """Post and hang up; see `Gateway`."""
        client = self._spending.with_options(timeout=openai.Timeout(_LEAVE_S, connect=5.0))
        with _translated(spending=True), suppress(openai.APITimeoutError):
            if request.way == "stream":
                client.responses.create(stream=True, **post_arguments(request)).close()
            else:
                client.responses.create(**post_arguments(request))

    def get_response(self, response_id: str) -> Response:
        """Return a response as it is now; see `Gateway`."""
        with _translated():
            raw = cast(RawReply, self._reading.responses.with_raw_response.retrieve(response_id))
            return replace(read_body(json.loads(raw.text)), rates=rates_of(raw.headers))

    def follow_response(self, response_id: str, *, deadline_s: float, on_frame: OnFrame | None) -> Response:
        """Wait for the final state; see `Gateway`."""
        started = time.monotonic()
        watched = WatchedStream(on_frame)
        if stream := self._streams.pop(response_id, None):
            _watch(stream, watched)
        # The reply to a post of a moment ago says how it stands.
        response = self._opened.pop(response_id, None) or self._told(response_id, watched)
        if not response.is_final:
            response = self._poll(response, started, deadline_s)
        return replace(read_body(dict(watched.complete(response.body))), rates=response.rates)

    def _told(self, response_id: str, watched: WatchedStream) -> Response:
        """Return how a response stands; where the service cannot say, what its stream said last."""
        try:
            return self.get_response(response_id)
        except ServiceError:
            if watched.final is None:
                raise
            return read_body(dict(watched.final))

    def _poll(self, response: Response, started: float, deadline_s: float) -> Response:
        response_id = response.response_id
        kind, early_s = kind_of(response.body), 0.0
        for pause in self._rhythm.pauses(kind):
            self._wait(pause)
            asked_s = time.monotonic() - started
            response = self.get_response(response_id)
            if response.is_final:
                break
            if asked_s > deadline_s:
                raise OutcomeUnknown(f"{response_id} is still {response.status} after {deadline_s:.0f} s")
            early_s = asked_s
        self._rhythm.learn(kind, early_s, time.monotonic() - started)
        return response

    def find_pictures(self, response_id: str, conversation_id: str) -> tuple[Json, ...]:
        """Look for pictures that a read lacked: read again, the conversation's items, the stream replayed."""
        ways: tuple[Callable[[], Iterable[Json]], ...] = (
            lambda: pictures_of(self.get_response(response_id).body),
            lambda: pictures_of({"output": self._items_of(conversation_id)}),
            lambda: self._replayed(response_id),
        )
        for way in ways:
            try:
                if found := tuple(way()):
                    return found
            except ServiceError:
                continue  # each way is there for when another one fails
        return ()

    def _items_of(self, conversation_id: str) -> list[Json]:
        with _translated():
            return list(each_once(map(body_of, self._reading.conversations.items.list(conversation_id))))

    def _replayed(self, response_id: str) -> list[Json]:
        watched = WatchedStream()
        with _translated():
            stream = self._reading.responses.retrieve(response_id, stream=True, starting_after=0)
            _watch((body_of(event) for event in stream), watched)
        return watched.pictures

    def upload_file(self, name: str, data: bytes, media_type: str) -> UploadedFile:
        """Upload bytes; see `Gateway`."""
        with _translated():
            made = self._reading.files.create(file=(name, data, media_type), purpose="assistants")
            return read_upload(body_of(made), time.time())

    def has_file(self, file_id: str) -> bool:
        """Return whether a file is known; see `Gateway`."""
        return self._is_there(lambda: self._reading.files.retrieve(file_id))

    def create_vector_store(self, name: str, file_ids: Sequence[str]) -> str:
        """Create a searchable vector store; see `Gateway`."""
        until = time.monotonic() + _VECTOR_STORE_DEADLINE_S
        with _translated():
            made = self._reading.vector_stores.create(name=name, file_ids=list(file_ids))
            while made.status == "in_progress" or made.file_counts.in_progress:
                if time.monotonic() > until:
                    raise Rejected(f"vector store {made.id} was not ready in time", "vector_store_timeout")
                self._wait(self._poll_s)
                made = self._reading.vector_stores.retrieve(made.id)
        if made.file_counts.failed:
            raise Rejected(f"{made.file_counts.failed} files of vector store {made.id} cannot be searched")
        return made.id

    def has_vector_store(self, vector_store_id: str) -> bool:
        """Return whether a vector store can be searched; see `Gateway`."""
        ask = self._reading.vector_stores.retrieve
        return self._is_there(lambda: ask(vector_store_id).status == "completed")

    def list_container_files(self, container_id: str) -> tuple[ContainerFileEntry, ...]:
        """List a container's files; see `Gateway`."""
        with _translated():
            files = self._reading.containers.files.list(container_id, limit=100)
            return tuple(read_container_entries(each_once(map(body_of, files)), container_id))

    def read_container_file(self, container_id: str, file_id: str) -> bytes:
        """Return a container file's bytes; see `Gateway`."""
        with _translated():
            return self._reading.containers.files.content.retrieve(file_id, container_id=container_id).read()

    def delete_file(self, file_id: str) -> None:
        """Delete a file; see `Gateway`."""
        self._is_there(lambda: self._reading.files.delete(file_id))

    def delete_response(self, response_id: str) -> None:
        """Delete a response; see `Gateway`."""
        self._is_there(lambda: self._reading.responses.delete(response_id))

    def delete_vector_store(self, vector_store_id: str) -> None:
        """Delete a vector store; see `Gateway`."""
        self._is_there(lambda: self._reading.vector_stores.delete(vector_store_id))

    def list_agent_versions(self) -> tuple[AgentVersionEntry, ...]:
        """List our agents' versions; see `Gateway`."""
        found: list[AgentVersionEntry] = []
        with _translated():
            names = [agent.name for agent in self._project.agents.list() if agent.name.startswith(OUR_AGENTS)]
            for name in names:
                newest_first = self._project.agents.list_versions(name)
                for number, version in enumerate(newest_first):
                    made_at = version.created_at.timestamp()
                    found.append(AgentVersionEntry(name, str(version.version), made_at, number == 0))
        return tuple(found)

    def delete_agent_version(self, name: str, version: str) -> None:
        """Delete a version of an agent; see `Gateway`."""
        with _translated(), suppress(ResourceNotFoundError):
            self._project.agents.delete_version(name, version)

    def examine(self, models: Sequence[str]) -> tuple[Finding, ...]:
        """List the model deployments: that needs the credential, the endpoint and the project."""

        def deployed() -> set[str]:
            with _translated():
                return {deployment.name for deployment in self._project.deployments.list()}

        return tuple(findings_on(self.endpoint, deployed, models))

    def lifecycles(self) -> tuple[Lifecycle, ...]:
        """Return what deployments and the list of models tell; a list that is not served tells nothing."""
        with _translated():
            deployments = [deployment.as_dict() for deployment in self._project.deployments.list()]
            try:
                models = [model.model_dump() for model in self._reading.models.list()]
            except openai.APIStatusError as error:
                if error.status_code not in {404, 405, 501}:
                    raise
                models = []
        return read_lifecycles(deployments, models)

    def close(self) -> None:
        """Release connections; a call under way fails."""
        self._spending.close()
        self._project.close()

    def _is_there(self, ask: Callable[[], object]) -> bool:
        with _translated():
            try:
                return ask() is not False
            except openai.NotFoundError:
                return False


def _watch(events: Iterable[Json], watched: WatchedStream) -> None:
    """Read a stream to its end. Its end proves nothing: the caller asks for the state."""
    try:
        for event in events:
            watched.take(event)
    except openai.APIError as error:
        # Cut, or an `error` event, whose words the service may show nowhere else.
        watched.error = as_map(error.body) or watched.error
    except json.JSONDecodeError:
        return  # a line that is no JSON is a stream cut short: only a view is lost


@contextmanager
def _translated(*, spending: bool = False) -> Generator[None]:
    """Translate the errors of calls, of which most spend nothing."""
    try:
        yield
    except AssetmillError:
        raise
    except Exception as error:
        # The SDKs let JSON, socket and TLS errors through untranslated; above this line there are only ours.
        raise translate(error, spending=spending) from error
