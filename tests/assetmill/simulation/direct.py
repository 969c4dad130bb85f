"""The fourth kind of call: an image model itself, which gives no ID, lists nothing and forgets nothing.

What such a call came to is known to whoever hears its one reply and to nobody else, so these are the rules
beside those of `scenario.py`:

never        a POST that rests on silence, whatever the profile's policy says
never        a fence, a list or a question about an earlier call: there is nothing to ask
never        a receipt whose reply is not stored, bytes and all
in the end   a reply that was stored is committed; whatever else was accepted is in doubt
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from assetmill.agents.gateway import DrawRequest, Response, ResponseRequest
from assetmill.errors import NotSent, OutcomeUnknown, Rejected
from assetmill.plan.calls import ExpectedOutput, StageCall
from assetmill.records import Intent
from tests.assetmill.simulation.gateway import SimulatedGateway
from tests.assetmill.simulation.service import Accepted, Posted, Service
from tests.assetmill.simulation.world import Violation, Worker
from tests.doubles import Body, image_item, png, stage_call

_MODEL = "MAI-Image-2.6"
_TOOL = {"type": "image_model", "model": _MODEL, "output_format": "png"}
_PICTURE = image_item(png(1, 1), "")
DRAWN: StageCall = stage_call(
    model=_MODEL, image_deployment=None, tools=(_TOOL,), outputs=(ExpectedOutput("picture", "hero.png"),)
)


@dataclass
class Calls:
    """What is stored of the calls of a seed, by the nonce that names each and by its attempt."""

    intents: dict[str, Intent] = field(default_factory=dict[str, Intent])
    replies: set[int] = field(default_factory=set[int])

    def attempt_of(self, request: DrawRequest) -> int:
        """Return the attempt that a call is of.

        Raises:
            Violation: nothing was stored before it.
        """
        intent = self.intents.get(request.name.removeprefix("call_"))
        if intent is None:
            raise Violation(f"{request.name} was posted before its intent")
        return intent.attempt

    def check_receipt(self, attempt: int) -> None:
        """Make sure that a receipt names a reply that is there."""
        if attempt not in self.replies:
            raise Violation(f"the receipt of attempt {attempt} names a reply that is not stored")


class DirectGateway(SimulatedGateway):
    """One worker's way to an image model: a post, and nothing that could be asked of the service."""

    def __init__(self, calls: Calls, service: Service, worker: Worker, resends: int = 0) -> None:
        super().__init__(service, worker, resends)
        self._calls = calls

    def draw(self, request: DrawRequest) -> Response:
        self._world.step(self._worker, f"POST {request.name}")
        posted = Posted(self._calls.attempt_of(request), 1)
        self._service.posts.append(posted)
        try:
            made = self._sent(request, posted.attempt)
        except (NotSent, Rejected):
            posted.is_refused = True
            raise
        self._world.sleep(self._worker, made.final_at - self._world.now)
        self._world.step(self._worker, "the reply arrives")
        return Response(request.name, made.status, made.body)

    def create_response(self, request: ResponseRequest, on_created: Callable[[str], None]) -> Response:
        raise Violation("a call of an image model goes to no agent")

    def _call(self, what: str) -> None:
        raise Violation(f"{what}: a call of an image model has nothing that could be asked for")

    def has_route(self, route: str, path: str) -> bool | None:
        return True

    def _sent(self, request: DrawRequest, attempt: int) -> Accepted:
        for _ in range(self._resends):
            try:
                return self._sent_once(request, attempt)
            except OutcomeUnknown:
                self._world.step(self._worker, "the client sends it again")
        return self._sent_once(request, attempt)

    def _sent_once(self, request: DrawRequest, attempt: int) -> Accepted:
        world = self._world
        if not world.fault(world.chaos.post_faults):
            return self._accept(request, attempt)
        fault = world.rng.choice(("drop", "late", "lost", "lost", "throttled", "not_sent", "rejected"))
        world.note(f"{self._worker.name}  fault: {fault}")
        if fault == "late":
            world.after(world.rng.random() * 600.0, partial(self._accept, request, attempt))
        elif fault == "lost":
            self._accept(request, attempt)
        elif fault != "drop":
            self._refuse(fault)
        world.sleep(self._worker, world.rng.choice((0.0, 1.0, 60.0)))
        raise OutcomeUnknown("the connection was reset")

    def _accept(self, request: DrawRequest, attempt: int) -> Accepted:
        world, service = self._world, self._service
        body: Body = {
            "id": request.name,
            "status": "completed",
            "output": [dict(_PICTURE)],
            "usage": {"input_tokens": 0, "output_tokens": 0},
            "tool_usage": {"image_gen": {"input_tokens": 40, "output_tokens": 1024}},
            "told": {"request_id": f"req-{world.number()}"},
        }
        made = Accepted(
            response_id=request.name,
            conversation_id="",
            attempt=attempt,
            turn=1,
            known_at=world.now,
            listed_at=world.now,
            final_at=world.now + world.rng.random() * 40.0,
            status="completed",
            body=body,
            is_background=False,
            container_id=None,
            container_until=world.now,
        )
        world.note(f"--  accepted {made.response_id}")
        service.on_accept(made)
        service.bill.append(made)
        return made
