"""A Foundry project in virtual time, with the bill as its witness.

It keeps what the protocol assumes (docs/decisions/0004-money-protocol.md) and no more: a deleted conversation
refuses (A1), lists lag by less than the settle time (A2), responses outlive their conversation (A3) and their
line (A6), a refusal by quota was not accepted (A5). `Answers` take one of these promises back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from assetmill.agents.gateway import ResponseRequest, Way
from assetmill.errors import ConversationGone, OutcomeUnknown, Rejected
from tests.assetmill.simulation.answers import USUAL, Answers
from tests.assetmill.simulation.lanes import NO_LANES, Lanes
from tests.assetmill.simulation.world import Worker, World
from tests.doubles import Body, image_item, message_item, png

SETTLE_S = 20.0
CONTAINER_LIFE_S = 1200.0
PICTURE = image_item(png(1, 1))


@dataclass
class Accepted:
    """One generation that the service accepted, and is paid for."""

    response_id: str
    conversation_id: str
    attempt: int
    turn: int
    known_at: float
    listed_at: float
    final_at: float
    status: str
    body: Body
    is_background: bool
    container_id: str | None
    container_until: float
    tier: str = "default"
    is_gone: bool = False
    """Whether it ended with its caller's line, without a trace."""


@dataclass
class Posted:
    """One POST as it left a worker, and whether the worker heard a definite refusal."""

    attempt: int
    turn: int
    is_refused: bool = False


OnAccept = Callable[[Accepted], None]


@dataclass
class Service:
    """The state that all workers share. `turns` is how often the agent calls back before it is done."""

    world: World
    turns: int = 1
    has_files: bool = False
    has_lock: bool = False
    answers: Answers = USUAL
    refused_ways: frozenset[Way] = frozenset()
    lanes: Lanes = NO_LANES
    bill: list[Accepted] = field(default_factory=list[Accepted])
    posts: list[Posted] = field(default_factory=list[Posted])
    deleted: set[str] = field(default_factory=set[str])
    conversations: set[str] = field(default_factory=set[str])
    on_accept: OnAccept = lambda _: None
    on_delete: Callable[[Worker, str], None] = lambda _worker, _name: None

    def accept(self, request: ResponseRequest) -> Accepted:
        """Take a request that has arrived, as the service does: paid from here on."""
        world, name = self.world, request.conversation_id
        if request.way in self.refused_ways:
            raise Rejected(f"{request.way} mode is not supported with an agent", "invalid_payload", 400)
        self.lanes.check_room(request, world)
        if name in self.deleted and not self.answers.accepts_deleted:
            raise ConversationGone("conversation not found", "not_found", 404)
        earlier = [made for made in self.bill if made.conversation_id == name]
        if (self.has_lock or self.answers.locks) and any(made.final_at > world.now for made in earlier):
            raise OutcomeUnknown("busy", "conversation_locked", 409)
        turn = int(request.metadata["assetmill_turn"])
        lag = world.rng.choice((0.0, 0.9)) * SETTLE_S * world.rng.random()
        made = self._make(request, turn, lag * self.answers.lags)
        world.note(f"--  accepted {made.response_id} in {name}, {made.status}")
        self.on_accept(made)
        self.bill.append(made)
        return made

    def _make(self, request: ResponseRequest, turn: int, lag: float) -> Accepted:
        world, number = self.world, self.world.number()
        status = "completed"
        if world.fault(world.chaos.post_faults / 4):
            status = world.rng.choice(("failed", "incomplete"))
        container_id = f"cntr_{number}" if self.has_files else None
        output: list[Body] = []
        if container_id:
            output.append({"type": "code_interpreter_call", "container_id": container_id})
        output.append(PICTURE if turn == 1 else message_item("done"))
        if turn < self.turns:
            output.append({"type": "function_call", "call_id": f"call_{number}", "name": "look"})
        tier = self.lanes.tier(request, world)
        is_background = request.way == "background" and not self.answers.drops_background
        body: Body = {
            "id": f"resp_{number}",
            "status": status,
            "service_tier": tier,
            "created_at": int(world.now),
            "conversation": {"id": request.conversation_id},
            "background": is_background,
            "metadata": dict(request.metadata) if self.answers.echoes_marks else {},
            "output": output if status == "completed" else [],
            "usage": {"input_tokens": 10, "output_tokens": 2},
        }
        final_at = world.now + world.rng.random() * 30.0
        # What is not in the background is listed at its end; by its ID it can be read before.
        listed_from = world.now if is_background or self.answers.lists_at_once else final_at
        return Accepted(
            response_id=f"resp_{number}",
            conversation_id=request.conversation_id,
            attempt=int(request.metadata["assetmill_attempt"]),
            turn=turn,
            known_at=world.now + lag,
            listed_at=listed_from + lag,
            final_at=final_at,
            status=status,
            body=body,
            is_background=is_background,
            container_id=container_id,
            container_until=world.now + CONTAINER_LIFE_S,
            tier=tier,
        )

    def hang_up(self, made: Accepted) -> None:
        """Note that the line on which a response was waited for is cut."""
        if self.answers.ends_with_its_line and not made.is_background and made.final_at > self.world.now:
            made.is_gone, made.status = True, "gone"
            self.world.note(f"--  {made.response_id} ends with its line")

    def shown(self, conversation_id: str) -> list[Accepted]:
        """Return what a list of the conversation's responses shows now."""
        return [
            made
            for made in self.bill
            if made.listed_at <= self.world.now and not made.is_gone and not self._is_forgotten(made)
            if made.conversation_id == conversation_id or not self.answers.is_filtered
        ]

    def find(self, response_id: str) -> Accepted | None:
        """Return a response that can be read by its ID now."""
        made = next((made for made in self.bill if made.response_id == response_id), None)
        is_known = made is not None and made.known_at <= self.world.now
        return made if made and is_known and not made.is_gone and not self._is_forgotten(made) else None

    def _is_forgotten(self, made: Accepted) -> bool:
        return self.answers.forgets_with_conversation and made.conversation_id in self.deleted
