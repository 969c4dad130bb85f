"""The gateway on the vendor's SDKs: the only module that talks to a Foundry project.

What every stage asks goes through the SDK's own client by its path: its methods take twice as long to walk
through what is sent by its type, and to make models of an answer of which the JSON is read.

The client that creates responses never retries and never follows a redirect: the SDK's default sends one
lost POST three times, with no idempotency header (measured on openai 3.54). Reads are retried by the SDK.
"""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import httpx2
import openai
from azure.ai.projects import AIProjectClient
from azure.core.credentials import AccessToken, TokenCredential

from assetmill.agents.direct_calls import DirectCalls
from assetmill.agents.examining import findings_on
from assetmill.agents.foundry_agents import AgentVersions
from assetmill.agents.foundry_errors import translate, translated
from assetmill.agents.foundry_streams import ResponseStreams
from assetmill.agents.foundry_wire import (
    body_of,
    each_once,
    kind_of,
    named,
    post_arguments,
    post_parts,
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
from assetmill.agents.joining import join, join_azure
from assetmill.agents.lifecycles import Lifecycle, read_lifecycles
from assetmill.agents.listing import Listing
from assetmill.agents.recording import Recorder
from assetmill.agents.rhythm import Rhythm
from assetmill.agents.streaming import WatchedStream, pictures_of
from assetmill.errors import HandleExpired, OutcomeUnknown, Rejected, ServiceError

__all__ = ["AccessToken", "FoundryGateway"]

_READ_RETRIES = 4
_CREATE_TIMEOUT_S = 60.0
FOREGROUND_S: Mapping[str, float] = {"now": 600.0, "flex": 900.0}
"""How long a post is waited for on the line: pictures were seen to take 250 s; flex asks for 15 minutes."""
_SLOWEST_POLL_S = 10.0
_LEAVE_S = 0.5
"""After how long a probe hangs up on a foreground post: accepted by then, and not yet answered."""
_VECTOR_STORE_DEADLINE_S = 300.0

Wait = Callable[[float], None]


class FoundryGateway:
    """A Foundry project. `wait` sleeps and raises when the run is being stopped.

    Both SDK clients are documented as safe for threads. `ca` is a PEM file for a private authority. A
    `recorder` hears every call of both, but none that fetches a token.
    """

    def __init__(
        self,
        endpoint: str,
        credential: TokenCredential,
        *,
        wait: Wait,
        poll_s: float,
        ca: str | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        self.endpoint = endpoint
        self._recorder = recorder
        if recorder:
            recorder.begin(endpoint)
        self._wait, self._poll_s = wait, poll_s
        self._rhythm = Rhythm(poll_s, _SLOWEST_POLL_S)
        hooks: dict[str, Any] = {"raw_request_hook": join_azure}
        if recorder:
            hooks["raw_response_hook"] = recorder.hear_azure
        self._project = AIProjectClient(endpoint, credential, connection_verify=ca or True, **hooks)
        verify = ssl.create_default_context(cafile=ca) if ca else True
        http = openai.DefaultHttpxClient(verify=verify, follow_redirects=False)
        http.event_hooks = {"request": [join], "response": [recorder.hear_openai] if recorder else []}
        self._spending = self._project.get_openai_client(
            max_retries=0, http_client=http, timeout=openai.Timeout(_CREATE_TIMEOUT_S, connect=5.0)
        )
        self._reading = self._spending.with_options(max_retries=_READ_RETRIES)
        self._direct = DirectCalls(endpoint, http, lambda scope: credential.get_token(scope).token)
        self._streams = ResponseStreams(self._reading)
        self._agents = AgentVersions(self._project)
        self._opened: dict[str, Response] = {}

    def ensure_agent(self, definition: AgentDefinition) -> AgentVersion:
        """Return the version with this definition; see `Gateway`."""
        return self._agents.ensure(definition)

    def list_agent_versions(self) -> tuple[AgentVersionEntry, ...]:
        """List our agents' versions; see `Gateway`."""
        return self._agents.entries()

    def delete_agent_version(self, name: str, version: str) -> None:
        """Delete a version of an agent; see `Gateway`."""
        self._agents.delete(name, version)

    def create_conversation(self, metadata: Mapping[str, str]) -> str:
        """Create an empty conversation; see `Gateway`."""
        with translated():
            made = self._reading.post("/conversations", cast_to=object, body={"metadata": dict(metadata)})
            return named(body_of(made).get("id"))

    def delete_conversation(self, conversation_id: str) -> None:
        """Delete a conversation; see `Gateway`. A direct call has none."""
        if conversation_id:
            self._is_there(lambda: self._reading.conversations.delete(conversation_id))

    def list_responses(self, conversation_id: str) -> tuple[Response, ...]:
        """List a conversation's responses; the SDK has no method for this documented call."""
        listing = Listing(conversation_id)
        params: dict[str, object] = {"conversation_id": conversation_id, "limit": 100, "order": "asc"}
        with translated():
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
                stream = self._spending.responses.create(stream=True, **post_arguments(request))
                return self._streams.begin(stream, request, on_created)
            client = self._spending
            if request.way == "foreground":
                client = client.with_options(timeout=openai.Timeout(FOREGROUND_S[request.lane], connect=5.0))
            body, headers = post_parts(request)
            reply = client.post(
                "/responses", cast_to=httpx2.Response, body=body, options={"headers": headers}
            )
            response = read_body(json.loads(reply.text))
            on_created(response.response_id)
            self._opened[response.response_id] = response
            return replace(response, rates=rates_of(reply.headers))
        except Exception as error:
            # Any: whatever goes wrong around a spend must be named; an unknown exception is an open outcome.
            translated = translate(error, spending=True)
            if isinstance(translated, HandleExpired):
                self._agents.forget(request.agent)
            raise translated from error

    def draw(self, request: DrawRequest) -> Response:
        """Post once; see `Gateway`. The other call that spends."""
        return self._direct.draw(request)

    def has_route(self, route: str, path: str) -> bool | None:
        """Return whether a route is served; see `Gateway`."""
        return self._direct.has_route(route, path)

    def post_and_leave(self, request: ResponseRequest) -> None:
        """Post and hang up; see `Gateway`."""
        client = self._spending.with_options(timeout=openai.Timeout(_LEAVE_S, connect=5.0))
        with translated(spending=True), suppress(openai.APITimeoutError):
            if request.way == "stream":
                client.responses.create(stream=True, **post_arguments(request)).close()
            else:
                client.responses.create(**post_arguments(request))

    def get_response(self, response_id: str) -> Response:
        """Return a response as it is now; see `Gateway`."""
        with translated():
            raw = self._reading.get(f"/responses/{quote(response_id, safe='')}", cast_to=httpx2.Response)
            return replace(read_body(json.loads(raw.text)), rates=rates_of(raw.headers))

    def follow_response(self, response_id: str, *, deadline_s: float, on_frame: OnFrame | None) -> Response:
        """Wait for the final state; see `Gateway`."""
        started = time.monotonic()
        watched = WatchedStream(on_frame)
        reattached = self._streams.watch(response_id, watched, started + deadline_s)
        # The reply to a post of a moment ago says how it stands.
        response = self._opened.pop(response_id, None) or self._told(response_id, watched)
        if not response.is_final:
            response = self._poll(response, started, deadline_s)
        whole = watched.complete(response.body)
        if whole is not response.body:
            response = replace(read_body(dict(whole)), rates=response.rates)
        return replace(response, reattached=reattached)

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

    def find_pictures(
        self, response_id: str, conversation_id: str, call_ids: Collection[str]
    ) -> tuple[Json, ...]:
        """Look for pictures that a read lacked: read again, the conversation's items, the stream replayed."""
        ways: tuple[Callable[[], Iterable[Json]], ...] = (
            lambda: pictures_of(self.get_response(response_id).body),
            lambda: self._drawn_in(conversation_id, response_id, call_ids),
            lambda: self._streams.replay(response_id).pictures,
        )
        for way in ways:
            try:
                if found := tuple(way()):
                    return found
            except ServiceError:
                continue  # each way is there for when another one fails
        return ()

    def _drawn_in(self, conversation_id: str, response_id: str, call_ids: Collection[str]) -> list[Json]:
        """Return a response's own pictures of a conversation, which also holds what it was given to edit."""
        pictures = pictures_of({"output": self._items_of(conversation_id)})
        return [one for one in pictures if one.get("response_id") == response_id or one.get("id") in call_ids]

    def _items_of(self, conversation_id: str) -> list[Json]:
        with translated():
            return list(each_once(map(body_of, self._reading.conversations.items.list(conversation_id))))

    def upload_file(self, name: str, data: bytes, media_type: str) -> UploadedFile:
        """Upload bytes; see `Gateway`."""
        with translated():
            made = self._reading.files.create(file=(name, data, media_type), purpose="assistants")
            return read_upload(body_of(made), time.time())

    def has_file(self, file_id: str) -> bool:
        """Return whether a file is known; see `Gateway`."""
        return self._is_there(lambda: self._reading.files.retrieve(file_id))

    def create_vector_store(self, name: str, file_ids: Sequence[str]) -> str:
        """Create a searchable vector store; see `Gateway`."""
        until = time.monotonic() + _VECTOR_STORE_DEADLINE_S
        with translated():
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
        with translated():
            files = self._reading.containers.files.list(container_id, limit=100)
            return tuple(read_container_entries(each_once(map(body_of, files)), container_id))

    def read_container_file(self, container_id: str, file_id: str) -> bytes:
        """Return a container file's bytes; see `Gateway`."""
        with translated():
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

    def examine(self, models: Sequence[str]) -> tuple[Finding, ...]:
        """List the model deployments: that needs the credential, the endpoint and the project."""

        def deployed() -> set[str]:
            with translated():
                return {deployment.name for deployment in self._project.deployments.list()}

        return tuple(findings_on(self.endpoint, deployed, models))

    def lifecycles(self) -> tuple[Lifecycle, ...]:
        """Return what deployments and the list of models tell; a list that is not served tells nothing."""
        with translated():
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
        if self._recorder:
            self._recorder.close()
        self._spending.close()
        self._project.close()

    def _is_there(self, ask: Callable[[], object]) -> bool:
        with translated():
            try:
                return ask() is not False
            except openai.NotFoundError:
                return False
