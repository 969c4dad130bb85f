"""A Foundry project on a wire of the test's own: the real gateway and SDK, answers made up here.

For what no served project can show (`served.py`): every byte of a request, headers included; a line that
fails before it is there; and thousands of answers, each of which would take far longer on a socket.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import httpx2
import openai
import pytest
from azure.core.credentials import AccessToken

from assetmill.agents.foundry import FoundryGateway
from assetmill.agents.gateway import AgentVersion, ResponseRequest, Way
from assetmill.agents.recording import Recorder

Body = dict[str, Any]
Answer = Callable[[httpx2.Request], httpx2.Response]
ENDPOINT = "https://wire.invalid/api/projects/test"


class _Credential:
    def get_token(self, *_scopes: str, **_options: Any) -> AccessToken:
        return AccessToken("token", 2**31)


def without_pauses(patch: pytest.MonkeyPatch) -> None:
    """Let the SDKs repeat what they repeat without a pause between."""

    def at_once(*_: object, **__: object) -> float:
        return 0.0

    patch.setattr("openai._base_client.BaseClient._calculate_retry_timeout", at_once)
    patch.setattr("azure.core.pipeline.transport.RequestsTransport.sleep", at_once)


class Wire:
    """Answers by method and the path's end; every request is kept."""

    def __init__(self, patch: pytest.MonkeyPatch, recorder: Recorder | None = None) -> None:
        self.requests: list[httpx2.Request] = []
        self.answers: dict[tuple[str, str], list[Answer | Exception]] = {}
        patch.setattr(openai, "DefaultHttpxClient", self._client)
        self.gateway = FoundryGateway(
            ENDPOINT, _Credential(), wait=lambda _: None, poll_s=0.001, recorder=recorder
        )
        without_pauses(patch)

    def _client(self, **_: Any) -> httpx2.Client:
        return httpx2.Client(transport=httpx2.MockTransport(self._answer))

    def on(self, method: str, path: str, *answers: Answer | Exception) -> None:
        """Answer requests to a path in turn; the last answer stays."""
        self.answers[method, path] = list(answers)

    def sent(self, method: str, path: str) -> list[Body]:
        """Return the bodies of the requests to a path."""
        return [
            json.loads(request.content or b"{}")
            for request in self.requests
            if request.method == method and request.url.path.endswith(path)
        ]

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        for (method, path), answers in self.answers.items():
            if request.method == method and request.url.path.endswith(path):
                answer = answers.pop(0) if len(answers) > 1 else answers[0]
                if isinstance(answer, Exception):
                    raise answer
                return _unread(answer(request))
        return httpx2.Response(404, json={"error": {"code": "not_found", "message": "nothing here"}})


def _unread(made: httpx2.Response) -> httpx2.Response:
    """Return an answer whose body has yet to come, as from any line."""
    return httpx2.Response(made.status_code, headers=made.headers, stream=made.stream)


def body(value: object, status: int = 200, **headers: str) -> Answer:
    """Answer with JSON."""
    return lambda _: httpx2.Response(status, json=value, headers=headers)


def page_of_a_proxy(_: httpx2.Request) -> httpx2.Response:
    return httpx2.Response(200, text="<html>")


def events(*told: Body | str, cut: bool = False) -> Answer:
    """Answer with a stream of events, perhaps cut short before its end."""

    def lines() -> Iterable[bytes]:
        for number, event in enumerate(told):
            shown = event if isinstance(event, str) else json.dumps({"sequence_number": number, **event})
            kind = "event" if isinstance(event, str) else str(event.get("type"))
            yield f"event: {kind}\ndata: {shown}\n\n".encode()
        if cut:
            raise httpx2.ReadError("cut")

    return lambda _: httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=lines())


def response(status: str = "completed", output: Sequence[object] = (), **fields: object) -> Body:
    """Make a response's body."""
    return {"id": "resp_1", "object": "response", "status": status, "output": list(output), **fields}


def request(way: Way = "background", **changes: Any) -> ResponseRequest:
    """Make a request as the engine posts it."""
    message = {"type": "message", "role": "user", "content": "draw"}
    marks = {"assetmill_turn": "1"}
    return ResponseRequest(
        AgentVersion("assetmill-poster", "1"), "conv_1", (message,), marks, way=way, **changes
    )
