"""Everything the emulator sends fits the installed openai package's types: nothing missing, nothing extra."""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, cast

import pytest
from foundry_emulator.responses import wire
from foundry_emulator.testing.calls import Control, Raw, events
from foundry_emulator.testing.scripted import PICTURE_URL
from openai.pagination import SyncConversationCursorPage, SyncCursorPage
from openai.types import (
    ContainerCreateResponse,
    ContainerListResponse,
    FileDeleted,
    FileObject,
    VectorStore,
    VectorStoreDeleted,
    VectorStoreSearchResponse,
)
from openai.types.containers import FileCreateResponse, FileListResponse
from openai.types.conversations import (
    Conversation,
    ConversationDeletedResource,
    ConversationItem,
    ConversationItemList,
)
from openai.types.responses import InputTokenCountResponse, Response, ResponseItemList, ResponseStreamEvent
from openai.types.vector_stores import VectorStoreFile, VectorStoreFileBatch, VectorStoreFileDeleted
from pydantic import BaseModel, TypeAdapter

Json = dict[str, Any]
FLAVOURS = ("azure", "openai")
AZURE_EXTRAS = {*wire.AZURE_ITEM_EXTRAS, *wire.AZURE_RESPONSE_EXTRAS, *wire.AZURE_TOOL_EXTRAS}
EVENT_EXTRAS = {"obfuscation"}  # padding of text deltas that the types do not know; both services send it


def extras(value: object, where: str = "") -> Iterator[str]:
    """Name every field that the types do not know."""
    if isinstance(value, BaseModel):
        for name in value.model_extra or {}:
            yield f"{where}.{name}"
        for name in type(value).model_fields:
            yield from extras(getattr(value, name), f"{where}.{name}")
    elif isinstance(value, Mapping):
        for name, inner in cast("Mapping[str, object]", value).items():
            yield from extras(inner, f"{where}.{name}")
    elif isinstance(value, (list, tuple)):
        for inner in cast("Sequence[object]", value):
            yield from extras(inner, f"{where}[]")


@functools.cache
def adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def filled(found: Json) -> Json:
    """Return an object with what Azure was recorded to leave out and the types call required."""
    if "cached_tokens" in found:
        found.setdefault("cache_write_tokens", 0)
    if found.get("object") == "response":
        found["tool_choice"] = found["tool_choice"] or "auto"
    return found


def fits(kind: Any, value: object, allowed: set[str] | None = None) -> None:
    """Check a JSON value against a type, strictly."""
    if allowed is not None and allowed >= AZURE_EXTRAS:
        value = json.loads(json.dumps(value), object_hook=filled)
    parsed = adapter(kind).validate_json(json.dumps(value), strict=True)
    unknown = {name for name in extras(parsed) if name.rpartition(".")[2] not in (allowed or set())}
    assert not unknown, f"{unknown} in {json.dumps(value)[:500]}"


@pytest.fixture(params=FLAVOURS)
def flavour(request: pytest.FixtureRequest, control: Control) -> str:
    control.post("settings", {"flavour": request.param})
    return str(request.param)


@pytest.fixture
def allowed(flavour: str) -> set[str]:
    return {*EVENT_EXTRAS, *(AZURE_EXTRAS if flavour == "azure" else wire.OPENAI_RESPONSE_EXTRAS)}


class _McpHandler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        results: dict[str, Json] = {
            "initialize": {"protocolVersion": "2025-06-18"},
            "tools/list": {
                "tools": [{"name": "add", "description": "adds", "inputSchema": {"type": "object"}}]
            },
            "tools/call": {"content": [{"type": "text", "text": "three"}]},
        }
        body = json.dumps(
            {"jsonrpc": "2.0", "id": message.get("id"), "result": results.get(message["method"])}
        )
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


@pytest.fixture(scope="module")
def mcp_url() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), _McpHandler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/mcp"
        server.shutdown()
        thread.join()


IMAGE = {"type": "image_generation", "partial_images": 2}
MASKED = {
    "type": "image_generation",
    "input_fidelity": "high",
    "input_image_mask": {"image_url": PICTURE_URL},
    "output_format": "webp",
}
CODE = {"type": "code_interpreter", "container": {"type": "auto"}}
FUNCTION = {"type": "function", "name": "weather", "description": "says", "parameters": {"type": "object"}}
COMPUTER = {
    "type": "computer_use_preview",
    "display_width": 100,
    "display_height": 100,
    "environment": "browser",
}
SCHEMA = {"format": {"type": "json_schema", "name": "x", "schema": {"type": "object"}, "strict": True}}
PICTURE_MESSAGE = {
    "role": "user",
    "content": [{"type": "input_text", "text": "edit"}, {"type": "input_image", "image_url": PICTURE_URL}],
}


def requests(raw: Raw, mcp_url: str) -> list[Json]:
    """Return requests that together reach every kind of item."""
    store_id = raw.store_with("brand.md", b"Our colours are teal and coral.")
    mcp = {"type": "mcp", "server_label": "m", "server_url": mcp_url, "require_approval": "never"}
    asking = {**mcp, "require_approval": {"never": {"tool_names": ["other"]}}, "headers": {"X-Key": "s3cret"}}
    search = {
        "type": "file_search",
        "vector_store_ids": [store_id],
        "filters": {"type": "eq", "key": "a", "value": "b"},
    }
    return [
        {"input": "say:hello", "metadata": {"a": "b"}, "max_output_tokens": 500, "temperature": 0.5},
        {"input": "say:" + "long_" * 100, "max_output_tokens": 16},
        {"input": "say:{}", "text": SCHEMA, "instructions": "be brief", "reasoning": {"effort": "low"}},
        {"input": "draw", "tools": [IMAGE], "tool_choice": "required"},
        {"input": [PICTURE_MESSAGE], "tools": [MASKED], "tool_choice": {"type": "image_generation"}},
        {"input": "draw:gore", "tools": [IMAGE]},
        {"input": "code", "tools": [CODE], "include": ["code_interpreter_call.outputs"], "max_tool_calls": 3},
        {"input": "code", "tools": [CODE]},
        {
            "input": "search:teal",
            "tools": [{**search, "filters": None}],
            "include": ["file_search_call.results"],
        },
        {"input": "search:teal", "tools": [search]},
        {"input": "call:weather call:weather", "tools": [FUNCTION]},
        {"input": "computer:careful", "tools": [COMPUTER], "truncation": "auto"},
        {"input": "list:m mcp:m.add say:done", "tools": [mcp]},
        {"input": "list:m mcp:m.add", "tools": [asking]},
        {"input": "list:m mcp:m.add", "tools": [{**mcp, "server_url": "http://127.0.0.1:9/none"}]},
        {"input": "boom"},
    ]


def test_every_stored_response_fits(raw: Raw, allowed: set[str], mcp_url: str) -> None:
    for request in requests(raw, mcp_url):
        queued = raw.ok("POST", "openai/v1/responses", {"model": "gpt-4.1", "background": True, **request})
        fits(Response, queued, allowed)
        body = raw.finished(queued["id"])
        fits(Response, body, allowed)
        assert body["status"] in ("completed", "incomplete") or request["input"] == "boom"
        fits(ResponseItemList, raw.ok("GET", f"openai/v1/responses/{body['id']}/input_items"), allowed)
        fits(Response, raw.ok("POST", f"openai/v1/responses/{body['id']}/cancel"), allowed)
        assert "s3cret" not in json.dumps(body)


EVENT_NAMES = [
    "created",
    "in_progress",
    "completed",
    "failed",
    "incomplete",
    "output_item.added",
    "output_item.done",
    "content_part.added",
    "content_part.done",
    "output_text.delta",
    "output_text.done",
    "output_text.annotation.added",
    "file_search_call.in_progress",
    "file_search_call.searching",
    "file_search_call.completed",
    "code_interpreter_call.in_progress",
    "code_interpreter_call_code.delta",
    "code_interpreter_call_code.done",
    "code_interpreter_call.interpreting",
    "code_interpreter_call.completed",
    "image_generation_call.in_progress",
    "image_generation_call.generating",
    "image_generation_call.partial_image",
    "image_generation_call.completed",
    "function_call_arguments.delta",
    "function_call_arguments.done",
    "mcp_list_tools.in_progress",
    "mcp_list_tools.completed",
    "mcp_list_tools.failed",
    "mcp_call.in_progress",
    "mcp_call_arguments.delta",
    "mcp_call_arguments.done",
    "mcp_call.completed",
    "mcp_call.failed",
]


def test_every_event_of_every_stream_fits(raw: Raw, allowed: set[str], mcp_url: str) -> None:
    seen: set[str] = set()
    for request in requests(raw, mcp_url):
        stream = raw.stream(request.pop("input"), **request)
        assert [event["sequence_number"] for event in stream] == list(range(len(stream)))
        for event in (one for one in stream if one["type"] != "error"):  # upon which the SDK raises
            fits(ResponseStreamEvent, event, allowed)
            seen.add(event["type"])
    assert seen == {f"response.{name}" for name in EVENT_NAMES}


def test_every_kind_of_item_fits_in_a_conversation(raw: Raw, allowed: set[str], mcp_url: str) -> None:
    for request in requests(raw, mcp_url):
        conversation = raw.ok("POST", "openai/v1/conversations", {"metadata": {"a": "b"}})
        fits(Conversation, conversation)
        path = f"openai/v1/conversations/{conversation['id']}"
        raw.call(
            "POST", "openai/v1/responses", {"model": "gpt-4.1", "conversation": conversation["id"], **request}
        )
        items = raw.ok("GET", f"{path}/items")
        # An empty page has no ends: recorded so, though the types call for them.
        fits(ConversationItemList, {"first_id": "", "last_id": "", **items}, allowed)
        fits(SyncConversationCursorPage[ConversationItem], items, {*allowed, "object", "first_id"})
        if items["data"]:
            item_id = items["data"][0]["id"]
            fits(ConversationItem, raw.ok("GET", f"{path}/items/{item_id}"), allowed)
            fits(Conversation, raw.ok("DELETE", f"{path}/items/{item_id}"))
        fits(Conversation, raw.ok("POST", path, {"metadata": {"c": "d"}}))
        fits(ConversationDeletedResource, raw.ok("DELETE", path))


ANSWERED: list[list[Json]] = [
    [
        {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_1", "output": "sunny"},
    ],
    [
        {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": "{}"},
        {
            "type": "function_call_output",
            "call_id": "call_1",
            "output": [
                {"type": "input_image", "image_url": PICTURE_URL},
                {"type": "input_text", "text": "x"},
            ],
        },
    ],
    [
        {
            "type": "computer_call",
            "call_id": "call_1",
            "action": {"type": "screenshot"},
            "pending_safety_checks": [],
            "status": "completed",
        },
        {
            "type": "computer_call_output",
            "call_id": "call_1",
            "acknowledged_safety_checks": [{"id": "sc_1", "code": "x", "message": "y"}],
            "output": {"type": "computer_screenshot", "image_url": PICTURE_URL},
        },
    ],
    [
        {
            "type": "mcp_approval_request",
            "id": "mcpr_1",
            "server_label": "m",
            "name": "add",
            "arguments": "{}",
        },
        {"type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": True, "reason": "fine"},
    ],
    [{"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "thinking"}]}],
    [{"role": "assistant", "content": "earlier"}, {"role": "system", "content": "rules"}],
    [
        {
            "role": "developer",
            "content": [{"type": "input_file", "file_data": "data:text/plain;base64,aGk=", "filename": "a"}],
        }
    ],
    [{"type": "image_generation_call", "id": "ig_x", "result": "aGk=", "status": "completed"}],
    [
        {
            "type": "code_interpreter_call",
            "id": "ci_x",
            "code": "1",
            "container_id": "cntr_x",
            "status": "completed",
        }
    ],
    [{"type": "file_search_call", "id": "fs_x", "queries": ["q"], "status": "completed"}],
    [
        {
            "type": "mcp_list_tools",
            "id": "mcpl_x",
            "server_label": "m",
            "tools": [{"name": "t", "input_schema": {}}],
        }
    ],
    [{"type": "mcp_call", "id": "mcp_x", "server_label": "m", "name": "add", "arguments": "{}"}],
]


@pytest.mark.parametrize("items", ANSWERED, ids=lambda items: items[-1].get("type", "message"))
def test_every_kind_of_input_item_comes_back_in_shape(raw: Raw, items: list[Json]) -> None:
    conversation = raw.ok("POST", "openai/v1/conversations", {"items": items})
    listed = raw.ok("GET", f"openai/v1/conversations/{conversation['id']}/items?order=asc")
    fits(ConversationItemList, listed)
    wanted = [item.get("type", "message") for item in items]
    assert [item["type"] for item in listed["data"]] == wanted
    body = raw.respond("", input=[*items, {"role": "user", "content": "say:ok"}])
    fits(ResponseItemList, raw.ok("GET", f"openai/v1/responses/{body['id']}/input_items"))


def test_a_replayed_stream_fits(raw: Raw, allowed: set[str]) -> None:
    started = raw.stream("say:hello", background=True)
    response_id = started[0]["response"]["id"]
    path = f"openai/v1/responses/{response_id}?stream=true&starting_after=2"
    replayed = events(raw.call("GET", path).text)
    assert replayed == started[3:]
    assert started[1]["type"] == "response.queued"
    for event in started:
        fits(ResponseStreamEvent, event, allowed)


def test_files_fit(raw: Raw, flavour: str) -> None:
    file_id = raw.upload("a.txt", b"hello")
    assert file_id.startswith("assistant-" if flavour == "azure" else "file-")
    fits(FileObject, raw.ok("GET", f"openai/v1/files/{file_id}"))
    page = {"object", "first_id", "last_id"}
    fits(SyncCursorPage[FileObject], raw.ok("GET", "openai/v1/files"), page)
    fits(FileDeleted, raw.ok("DELETE", f"openai/v1/files/{file_id}"))


def test_vector_stores_fit(raw: Raw) -> None:
    store_id = raw.store_with("a.md", b"teal and coral")
    path = f"openai/v1/vector_stores/{store_id}"
    page = {"object", "first_id", "last_id"}
    fits(VectorStore, raw.ok("GET", path))
    fits(
        VectorStore,
        raw.ok("POST", path, {"name": "n", "expires_after": {"anchor": "last_active_at", "days": 1}}),
    )
    fits(SyncCursorPage[VectorStore], raw.ok("GET", "openai/v1/vector_stores"), page)
    files = raw.ok("GET", f"{path}/files")
    fits(SyncCursorPage[VectorStoreFile], files, page)
    file_path = f"{path}/files/{files['data'][0]['id']}"
    fits(VectorStoreFile, raw.ok("POST", file_path, {"attributes": {"a": 1, "b": True, "c": "x"}}))
    for hit in raw.ok("POST", f"{path}/search", {"query": "teal"})["data"]:
        fits(VectorStoreSearchResponse, hit)
    batch = raw.ok("POST", f"{path}/file_batches", {"file_ids": [raw.upload("b.md", b"x")]})
    fits(VectorStoreFileBatch, batch)
    fits(VectorStoreFileBatch, raw.ok("POST", f"{path}/file_batches/{batch['id']}/cancel"))
    fits(SyncCursorPage[VectorStoreFile], raw.ok("GET", f"{path}/file_batches/{batch['id']}/files"), page)
    fits(VectorStoreFileDeleted, raw.ok("DELETE", file_path))
    fits(VectorStoreDeleted, raw.ok("DELETE", path))


def test_containers_fit(raw: Raw) -> None:
    container = raw.ok("POST", "openai/v1/containers", {"name": "c", "memory_limit": "4g"})
    fits(ContainerCreateResponse, container)
    page = {"object", "first_id", "last_id"}
    fits(SyncCursorPage[ContainerListResponse], raw.ok("GET", "openai/v1/containers"), page)
    path = f"openai/v1/containers/{container['id']}/files"
    file = raw.ok("POST", path, {"file_id": raw.upload("b.csv", b"1,2")})
    fits(FileCreateResponse, file)
    fits(SyncCursorPage[FileListResponse], raw.ok("GET", path), page)


def test_counted_tokens_fit(raw: Raw) -> None:
    counted = raw.ok("POST", "openai/v1/responses/input_tokens", {"model": "gpt-4.1", "input": "hello there"})
    fits(InputTokenCountResponse, counted)
