"""Answers to what an agent asks of its caller: functions, approvals, a computer's screen.

Answers are stored before they are sent, so a function that ran is not run again after a crash. What a person
must approve is asked first: until then nothing of the turn is done.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from assetmill.agents.approvals import (
    Request,
    engine_part,
    requests_in,
    safety_checks,
    safety_request,
    server_request,
)
from assetmill.agents.computer import Browser, BrowserGone, Display, UnknownAction, find_browser
from assetmill.agents.functions import (
    Limits,
    LoadedFunction,
    RunningCall,
    error_output,
    load_function,
    start_function,
)
from assetmill.agents.gateway import Json
from assetmill.errors import StageFailed, StageWaiting
from assetmill.plan.calls import StageCall
from assetmill.records import BlobRef, Intent, Replies, RunId
from assetmill.settings import Settings
from assetmill.store.blobs import Blobs
from assetmill.store.ledger import Ledger

DEFAULT_TURNS = 32
_POLL_S = 0.1
_BLOB = "blob:"
"""Before a digest: a screenshot in a stored reply."""


class ToolServices(Protocol):
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
class ToolSession:
    """What one worker keeps between the turns of an attempt: the last partial picture, a browser."""

    call: StageCall
    named: Callable[[RunId], str]
    """How a command names the stage, as `RUN STAGE`, by the run that began its attempt."""
    frame: bytes | None = None
    frames: int = 0
    browser: Browser | None = None

    @property
    def max_turns(self) -> int:
        """How many turns an attempt may take: a computer's steps are turns of their own."""
        steps = [int(engine_part(tool).get("max_steps", 0)) for tool in self.call.tools]
        return max(DEFAULT_TURNS, *(step + 8 for step in steps)) if steps else DEFAULT_TURNS

    def __enter__(self) -> ToolSession:
        return self

    def __exit__(self, *_: object) -> None:
        """Close the browser: it lives as long as one worker's attempt."""
        if self.browser is not None:
            self.browser.close()
            self.browser = None


def answer(
    call: StageCall, waiting: Sequence[Json], services: ToolServices, intent: Intent, session: ToolSession
) -> tuple[Json, ...]:
    """Return one input item for every item that waits for the caller.

    Raises:
        StageWaiting: a person must approve something first.
        StageFailed: the stage has no way to answer.
        AttemptLost: only a new attempt can go on.
    """
    return _Answering(call, services, intent, session).answer(waiting)


class _Answering:
    """One turn's answers."""

    def __init__(self, call: StageCall, services: ToolServices, intent: Intent, session: ToolSession) -> None:
        self.call, self.services, self.intent, self.session = call, services, intent, session
        self.key = (call.pipeline, call.fingerprint)
        self.screenshots: list[BlobRef] = []

    def answer(self, waiting: Sequence[Json]) -> tuple[Json, ...]:
        place = (*self.key, self.intent.attempt, self.intent.turn)
        stored = self.services.ledger.read_replies(*place)
        self._check_browser(waiting, stored)
        if stored is not None:
            return self._restored(stored)
        if self.intent.turn >= self.session.max_turns:
            raise StageFailed(self.call.label, f"it still asks for tools after {self.intent.turn} turns")
        granted = self._granted(requests_in(waiting, self.call.tools))
        items = tuple(dict(item) for item in self._items(waiting, granted))
        made = Replies(items=items, screenshots=tuple(self.screenshots), created_at=time.time())
        return self._restored(self.services.ledger.write_replies(*place, made))

    def _check_browser(self, waiting: Sequence[Json], stored: Replies | None) -> None:
        """Give the attempt up when it worked in a browser of a process that is gone."""
        if self.session.browser is not None or not any(item["type"] == "computer_call" for item in waiting):
            return
        if stored is not None or self._steps() > 0:
            raise AttemptLost("the browser of this attempt ended with its process")

    def _restored(self, replies: Replies) -> tuple[Json, ...]:
        """Return replies as they are sent: with screenshots in the place of their digests."""
        by_digest = {f"{_BLOB}{blob.digest}": blob for blob in replies.screenshots}
        return tuple(self._with_screenshot(item, by_digest) for item in replies.items)

    def _with_screenshot(self, item: Json, by_digest: Mapping[str, BlobRef]) -> Json:
        if item["type"] != "computer_call_output":
            return item
        data = base64.b64encode(self.services.blobs.get(by_digest[item["output"]["image_url"]])).decode()
        return {**item, "output": {**item["output"], "image_url": f"data:image/png;base64,{data}"}}

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
            command = f"assetmill approve {self.session.named(self.intent.run_id)}"
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
                answers.append(self._screen(item, granted))
        return tuple(answers)

    def _screen(self, item: Json, granted: Mapping[str, bool]) -> Json:
        """Do a step at the computer and return its screenshot, with the checks that a person approved."""
        tool = next((t for t in self.call.tools if t["type"] == "computer_use_preview"), None)
        if tool is None:
            raise StageFailed(self.call.label, f"the agent asks for {item['type']}, which it was not offered")
        limit = int(engine_part(tool)["max_steps"])
        if self._steps() + len(self.screenshots) >= limit:
            raise StageFailed(self.call.label, f"it is not done after {limit} steps at the computer")
        checks = safety_checks(item)
        refused = [request.words for request in map(safety_request, checks) if not granted[request.subject]]
        if refused:
            raise StageFailed(self.call.label, f"a person refused {'; '.join(refused)}")
        blob = self.services.blobs.put(self._act(item, tool), "image/png")
        self.screenshots.append(blob)
        output = {"type": "computer_screenshot", "image_url": f"{_BLOB}{blob.digest}"}
        answered = {"type": "computer_call_output", "call_id": str(item.get("call_id")), "output": output}
        return {**answered, "acknowledged_safety_checks": [dict(check) for check in checks]}

    def _act(self, item: Json, tool: Json) -> bytes:
        try:
            if self.session.browser is None:
                executable = find_browser(self.services.settings.computer.executable)
                self.session.browser = Browser(Display.of(tool), executable)
            return self.session.browser.act(item)
        except BrowserGone as error:
            raise AttemptLost(str(error)) from error
        except UnknownAction as error:
            raise StageFailed(self.call.label, f"no computer does {str(error)!r}") from error

    def _steps(self) -> int:
        """Return how many steps at the computer the earlier turns of this attempt took."""
        return sum(1 for item in self._earlier() if item["type"] == "computer_call_output")

    def _earlier(self) -> Iterator[Json]:
        for turn in range(1, self.intent.turn):
            replies = self.services.ledger.read_replies(*self.key, self.intent.attempt, turn)
            yield from replies.items if replies else ()

    def _functions(self, calls: Sequence[Json]) -> Iterator[Json]:
        """Run the functions of a turn at once, and yield their outputs in the order of the calls."""
        room = self._room()
        begun = [self._begin(item, is_allowed=number < room) for number, item in enumerate(calls)]
        try:
            for item, call in zip(calls, begun, strict=True):
                output = call if isinstance(call, str) else self._output(call)
                yield {"type": "function_call_output", "call_id": str(item.get("call_id")), "output": output}
        finally:
            # A run that is being stopped leaves no function behind.
            for call in begun:
                if isinstance(call, RunningCall):
                    call.stop()

    def _begin(self, item: Json, *, is_allowed: bool) -> str | RunningCall:
        name = str(item.get("name"))
        found = self._function(name)
        if found is None:
            known = ", ".join(sorted(t["name"] for t in self.call.tools if t["type"] == "function"))
            return error_output("unknown_function", f"there is no function {name!r}; there is {known}")
        if not is_allowed:
            return error_output("too_many_calls", f"this stage allows {self.call.max_tool_calls} tool calls")
        loaded, limits = found
        return start_function(loaded, str(item.get("arguments") or ""), limits)

    def _function(self, name: str) -> tuple[LoadedFunction, Limits] | None:
        for tool in self.call.tools:
            if tool["type"] == "function" and tool["name"] == name:
                limits = Limits.of(engine_part(tool))
                folder = Path(self.call.folder) if self.call.folder else None
                return load_function(str(engine_part(tool)["function"]), folder, limits), limits
        return None

    def _output(self, call: RunningCall) -> str:
        """Wait for a call, which has its own end, and for the run's being stopped."""
        while (output := call.output(_POLL_S)) is None:
            self.services.wait(0)
        return output

    def _room(self) -> int:
        """Return how many function calls this attempt may still make.

        Raises:
            StageFailed: it was told before that there are no more.
        """
        limit = self.call.max_tool_calls
        if limit is None:
            return 1_000_000
        made = sum(1 for item in self._earlier() if item["type"] == "function_call_output")
        if made > limit:
            raise StageFailed(self.call.label, f"it still asks for tools after {limit} calls")
        return limit - made


def _approval_response(item: Json, granted: Mapping[str, bool]) -> Json:
    approve = granted.get(server_request(item).subject, True)
    answered = {"type": "mcp_approval_response", "approval_request_id": item.get("id"), "approve": approve}
    return answered if approve else {**answered, "reason": "a person refused it"}
