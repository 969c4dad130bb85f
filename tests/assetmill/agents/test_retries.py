"""Every call of the gateway, and whether the SDK repeats it: the one that spends never, reads at leisure."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace

import pytest

from assetmill.agents.foundry import FoundryGateway
from assetmill.agents.gateway import AgentDefinition, Gateway
from assetmill.errors import ServiceError
from tests.assetmill.agents.served import Served, patch, refusal
from tests.assetmill.agents.wire import request

pytestmark = pytest.mark.xdist_group("served")
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

ON_PROJECT: dict[str, tuple[str, Call]] = {
    "ensure_agent": ("agents.list_versions", lambda gateway: gateway.ensure_agent(AGENT)),
    "list_agent_versions": ("agents.list", lambda gateway: gateway.list_agent_versions()),
    "delete_agent_version": (
        "agents.delete_version",
        lambda gateway: gateway.delete_agent_version("a", "1"),
    ),
    "examine": ("deployments.list", lambda gateway: gateway.examine(["gpt-4.1-mini"])),
    "lifecycles": ("deployments.list", lambda gateway: gateway.lifecycles()),
}
"""Through the vendor's core: what is asked for four times when each answer is 503."""


def test_no_call_of_the_gateway_is_left_out() -> None:
    calls = {name for name, value in inspect.getmembers(Gateway) if inspect.isfunction(value)}
    calls = {name for name in calls if not name.startswith("_")}
    assert calls - {"close"} == set(ON_OPENAI) | set(ON_PROJECT) | ON_RESOURCE


@pytest.mark.parametrize("name", ON_OPENAI)
def test_a_call_is_repeated_as_often_as_it_may(served: Served, name: str) -> None:
    times, call = ON_OPENAI[name]
    served.plan(refusal("*", "server_error", 500))
    try:
        call(served.gateway)
    except ServiceError:
        assert name != "find_pictures"
    assert sum(served.project.calls.values()) == times


@pytest.mark.parametrize("name", ON_PROJECT)
def test_a_call_of_the_project_is_repeated_as_often_as_it_may(served: Served, name: str) -> None:
    operation, call = ON_PROJECT[name]
    served.plan(refusal("*", "ServiceUnavailable", 503))
    try:
        call(served.gateway)
    except ServiceError:
        assert name != "examine"  # which tells what it cannot read, and goes on
    assert served.project.calls == {operation: 4}


def test_making_an_agent_version_is_sent_once(served: Served) -> None:
    """The SDK's core repeats a POST that got 500 or 503: each may have made a version."""
    made, agent = "agents.create_version", replace(AGENT, name="assetmill-made-once")
    served.plan(patch(made, status=503))
    with pytest.raises(ServiceError):
        served.gateway.ensure_agent(agent)
    assert served.project.calls[made] == 1
    served.plan()
    served.gateway.ensure_agent(agent)
    assert served.project.calls[made] == 1
