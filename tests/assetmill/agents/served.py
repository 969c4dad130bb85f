"""A gateway before a whole emulated project, which is told what to answer wrongly.

What the client meets is what it would meet of the service: a line, the SDKs' own reading of it, IDs that the
service has made.
"""

from __future__ import annotations

import base64
import itertools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from foundry_emulator.testing.emulated import EmulatedProject

from assetmill.agents.foundry import FoundryGateway
from assetmill.agents.gateway import AgentDefinition, Frame, Response, ResponseRequest
from assetmill.agents.outputs import read_response

CREATE, READ, ITEMS = "responses.create", "responses.retrieve", "conversations.items.list"
PARTIALS = 2
IMAGE_MODEL = "gpt-image-1.5"
POSTER = AgentDefinition(
    "assetmill-poster", "gpt-4.1", "", ({"type": "image_generation", "partial_images": PARTIALS},)
)

Change = Mapping[str, Any]


def patch(op: str, **change: Any) -> Change:
    """Carry an operation out and change its answer, each time unless `nth` says when."""
    return {"op": op, "fault": "patch", **change}


def refusal(op: str, code: str, status: int, message: str = "no", **more: Any) -> Change:
    """Answer an operation with an error in its place; nothing is carried out."""
    error = {"error": {"code": code, "message": message}}
    return patch(op, instead=True, status=status, merge=error, **more)


def cut_before(op: str, event: str, *more: Change, **when: Any) -> Change:
    """Cut a stream before the first event of a type, after other changes to it."""
    return patch(op, events=[*more, {"type": event, "cut": True}], **when)


class Served:
    """A gateway on an emulated project; each test begins with a project that knows nothing.

    Gateway and lines are kept from test to test, for opening them takes longer than what is asked on them.
    """

    def __init__(self, project: EmulatedProject) -> None:
        self.project = project
        self.gateway = FoundryGateway(
            project.endpoint, project.credential, wait=lambda _: None, poll_s=0.001, ca=project.ca
        )
        self._names = itertools.count(1)

    def begin(self) -> None:
        """Forget what other tests made, planned and set; the agent is one that the gateway does not know."""
        self.project.reset()
        self._agent = replace(POSTER, name=f"{POSTER.name}-{next(self._names)}")

    def plan(self, *changes: Change) -> None:
        """Say what goes wrong from now on."""
        self.project.faults.plan(*changes)

    def request(self, words: str = "draw", **changes: Any) -> ResponseRequest:
        """Make a request as the engine posts it, to an agent and in a conversation of its own."""
        agent = self.gateway.ensure_agent(self._agent)
        conversation_id = self.gateway.create_conversation({})
        message = {"type": "message", "role": "user", "content": words}
        marks = {"assetmill_turn": "1"}
        return ResponseRequest(agent, conversation_id, (message,), marks, IMAGE_MODEL, **changes)

    def follow(self, request: ResponseRequest) -> tuple[Response, list[Frame]]:
        """Post and follow to the end, as the engine does; the post is sent once, whatever comes."""
        ids: list[str] = []
        frames: list[Frame] = []
        try:
            first = self.gateway.create_response(request, ids.append)
            assert ids == [first.response_id]
            found = self.gateway.follow_response(first.response_id, deadline_s=5.0, on_frame=frames.append)
        finally:
            assert self.project.calls[CREATE] == 1
        return found, frames


def pictures(found: Response) -> list[bytes | None]:
    """Return the pictures of a response; None where one is told without its bytes."""
    return [image.decode() for image in read_response(found.body).images]


def text_of(data: bytes) -> str:
    """Write bytes as the service writes a picture."""
    return base64.b64encode(data).decode()
