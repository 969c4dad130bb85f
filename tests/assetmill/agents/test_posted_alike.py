"""What a stage asks by its path is, byte for byte, what the SDK's own methods would ask."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import openai
import pytest

from assetmill.agents.foundry_wire import post_arguments, post_parts
from assetmill.agents.gateway import AgentVersion, ResponseRequest

_PLAIN = ResponseRequest(
    agent=AgentVersion("draw", "1"),
    conversation_id="conv_1",
    input=({"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Träume"}]},),
    metadata={},
)
_FULL = ResponseRequest(
    agent=AgentVersion("draw", "2"),
    conversation_id="conv_2",
    input=({"type": "function_call_output", "call_id": "c", "output": "{}"},),
    metadata={"a": "b"},
    way="background",
    lane="flex",
    is_truncatable=True,
    max_tool_calls=3,
    image_deployment="gpt-image-1.5",
    structured_inputs={"name": "value"},
)


@pytest.mark.parametrize("request_", [_PLAIN, _FULL], ids=["plain", "full"])
def test_a_post_by_its_path_is_the_sdks_own(request_: ResponseRequest) -> None:
    heard: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        heard.append(request)
        return httpx2.Response(200, json={"id": "resp_1", "object": "response", "output": []})

    http = openai.DefaultHttpxClient(transport=httpx2.MockTransport(answer))
    client = openai.OpenAI(api_key="k", base_url="https://example.test/v1", http_client=http, max_retries=0)
    body, headers = post_parts(request_)
    client.responses.create(**post_arguments(request_))
    client.post("/responses", cast_to=httpx2.Response, body=body, options={"headers": headers})
    theirs, ours = map(_told, heard)
    assert ours == theirs
    client.close()


def _told(request: httpx2.Request) -> tuple[str, str, Any, dict[str, str]]:
    headers = {name: value for name, value in request.headers.items() if name != "content-length"}
    return request.method, str(request.url), json.loads(request.content), headers
