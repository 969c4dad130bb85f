"""Every call of the gateway, and whether the SDK repeats it: the one that spends never, reads at leisure."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
from azure.core.pipeline.transport import HttpRequest

from assetmill.agents.foundry import FoundryGateway
from assetmill.agents.gateway import AgentDefinition, Gateway
from assetmill.errors import ServiceError
from tests.assetmill.agents.wire import Wire, body, request

AGENT = AgentDefinition("assetmill-poster", "gpt-4.1-mini", "draw", ())
Call = Callable[[FoundryGateway], object]

# How often a call is sent that the service answers with 500 each time.
ON_OPENAI: dict[str, tuple[int, Call]] = {
    "create_conversation": (5, lambda gateway: gateway.create_conversation({})),
    "delete_conversation": (5, lambda gateway: gateway.delete_conversation("conv_1")),
    "list_responses": (5, lambda gateway: gateway.list_responses("conv_1")),
    "create_response": (1, lambda gateway: gateway.create_response(request(), lambda _: None)),
    "post_and_leave": (1, lambda gateway: gateway.post_and_leave(request())),
    "get_response": (5, lambda gateway: gateway.get_response("resp_1")),
    "follow_response": (
        5,
        lambda gateway: gateway.follow_response("resp_1", deadline_s=1.0, on_frame=None),
    ),
    "find_pictures": (15, lambda gateway: gateway.find_pictures("resp_1", "conv_1", ())),
    "upload_file": (5, lambda gateway: gateway.upload_file("a.png", b"x", "image/png")),
    "has_file": (5, lambda gateway: gateway.has_file("file_1")),
    "create_vector_store": (5, lambda gateway: gateway.create_vector_store("x", ["file_1"])),
    "has_vector_store": (5, lambda gateway: gateway.has_vector_store("vs_1")),
    "list_container_files": (5, lambda gateway: gateway.list_container_files("cntr_1")),
    "read_container_file": (5, lambda gateway: gateway.read_container_file("cntr_1", "cfile_1")),
    "delete_file": (5, lambda gateway: gateway.delete_file("file_1")),
    "delete_response": (5, lambda gateway: gateway.delete_response("resp_1")),
    "delete_vector_store": (5, lambda gateway: gateway.delete_vector_store("vs_1")),
}
ON_RESOURCE = {"draw", "has_route"}
"""Calls of image models themselves, through no SDK: `test_direct_posts.py` counts each request."""

_READ = ["GET"] * 4
ON_PROJECT: dict[str, tuple[list[str], Call]] = {
    "ensure_agent": (_READ, lambda gateway: gateway.ensure_agent(AGENT)),
    "list_agent_versions": (_READ, lambda gateway: gateway.list_agent_versions()),
    "delete_agent_version": (["DELETE"] * 4, lambda gateway: gateway.delete_agent_version("a", "1")),
    "examine": (_READ, lambda gateway: gateway.examine(["gpt-4.1-mini"])),
    "lifecycles": (_READ, lambda gateway: gateway.lifecycles()),
}
"""Through the vendor's core: which requests leave when each is answered with 503."""


def test_no_call_of_the_gateway_is_left_out() -> None:
    calls = {name for name, value in inspect.getmembers(Gateway) if inspect.isfunction(value)}
    calls = {name for name in calls if not name.startswith("_")}
    assert calls - {"close"} == set(ON_OPENAI) | set(ON_PROJECT) | ON_RESOURCE


@pytest.mark.parametrize("name", ON_OPENAI)
def test_a_call_is_repeated_as_often_as_it_may(wire: Wire, name: str) -> None:
    times, call = ON_OPENAI[name]
    for method in ("GET", "POST", "DELETE"):
        wire.on(method, "", body({"error": {"code": "server_error", "message": "x"}}, 500))
    try:
        call(wire.gateway)
    except ServiceError:
        assert name != "find_pictures"
    assert len(wire.requests) == times


class Unavailable:
    """The service's gateway, which answers 503 whatever is asked."""

    status_code, reason, content_type = 503, "Unavailable", "application/json"
    headers: dict[str, str] = {}  # noqa: RUF012 - a stand-in for the transport's own answer

    def text(self, *_: object) -> str:
        return "{}"

    def body(self) -> bytes:
        return b"{}"

    def __getattr__(self, _: str) -> Callable[[], bytes]:
        return self.body


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The requests of the vendor's core as they leave, by method; each gets 503, and no pause is made."""
    found: list[str] = []

    def send(_transport: object, posted: HttpRequest, **_: object) -> object:
        found.append(posted.method)
        return Unavailable()

    def at_once(*_: object, **__: object) -> None:
        return None

    monkeypatch.setattr("azure.core.pipeline.transport.RequestsTransport.send", send)
    monkeypatch.setattr("azure.core.pipeline.transport.RequestsTransport.sleep", at_once)
    return found


@pytest.mark.parametrize("name", ON_PROJECT)
def test_a_call_of_the_project_is_repeated_as_often_as_it_may(wire: Wire, sent: list[str], name: str) -> None:
    times, call = ON_PROJECT[name]
    try:
        call(wire.gateway)
    except ServiceError:
        assert name != "examine"  # which tells what it cannot read, and goes on
    assert sent == times


def test_making_an_agent_version_is_sent_once(
    wire: Wire, sent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The SDK's core repeats a POST that got 500 or 503: each may have made a version."""

    def nothing(*_: object, **__: object) -> tuple[()]:
        return ()

    project: Any = vars(wire.gateway)["_project"]
    monkeypatch.setattr(project.agents, "list_versions", nothing)
    with pytest.raises(ServiceError):
        wire.gateway.ensure_agent(AGENT)
    assert sent == ["POST"]
