"""What the store knows of a stage's attempts, as spans: each response that was asked for, and its tools.

Told when the stage ends, from the records by which it is paid once: so an attempt that failed, one that was
refused and one that another process has begun are there too, at the times at which they were.
"""

from __future__ import annotations

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast
from urllib.parse import urlsplit

from assetmill.errors import KeyMissing
from assetmill.fingerprint import Fingerprint
from assetmill.plan.calls import StageCall
from assetmill.records import StageRecord
from assetmill.store.attempts import Attempt, Turn
from assetmill.store.ledger import Ledger
from assetmill.traces import switch, words
from assetmill.traces.sending import opened
from assetmill.traces.tools import ToolUse, tools_in

PROVIDER = "azure.ai.openai"
_REMEMBERED = 4096
_OPERATIONS = {True: "generate_content", False: "chat"}
Json = Mapping[str, Any]


class _ToldAttempts:
    """Attempts that this process has told: a stage may be looked at twice by one run, and is paid once."""

    def __init__(self) -> None:
        self._keys: OrderedDict[tuple[str, bool], None] = OrderedDict()
        self._lock = threading.Lock()

    def is_new(self, attempt: Attempt, *, is_over: bool) -> bool:
        """Note an attempt; False when it was told as it is now."""
        key = (attempt.turns[0].intent.nonce, is_over)
        with self._lock:
            if key in self._keys:
                return False
            self._keys[key] = None
            if len(self._keys) > _REMEMBERED:
                self._keys.popitem(last=False)
            return True


_told = _ToldAttempts()


@dataclass(frozen=True)
class AttemptSpans:
    """Tells one attempt of a stage, below the span that is current."""

    call: StageCall
    ledger: Ledger
    attempt: Attempt
    record: StageRecord | None
    """The commit that came of it."""

    @property
    def cost_usd(self) -> float | None:
        """What it cost, None while nobody knows."""
        if self.attempt.verdict:
            return self.attempt.verdict.cost_usd
        return self.record.cost_usd if self.record else None

    def tell(self) -> None:
        """Send a span for every turn and every tool, and count what was paid."""
        for turn in self.attempt.turns:
            _TurnSpan(self, turn).tell()
        verdict = self.attempt.verdict
        if not (verdict or self.record):
            return
        about = {"assetmill.pipeline": self.call.pipeline, "gen_ai.request.model": self.call.model}
        instruments = opened().instruments
        kind = verdict.kind if verdict else "done"
        instruments["assetmill.attempts"].add(1, {**about, "assetmill.verdict": kind})
        if self.cost_usd is not None:
            instruments["assetmill.spend"].add(self.cost_usd, about)


@dataclass(frozen=True)
class _TurnSpan:
    """One turn of an attempt: from its intent to the end of its response."""

    of: AttemptSpans
    turn: Turn

    @property
    def _place(self) -> tuple[str, Fingerprint, int, int]:
        intent = self.turn.intent
        return self.of.call.pipeline, self.of.call.fingerprint, intent.attempt, intent.turn

    @cached_property
    def _body(self) -> Json:
        """The response as it came, empty where none was stored."""
        try:
            return cast("Json", json.loads(self.of.ledger.read_raw(*self._place)))
        except KeyMissing:
            return {}

    @cached_property
    def _answered_at(self) -> float | None:
        """When the response had come that our own tools answer, None where it was the last one."""
        told = self.of.ledger.read_turn_cost(*self._place)
        return told.created_at if told else None

    @property
    def _is_last(self) -> bool:
        return self.turn is self.of.attempt.turns[-1]

    def _ended_at(self) -> float:
        if self._answered_at is not None:
            return self._answered_at
        if not self._is_last:
            return self.of.attempt.turns[self.of.attempt.turns.index(self.turn) + 1].intent.created_at
        if self.of.attempt.verdict:
            return self.of.attempt.verdict.created_at
        return self.of.record.finished_at if self.of.record else time.time()

    def _error(self) -> str | None:
        """Return the error that the attempt ended with, where it was this turn that ended it."""
        verdict = self.of.attempt.verdict
        return verdict.error if verdict and self._is_last else None

    def tell(self) -> None:
        """Send the turn's span, with its tools' spans."""
        from opentelemetry.trace import SpanKind, set_span_in_context

        call, intent = self.of.call, self.turn.intent
        operation = _OPERATIONS[intent.way == "direct"]
        attributes = words.told(self._attributes(operation), switch.convention())
        ended_at = max(self._ended_at(), intent.created_at)
        span = opened().tracer.start_span(
            f"{operation} {call.model}",
            kind=SpanKind.CLIENT,
            attributes=attributes,
            start_time=_ns(intent.created_at),
        )
        fail(span, self._error())
        for tool in self._tools():
            context = None if tool.is_ours else set_span_in_context(span)
            self._tell_tool(tool, context, ended_at)
        span.end(_ns(ended_at))
        self._measure(attributes, ended_at - intent.created_at)

    def _attributes(self, operation: str) -> dict[str, Any]:
        intent, receipt, verdict = self.turn.intent, self.turn.receipt, self.of.attempt.verdict
        endpoint = urlsplit(intent.endpoint)
        usage = _map(self._body.get("usage"))
        is_only = len(self.of.attempt.turns) == 1
        model = self._body.get("model")
        return {
            "gen_ai.operation.name": operation,
            words.provider(switch.convention()): PROVIDER,
            "gen_ai.request.model": self.of.call.model,
            "gen_ai.response.model": model if isinstance(model, str) else None,
            "gen_ai.response.id": receipt.response_id if receipt and operation == "chat" else None,
            "gen_ai.conversation.id": intent.conversation_id or None,
            "server.address": endpoint.hostname,
            "server.port": endpoint.port or (443 if endpoint.scheme == "https" else None),
            "gen_ai.usage.input_tokens": _count(usage, "input_tokens"),
            "gen_ai.usage.output_tokens": _count(usage, "output_tokens"),
            "gen_ai.usage.cache_read.input_tokens": _count(
                _map(usage.get("input_tokens_details")), "cached_tokens"
            ),
            "gen_ai.usage.reasoning.output_tokens": _count(
                _map(usage.get("output_tokens_details")), "reasoning_tokens"
            ),
            "assetmill.attempt": intent.attempt,
            "assetmill.turn": intent.turn,
            "assetmill.lane": intent.lane,
            "assetmill.adopted": receipt.how == "adopted" if receipt else None,
            "assetmill.verdict": verdict.kind if verdict and self._is_last else None,
            "assetmill.cost_usd": self.of.cost_usd if is_only else None,
        }

    def _tools(self) -> Iterator[ToolUse]:
        offered = {str(tool.get("name")) for tool in self.of.call.tools if tool.get("type") == "function"}
        return tools_in(self._body, offered)

    def _tell_tool(self, tool: ToolUse, context: Any, ended_at: float) -> None:
        """Send a tool's span: ours ran after the response, the service's own some time within it."""
        began_at, over_at = self.turn.intent.created_at, ended_at
        if tool.is_ours:
            replies = self.of.ledger.read_replies(*self._place)
            if replies is None:
                return  # it was asked for, and nothing has answered yet
            began_at, over_at = ended_at, max(replies.created_at, ended_at)
        attributes = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": tool.name,
            "gen_ai.tool.type": tool.kind,
            "gen_ai.tool.call.id": tool.call_id or None,
            "assetmill.tool.status": tool.status or None,
        }
        span = opened().tracer.start_span(
            f"execute_tool {tool.name}",
            context=context,
            attributes=words.told(attributes, switch.convention()),
            start_time=_ns(began_at),
        )
        fail(span, "ToolFailed" if tool.status == "failed" else None)
        span.end(_ns(over_at))

    def _measure(self, attributes: Mapping[str, Any], passed_s: float) -> None:
        """Record what the conventions measure of a turn that the service took."""
        if self.turn.receipt is None:
            return
        names = ("gen_ai.operation.name", words.provider(switch.convention()), "gen_ai.request.model")
        about = {name: attributes[name] for name in names}
        instruments = opened().instruments
        for kind in ("input", "output"):
            if (tokens := attributes.get(f"gen_ai.usage.{kind}_tokens")) is not None:
                instruments["gen_ai.client.token.usage"].record(tokens, {**about, "gen_ai.token.type": kind})
        if error := self._error():
            about["error.type"] = error
        instruments["gen_ai.client.operation.duration"].record(passed_s, about)


def attempts_of(
    call: StageCall, run_id: str, ledger: Ledger, record: StageRecord | None
) -> Iterator[AttemptSpans]:
    """Yield what a run has to tell of a stage: attempts that it ended, or began and left open."""
    for attempt in ledger.attempts(call.pipeline, call.fingerprint):
        made = record if record and record.attempt == attempt.number and not record.draws else None
        if attempt.verdict:
            is_ours, made = attempt.verdict.run_id == run_id, None
        elif made:
            is_ours = made.run_id == run_id
        else:
            is_ours = attempt.turns[0].intent.run_id == run_id
        is_over = bool(attempt.verdict or made)
        if is_ours and _told.is_new(attempt, is_over=is_over):
            yield AttemptSpans(call, ledger, attempt, made)


def fail(span: Any, error: str | None) -> None:
    """Mark a span as failed, where there is an error. Its words stay here: they may repeat a prompt."""
    if error is None:
        return
    from opentelemetry.trace import StatusCode

    span.set_attribute("error.type", error)
    span.set_status(StatusCode.ERROR)


def _map(value: object) -> Json:
    return cast("Json", value) if isinstance(value, dict) else {}


def _count(holder: Json, name: str) -> int | None:
    value = holder.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _ns(seconds: float) -> int:
    return int(seconds * 1e9)
