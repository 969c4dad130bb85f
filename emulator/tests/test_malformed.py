"""Whatever is thrown at the emulator, it answers with an error in the vendor's envelope: no 5xx, ever."""

from __future__ import annotations

import json
import re
from typing import Any, cast

import httpx2
import pytest
from foundry_emulator.app import OPENAI_OPERATIONS, PROJECT_OPERATIONS
from foundry_emulator.routes.endpoint import Operation
from foundry_emulator.testing.calls import Raw
from foundry_emulator.testing.scripted import PICTURE_URL
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

_KEYS = st.sampled_from(
    [
        "input",
        "model",
        "tools",
        "tool_choice",
        "text",
        "conversation",
        "previous_response_id",
        "metadata",
        "stream",
        "background",
        "store",
        "include",
        "agent_reference",
        "structured_inputs",
        "instructions",
        "type",
        "role",
        "content",
        "name",
        "version",
        "definition",
        "kind",
        "file_id",
        "file_ids",
        "id",
        "items",
        "items",
        "output",
        "call_id",
        "arguments",
        "action",
        "container",
        "expires_after",
        "anchor",
        "minutes",
        "days",
        "seconds",
        "attributes",
        "chunking_strategy",
        "static",
        "max_chunk_size_tokens",
        "chunk_overlap_tokens",
        "query",
        "filters",
        "filter",
        "key",
        "value",
        "vector_store_ids",
        "max_num_results",
        "ranking_options",
        "score_threshold",
        "size",
        "quality",
        "partial_images",
        "input_image_mask",
        "image_url",
        "output_format",
        "server_label",
        "server_url",
        "headers",
        "require_approval",
        "allowed_tools",
        "parameters",
        "strict",
        "schema",
        "format",
        "max_output_tokens",
        "max_tool_calls",
        "temperature",
        "top_p",
        "agent_endpoint",
        "version_selector",
        "version_selection_rules",
        "agent_version",
        "traffic_percentage",
        "tool_resources",
        "purpose",
        "memory_limit",
        "network_policy",
        "reasoning",
        "effort",
        "summary",
        "truncation",
        "files",
        "attributes",
    ]
)
_WORDS = st.sampled_from(
    [
        *(
            "gpt-4.1",
            "message",
            "user",
            "assistant",
            "prompt",
            "workflow",
            "auto",
            "required",
            "say:hi",
            "draw",
        ),
        *("image_generation", "file_search", "code_interpreter", "function", "mcp", "computer_use_preview"),
        *(
            "input_text",
            "input_image",
            "input_file",
            "function_call",
            "function_call_output",
            "item_reference",
        ),
        *(
            "mcp_approval_response",
            "computer_call_output",
            "image_generation_call",
            "reasoning",
            "json_schema",
        ),
        *("agent_reference", "created_at", "last_active_at", "static", "eq", "and", "in", "1024x1024", "png"),
        *("asst", "known", "{{name}}", "../../etc/passwd", "\x00", "\ud800", "", "a" * 5000, PICTURE_URL),
        *("data:image/png;base64,@@", "http://169.254.169.254/", "-1", "9" * 400, "NaN", "💥"),
    ]
)
_SCALARS = st.one_of(
    _WORDS,
    st.text(max_size=12),
    st.integers(min_value=-(2**70), max_value=2**70),
    st.floats(allow_nan=True),
    st.booleans(),
    st.none(),
)
_VALUES: st.SearchStrategy[Any] = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_KEYS, inner, max_size=6)),
    max_leaves=25,
)
_BODIES = st.one_of(st.dictionaries(_KEYS, _VALUES, max_size=8), _VALUES)
_BROKEN = st.sampled_from([b"{", b"[" * 5000, b"\xff\xfe", b'{"a": 1e999}', b"{}{}", b'"\\ud800"', b"null"])
_PARTS = st.sampled_from(
    ["known", "..", "%2e%2e", "a" * 300, "%00", "x:enable", "%F0%9F%92%A5", "conv_1", "{x}", "%2F", "1"]
)
_QUERIES = st.dictionaries(
    st.sampled_from(["limit", "order", "after", "before", "include", "stream", "starting_after", "filter"]),
    st.one_of(
        st.sampled_from(["0", "1", "101", "-1", "asc", "true", "x" * 50, "\x00", "٣"]), st.text(max_size=5)
    ),
    max_size=3,
)
_OPERATIONS: list[tuple[str, Operation]] = [
    *(("openai/v1", operation) for operation in OPENAI_OPERATIONS),
    *(("", operation) for operation in PROJECT_OPERATIONS),
]


def _address(choice: tuple[str, Operation], parts: list[str]) -> tuple[str, str]:
    surface, operation = choice
    names = iter(parts)
    path = re.sub(r"\{[^}]*\}", lambda _: next(names), operation.path)
    return operation.method, f"{surface}{path}".lstrip("/")


_ADDRESSES = st.builds(_address, st.sampled_from(_OPERATIONS), st.lists(_PARTS, min_size=3, max_size=3))
_MANY = settings(
    max_examples=1000,
    deadline=None,
    derandomize=True,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)


def _enveloped(body: Any, *, is_openai: bool) -> bool:
    error = body["error"]
    model, foundry = {"message", "type", "param", "code"}, {"code", "message", "type", "details"}
    is_worded = foundry <= set(error) or (is_openai and model <= set(error))
    return is_worded and bool(error["message"])


def _valid(raw: Raw) -> list[tuple[str, str, Any]]:
    """Return requests that work, over objects that exist: what hypothesis then spoils in one place."""
    file_id = raw.upload("a.md", b"teal")
    store_id = raw.store_with("b.md", b"coral")
    container_id = raw.ok("POST", "openai/v1/containers", {"name": "c"})["id"]
    conversation_id = raw.ok("POST", "openai/v1/conversations", {})["id"]
    response_id = raw.respond("say:hi")["id"]
    definition: Any = {
        "kind": "prompt",
        "model": "gpt-4.1",
        "instructions": "{{a}}",
        "tools": [{"type": "file_search", "vector_store_ids": [store_id]}],
        "structured_inputs": {"a": {"description": "x", "required": False, "default_value": "say:x"}},
    }
    raw.ok("POST", "agents/known/versions", {"definition": definition})
    tools: list[Any] = [
        {"type": "image_generation", "size": "1024x1024", "input_image_mask": {"image_url": PICTURE_URL}},
        {"type": "code_interpreter", "container": {"type": "auto", "file_ids": [file_id]}},
        {"type": "code_interpreter", "container": container_id},
        {"type": "file_search", "vector_store_ids": [store_id], "filters": _FILTER, "ranking_options": {}},
        {"type": "function", "name": "weather", "parameters": {"type": "object"}, "strict": True},
        {"type": "mcp", "server_label": "m", "server_url": "http://127.0.0.1:9/", "headers": {"a": "b"}},
    ]
    items: list[Any] = [
        {
            "role": "user",
            "content": [{"type": "input_text", "text": "say:x draw code call:weather list:m mcp:m.t"}],
        },
        {
            "role": "user",
            "content": [
                {"type": "input_image", "image_url": PICTURE_URL},
                {"type": "input_file", "file_id": file_id},
            ],
        },
        {"type": "function_call", "call_id": "c", "name": "weather", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "sunny"},
        {"type": "item_reference", "id": "msg_x"},
    ]
    text: Any = {"format": {"type": "json_schema", "name": "x", "schema": {}, "strict": True}}
    response: Any = {
        "model": "gpt-4.1",
        "input": items[:4],
        "tools": tools[:5],
        "metadata": {"a": "b"},
        "text": text,
    }
    edit: Any = {
        "model": "gpt-4.1",
        "input": [items[1], {"role": "user", "content": "edit search draw"}],
        "tools": tools[:4],
    }
    answering = {
        "agent_reference": {"type": "agent_reference", "name": "known", "version": "1"},
        "input": "search",
    }
    rule = {"type": "FixedRatio", "agent_version": "1", "traffic_percentage": 100}
    endpoint: Any = {
        "version_selector": {"version_selection_rules": [rule]},
        "protocol_configuration": {"responses": {}},
    }
    chunking = {"type": "static", "static": {"max_chunk_size_tokens": 200, "chunk_overlap_tokens": 100}}
    attach = {"file_id": file_id, "attributes": {"a": 1}, "chunking_strategy": chunking}
    lasting = {"anchor": "last_active_at", "days": 1}
    return [
        ("POST", "openai/v1/responses", response),
        ("POST", "openai/v1/responses", {**edit, "stream": True}),
        ("POST", "openai/v1/responses", {"model": "gpt-4.1", "input": "mcp:m.t", "tools": tools[5:]}),
        (
            "POST",
            "openai/v1/responses",
            {**answering, "structured_inputs": {"a": "b"}, "conversation": {"id": conversation_id}},
        ),
        (
            "POST",
            "openai/v1/responses",
            {**answering, "previous_response_id": response_id, "background": True},
        ),
        ("POST", "agents/known/endpoint/protocols/openai/responses", {"input": items[:1], "include": []}),
        ("POST", "openai/v1/responses/input_tokens", {"model": "gpt-4.1", "input": items}),
        ("POST", "openai/v1/conversations", {"items": items[:4], "metadata": {"a": "b"}}),
        ("POST", f"openai/v1/conversations/{conversation_id}/items", {"items": items[:4]}),
        ("POST", "openai/v1/vector_stores", {"name": "x", "file_ids": [file_id], "expires_after": lasting}),
        ("POST", f"openai/v1/vector_stores/{store_id}/files", attach),
        (
            "POST",
            f"openai/v1/vector_stores/{store_id}/file_batches",
            {"files": [attach], "file_ids": [file_id]},
        ),
        ("POST", f"openai/v1/vector_stores/{store_id}/search", {"query": ["teal"], "filters": _FILTER}),
        (
            "POST",
            "openai/v1/containers",
            {"name": "c", "file_ids": [file_id], "expires_after": {"minutes": 5}},
        ),
        ("POST", f"openai/v1/containers/{container_id}/files", {"file_id": file_id}),
        ("POST", "agents/known/versions", {"definition": definition, "metadata": {"a": "b"}}),
        ("PATCH", "agents/known", {"agent_endpoint": endpoint}),
    ]


_FILTER: Any = {
    "type": "and",
    "filters": [{"type": "eq", "key": "a", "value": 1}, {"type": "in", "key": "b", "value": [1]}],
}


def _spots(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        inner = list(cast("dict[Any, Any]", value).items())
    elif isinstance(value, list):
        inner = list(enumerate(cast("list[Any]", value)))
    return [path, *(spot for key, one in inner for spot in _spots(one, (*path, key)))]


def _spoiled(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy: Any = value.copy()
    copy[path[0]] = _spoiled(value[path[0]], path[1:], new)
    return copy


def _check(answer: httpx2.Response, caplog: pytest.LogCaptureFixture, path: str, body: object) -> None:
    assert answer.status_code < 500, (path, body, answer.text)
    if answer.status_code >= 400:
        assert _enveloped(answer.json(), is_openai="openai/" in path), (path, answer.text)
        assert "Traceback" not in answer.text
    failures = [record.getMessage() for record in caplog.records if record.exc_info]
    assert not failures, (path, body)


@given(
    address=_ADDRESSES,
    body=st.one_of(_BODIES.map(lambda value: json.dumps(value).encode()), _BROKEN),
    query=_QUERIES,
    content_type=st.sampled_from(["application/json"] * 8 + ["text/plain", "multipart/form-data", ""]),
)
@_MANY
@pytest.mark.timeout(120)
def test_random_requests_meet_the_vendors_envelope(
    raw: Raw,
    caplog: pytest.LogCaptureFixture,
    *,
    address: tuple[str, str],
    body: bytes,
    query: dict[str, str],
    content_type: str,
) -> None:
    method, path = address
    content = body if method in ("POST", "PATCH") else None
    headers = {"Content-Type": content_type}
    answer = raw.call(method, path, content=content, params=query, headers=headers)
    _check(answer, caplog, path, body)


@pytest.fixture
def valid(raw: Raw) -> list[tuple[str, str, Any]]:
    return _valid(raw)


def test_the_requests_that_are_spoiled_work(raw: Raw, valid: list[tuple[str, str, Any]]) -> None:
    for method, path, body in valid:
        assert raw.call(method, path, body).status_code == 200, (path, body)


@given(data=st.data())
@_MANY
@pytest.mark.timeout(120)
def test_requests_spoiled_in_one_place_meet_the_vendors_envelope(
    raw: Raw, caplog: pytest.LogCaptureFixture, valid: list[tuple[str, str, Any]], data: st.DataObject
) -> None:
    method, path, body = data.draw(st.sampled_from(valid))
    spot = data.draw(st.sampled_from(_spots(body)[1:]))
    spoiled = _spoiled(body, spot, data.draw(_VALUES))
    content = json.dumps(spoiled).encode()
    answer = raw.call(method, path, content=content, headers={"Content-Type": "application/json"})
    _check(answer, caplog, path, (spot, spoiled))


def test_what_cannot_be_included_is_named_by_its_place(raw: Raw) -> None:
    asked = {"model": "gpt-4.1", "input": "say:hi", "include": ["file_search_call.results", "nothing"]}
    error = raw.call("POST", "openai/v1/responses", asked).json()["error"]
    assert (error["code"], error["param"]) == ("invalid_value", "include[1]")
