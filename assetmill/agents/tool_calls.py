"""Answers to what an agent asks of its caller: functions, approvals, a computer's screen.

Answers are stored before they are sent, so a function that ran is not run again after a crash. What a person
must approve is asked first: until then nothing of the turn is done.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from assetmill.agents.approvals import Request, engine_part, requests_in, server_request
from assetmill.agents.functions import (
    LoadedFunction,
    RunningCall,
    error_output,
    load_function,
    start_function,
)
from assetmill.agents.gateway import Json
from assetmill.calls import StageCall
from assetmill.errors import StageFailed, StageWaiting
from assetmill.records import Intent, Replies
from assetmill.settings import Settings
from assetmill.store.blobs import Blobs
from assetmill.store.ledger import Ledger

DEFAULT_TURNS = 32
_POLL_S = 0.1


class Office(Protocol):
    """What answering needs of the services that stages share."""

    settings: Settings
    ledger: Ledger
    blobs: Blobs

    def wait(self, seconds: float) -> None:
        """Sleep, unless the run is being stopped."""
        ...


class AttemptLost(Exception):
    """What an attempt worked with is gone, as a browser with its process: only a new attempt can go on."""


@dataclass
class Desk:
    """What one worker keeps between the turns of an attempt: the last partial picture, a browser."""

    call: StageCall
    frame: bytes | None = None
    frames: int = 0

    @property
    def max_turns(self) -> int:
        """How many turns an attempt may take: a computer's steps are turns of their own."""
        steps = [int(engine_part(tool).get("max_steps", 0)) for tool in self.call.tools]
        return max(DEFAULT_TURNS, *(step + 8 for step in steps)) if steps else DEFAULT_TURNS

    def __enter__(self) -> Desk:
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of what was opened."""


def answer(
    call: StageCall, waiting: Sequence[Json], services: Office, intent: Intent, desk: Desk
) -> tuple[Json, ...]:
    """Return one input item for every item that waits for the caller.

    Raises:
        StageWaiting: a person must approve something first.
        StageFailed: the stage has no way to answer.
        AttemptLost: only a new attempt can go on.
    """
    return _Answering(call, services, intent, desk).answer(waiting)


class _Answering:
    """One turn's answers."""

    def __init__(self, call: StageCall, services: Office, intent: Intent, desk: Desk) -> None:
        self.call, self.services, self.intent, self.desk = call, services, intent, desk
        self.key = (call.pipeline, call.fingerprint)

    def answer(self, waiting: Sequence[Json]) -> tuple[Json, ...]:
        place = (*self.key, self.intent.attempt, self.intent.turn)
        if stored := self.services.ledger.read_replies(*place):
            return stored.items
        if self.intent.turn >= self.desk.max_turns:
            raise StageFailed(self.call.label, f"it still asks for tools after {self.intent.turn} turns")
        granted = self._granted(requests_in(waiting, self.call.tools))
        items = self._items(waiting, granted)
        replies = Replies(items=tuple(dict(item) for item in items), created_at=time.time())
        return self.services.ledger.write_replies(*place, replies).items

    def _granted(self, requests: Sequence[Request]) -> Mapping[str, bool]:
        """Return what a person said to each request.

        Raises:
            StageWaiting: nothing yet, to at least one.
        """
        found = {
            request.subject: self.services.ledger.read_approval(*self.key, request.subject)
            for request in requests
        }
        open_words = tuple(request.words for request in requests if found[request.subject] is None)
        if open_words:
            command = f"assetmill approve {self.intent.run_id} {shlex.quote(self.call.label)}"
            reason = f"waits for approval of {'; '.join(open_words)}. To approve: {command}"
            reason += " (add --deny to refuse), then run again"
            raise StageWaiting(self.call.label, reason, None, open_words)
        return {subject: approval.is_granted for subject, approval in found.items() if approval}

    def _items(self, waiting: Sequence[Json], granted: Mapping[str, bool]) -> tuple[Json, ...]:
        functions = iter(self._functions([item for item in waiting if item["type"] == "function_call"]))
        answers: list[Json] = []
        for item in waiting:
            if item["type"] == "function_call":
                answers.append(next(functions))
            elif item["type"] == "mcp_approval_request":
                answers.append(_approval_response(item, granted))
            else:
                raise self._unanswerable(item)
        return tuple(answers)

    def _functions(self, calls: Sequence[Json]) -> Iterator[Json]:
        """Run the functions of a turn at once, and yield their outputs in the order of the calls."""
        room = self._room()
        begun = [self._begin(item, is_allowed=number < room) for number, item in enumerate(calls)]
        for item, call in zip(calls, begun, strict=True):
            output = call if isinstance(call, str) else self._output(*call)
            yield {"type": "function_call_output", "call_id": str(item.get("call_id")), "output": output}

    def _begin(self, item: Json, *, is_allowed: bool) -> str | tuple[RunningCall, float]:
        name = str(item.get("name"))
        found = self._function(name)
        if found is None:
            known = ", ".join(sorted(t["name"] for t in self.call.tools if t["type"] == "function"))
            return error_output("unknown_function", f"there is no function {name!r}; there is {known}")
        if not is_allowed:
            return error_output("too_many_calls", f"this stage allows {self.call.max_tool_calls} tool calls")
        loaded, timeout_s = found
        return start_function(loaded, str(item.get("arguments") or "")), timeout_s

    def _function(self, name: str) -> tuple[LoadedFunction, float] | None:
        for tool in self.call.tools:
            if tool["type"] == "function" and tool["name"] == name:
                own = engine_part(tool)
                folder = Path(self.call.folder) if self.call.folder else None
                return load_function(str(own["function"]), folder), float(own["timeout_s"])
        return None

    def _output(self, call: RunningCall, timeout_s: float) -> str:
        until = time.monotonic() + timeout_s
        while (output := call.output(min(_POLL_S, until - time.monotonic()))) is None:
            self.services.wait(0)
            if time.monotonic() >= until:
                return error_output("timeout", f"the function gave no result within {timeout_s:g} s")
        return output

    def _room(self) -> int:
        """Return how many function calls this attempt may still make.

        Raises:
            StageFailed: it was told before that there are no more.
        """
        limit = self.call.max_tool_calls
        if limit is None:
            return 1_000_000
        made = 0
        for turn in range(1, self.intent.turn):
            earlier = self.services.ledger.read_replies(*self.key, self.intent.attempt, turn)
            made += sum(1 for item in (earlier.items if earlier else ()) if "call_id" in item)
        if made > limit:
            raise StageFailed(self.call.label, f"it still asks for tools after {limit} calls")
        return limit - made

    def _unanswerable(self, item: Json) -> StageFailed:
        return StageFailed(self.call.label, f"the agent asks for {item['type']}, which it was not offered")


def _approval_response(item: Json, granted: Mapping[str, bool]) -> Json:
    approve = granted.get(server_request(item).subject, True)
    answered = {"type": "mcp_approval_response", "approval_request_id": item.get("id"), "approve": approve}
    return answered if approve else {**answered, "reason": "a person refused it"}
