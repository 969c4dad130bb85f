"""In-process doubles that keep their protocols' promises: a gateway with a ledger of what it was paid for."""

from __future__ import annotations

import base64
import io
import itertools
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from PIL import Image

from assetmill.agents.gateway import (
    AgentDefinition,
    AgentVersion,
    AgentVersionEntry,
    ContainerFileEntry,
    DrawRequest,
    Finding,
    Frame,
    OnFrame,
    Response,
    ResponseRequest,
    UploadedFile,
)
from assetmill.agents.lifecycles import Lifecycle
from assetmill.errors import ConversationGone, HandleExpired, ServiceError
from assetmill.plan.calls import ExpectedOutput, StageCall

Body = dict[str, Any]


def png(width: int = 64, height: int = 48, colour: str = "teal") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(buffer, "PNG")
    return buffer.getvalue()


def image_item(data: bytes, call_id: str = "ig_1") -> Body:
    return {
        "type": "image_generation_call",
        "id": call_id,
        "status": "completed",
        "result": base64.b64encode(data).decode(),
        "revised_prompt": "a teal picture",
    }


def message_item(text: str) -> Body:
    return {"type": "message", "content": [{"type": "output_text", "text": text, "annotations": []}]}


def _path(name: str) -> str:
    return f"/mnt/data/{name}" if name else cast(str, None)


def code_item(container_id: str = "cntr_1") -> Body:
    return {"type": "code_interpreter_call", "container_id": container_id}


def citing(container_id: str | None, **files: str | None) -> Body:
    """A message that cites files by ID and name."""
    notes = [
        {
            "type": "container_file_citation",
            "container_id": container_id,
            "file_id": file_id,
            "filename": name,
        }
        for file_id, name in files.items()
    ]
    return {"type": "message", "content": [{"type": "output_text", "text": "saved", "annotations": notes}]}


def always(*items: Body) -> Callable[[ResponseRequest], Sequence[Body]]:
    def script(_: ResponseRequest) -> Sequence[Body]:
        return items

    return script


def stage_call(**changes: Any) -> StageCall:
    fields: dict[str, Any] = {
        "pipeline": "poster",
        "stage": "hero",
        "variant": "",
        "prompt": "draw a teal mug",
        "instructions": "",
        "model": "gpt-4.1-mini",
        "image_deployment": "gpt-image-1.5",
        "tools": (
            {"type": "image_generation", "model": "gpt-image-1.5", "size": "1024x1024", "quality": "low"},
        ),
        "outputs": (ExpectedOutput("picture", "hero.png"),),
    }
    return StageCall(**{**fields, **changes})


class ScriptedGateway:
    """A service in memory. `posts` is its bill: one entry for every response it accepted.

    `script` makes the output of a request. `before`, `accepted` and `after` are called around every spending
    post and may raise, as a network would: before it is accepted, and with the answer lost after.
    """

    def __init__(self, script: Callable[[ResponseRequest], Sequence[Body]] | None = None) -> None:
        self.endpoint = "https://scripted.invalid/api/projects/test"
        self.script = script or always(image_item(png()))
        self.status = "completed"
        self.keeps_left = True
        self.left_status = "in_progress"
        self.rates: dict[str, str] = {}
        self.echo: Body = {}
        self.before: Callable[[ResponseRequest], None] = lambda _: None
        self.after: Callable[[ResponseRequest], None] = lambda _: None
        self.posts: list[ResponseRequest] = []
        self.draws: list[DrawRequest] = []
        self.drawn_usage: Body = {}
        self.routes: dict[str, bool | None] = {}
        self.searches: list[str] = []
        self.pictures: dict[str, list[Body]] = {}
        self.uploads: list[str] = []
        self.told: tuple[Lifecycle, ...] = ()
        self.agent_versions: list[AgentVersionEntry] = []
        self.files: dict[str, bytes] = {}
        self.stores: dict[str, tuple[str, ...]] = {}
        self.refused_listing: ServiceError | None = None
        self.refused_files: dict[str, ServiceError] = {}
        self.source: str | None = "assistant"
        self.containers: defaultdict[str, dict[str, tuple[str, bytes]]] = defaultdict(dict)
        self.conversations: dict[str, list[Response]] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def _next(self, prefix: str) -> str:
        return f"{prefix}_{next(self._numbers):04d}"

    def ensure_agent(self, definition: AgentDefinition) -> AgentVersion:
        return AgentVersion(definition.name, "1")

    def create_conversation(self, metadata: Mapping[str, str]) -> str:
        with self._lock:
            name = self._next("conv")
            self.conversations[name] = []
            return name

    def delete_conversation(self, conversation_id: str) -> None:
        with self._lock:
            self.conversations.pop(conversation_id, None)

    def list_responses(self, conversation_id: str) -> tuple[Response, ...]:
        with self._lock:
            return tuple(self.conversations.get(conversation_id, ()))

    def create_response(self, request: ResponseRequest, on_created: Callable[[str], None]) -> Response:
        self.before(request)
        response = self.accept(request)
        self.after(request)
        on_created(response.response_id)
        return response

    def post_and_leave(self, request: ResponseRequest) -> None:
        self.before(request)
        if self.keeps_left:
            made = self.accept(request)
            running = replace(made, status=self.left_status)
            self.conversations[request.conversation_id] = [running]

    def accept(self, request: ResponseRequest) -> Response:
        with self._lock:
            if request.conversation_id not in self.conversations:
                raise ConversationGone("conversation not found", "not_found", 404)
            self.posts.append(request)
            name = self._next("resp")
            body: Body = {
                "id": name,
                "status": self.status,
                "output": list(self.script(request)),
                "usage": {"input_tokens": 100, "output_tokens": 20},
                "agent_reference": {"name": request.agent.name, "version": request.agent.version},
                "metadata": dict(request.metadata),
                **self.echo,
            }
            response = Response(name, self.status, body, self.rates)
            self.conversations[request.conversation_id].append(response)
            self._responses = {**getattr(self, "_responses", {}), name: response}
            return response

    def draw(self, request: DrawRequest) -> Response:
        """Answer a direct call as the adapter does; `before` and `after` are called as for a post."""
        self.before(cast(Any, request))
        with self._lock:
            self.draws.append(request)
        body: Body = {
            "id": request.name,
            "status": "completed",
            "output": list(self.script(cast(Any, request))),
            "usage": {"input_tokens": 0, "output_tokens": 0},
            "tool_usage": {"image_gen": dict(self.drawn_usage)},
            "told": {"created": 1, "request_id": "req-1"},
        }
        self.after(cast(Any, request))
        return Response(request.name, "completed", body, self.rates)

    def has_route(self, route: str, path: str) -> bool | None:
        return self.routes.get(route)

    def find_pictures(
        self, response_id: str, conversation_id: str, call_ids: Collection[str]
    ) -> tuple[Body, ...]:
        self.searches.append(response_id)
        return tuple(self.pictures.get(response_id, ()))

    def get_response(self, response_id: str) -> Response:
        try:
            return self._responses[response_id]
        except (AttributeError, KeyError) as error:
            raise HandleExpired("no such response", "not_found", 404) from error

    def follow_response(self, response_id: str, *, deadline_s: float, on_frame: OnFrame | None) -> Response:
        if on_frame:
            on_frame(Frame(0, png(8, 8)))
        return self.get_response(response_id)

    def upload_file(self, name: str, data: bytes, media_type: str) -> UploadedFile:
        with self._lock:
            file_id = self._next("assistant")
            self.files[file_id] = data
            self.uploads.append(name)
            return UploadedFile(file_id, time.time(), None)

    def has_file(self, file_id: str) -> bool:
        return file_id in self.files

    def create_vector_store(self, name: str, file_ids: Sequence[str]) -> str:
        with self._lock:
            store_id = self._next("vs")
            self.stores[store_id] = tuple(file_ids)
            return store_id

    def has_vector_store(self, vector_store_id: str) -> bool:
        return vector_store_id in self.stores

    def list_container_files(self, container_id: str) -> tuple[ContainerFileEntry, ...]:
        if self.refused_listing:
            raise self.refused_listing
        if container_id not in self.containers:
            raise HandleExpired("no such container", "not_found", 404)
        return tuple(
            # The SDK's models promise texts; services were seen to send null for both.
            ContainerFileEntry(file_id, container_id, _path(name), len(data), cast(str, self.source))
            for file_id, (name, data) in self.containers[container_id].items()
        )

    def read_container_file(self, container_id: str, file_id: str) -> bytes:
        if error := self.refused_files.get(file_id):
            raise error
        if container_id not in self.containers:
            raise HandleExpired("no such container", "not_found", 404)
        return self.containers[container_id][file_id][1]

    def delete_file(self, file_id: str) -> None:
        self.files.pop(file_id, None)

    def delete_response(self, response_id: str) -> None:
        getattr(self, "_responses", {}).pop(response_id, None)

    def delete_vector_store(self, vector_store_id: str) -> None:
        self.stores.pop(vector_store_id, None)

    def list_agent_versions(self) -> tuple[AgentVersionEntry, ...]:
        return tuple(self.agent_versions)

    def delete_agent_version(self, name: str, version: str) -> None:
        self.agent_versions = [e for e in self.agent_versions if (e.name, e.version) != (name, version)]

    def examine(self, models: Sequence[str]) -> tuple[Finding, ...]:
        return (Finding("endpoint", "ok", "scripted"),)

    def lifecycles(self) -> tuple[Lifecycle, ...]:
        return self.told

    def close(self) -> None:
        """Nothing to release."""
