"""A stage as a span: what decides it, what it waited for, what it asked the service, what it cost."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

from assetmill.errors import AssetmillError, StageInDoubt, StoreError
from assetmill.plan.calls import StageCall
from assetmill.records import StageRecord
from assetmill.store.ledger import Ledger
from assetmill.traces import switch, words
from assetmill.traces.sending import opened
from assetmill.traces.turns import PROVIDER, attempts_of, fail
from assetmill.traces.waits import listening

_log = logging.getLogger(__name__)


def traced_stage(
    call: StageCall, agent: str, run_id: str, ledger: Ledger, work: Callable[[], StageRecord]
) -> StageRecord:
    """Return the commit that `work` comes to, as a span with what happened in it below."""
    if not switch.is_on():
        return work()
    return _StageSpan(call, agent, run_id, ledger).around(work)


class _StageSpan:
    """One look at a stage by one run."""

    def __init__(self, call: StageCall, agent: str, run_id: str, ledger: Ledger) -> None:
        self.call, self.agent, self.run_id, self.ledger = call, agent, run_id, ledger
        self.convention: words.Convention = switch.convention()

    def around(self, work: Callable[[], StageRecord]) -> StageRecord:
        from opentelemetry.trace import SpanKind

        asks = not (self.call.is_local or self.call.is_direct)
        about = {"assetmill.pipeline": self.call.pipeline}
        under_way = opened().instruments["assetmill.stages.open"]
        under_way.add(1, about)
        try:
            with opened().tracer.start_as_current_span(
                self._name(),
                kind=SpanKind.CLIENT if asks else SpanKind.INTERNAL,
                attributes=words.told(self._asked(asks=asks), self.convention),
                # What an exception says may repeat a prompt.
                record_exception=False,
                set_status_on_exception=False,
            ) as span:
                return self._watched(span, work)
        finally:
            under_way.add(-1, about)

    def _watched(self, span: Any, work: Callable[[], StageRecord]) -> StageRecord:
        record: StageRecord | None = None
        outcome = "stopped"
        try:
            with listening(span, {"assetmill.pipeline": self.call.pipeline}):
                record = work()
            outcome = "done" if record.run_id == self.run_id else "reused"
            return record
        except AssetmillError as error:
            outcome = type(error).__name__
            fail(span, outcome)
            if isinstance(error, StageInDoubt):
                opened().instruments["assetmill.in_doubt"].add(1, {"assetmill.pipeline": self.call.pipeline})
            raise
        finally:
            span.set_attributes(self._ended(record, outcome))
            self._count(outcome)

    def _name(self) -> str:
        if self.call.is_local:
            return f"make {self.call.stage}"
        return f"draw {self.call.stage}" if self.call.is_direct else f"invoke_agent {self.agent}"

    def _asked(self, *, asks: bool) -> dict[str, Any]:
        """Return what is known before the stage begins. A local one has no words of the conventions."""
        told = {
            "assetmill.pipeline": self.call.pipeline,
            "assetmill.stage": self.call.label,
            "assetmill.run.id": self.run_id,
            "assetmill.fingerprint": self.call.fingerprint,
        }
        if not asks:
            return told
        told |= {
            "gen_ai.operation.name": "invoke_agent",
            words.provider(self.convention): PROVIDER,
            "gen_ai.request.model": self.call.model,
            "gen_ai.agent.name": self.agent,
        }
        if switch.tells_content():
            prompt = {"role": "user", "parts": [{"type": "text", "content": self.call.prompt}]}
            orders = {"type": "text", "content": self.call.instructions}
            told["gen_ai.input.messages"] = json.dumps([prompt], ensure_ascii=False)
            told["gen_ai.system_instructions"] = json.dumps([orders], ensure_ascii=False)
        return told

    def _ended(self, record: StageRecord | None, outcome: str) -> dict[str, Any]:
        """Tell the attempts, and return what the stage has come to."""
        told: dict[str, Any] = {"assetmill.outcome": outcome}
        if record is not None:
            told |= self._made(record)
        if not self.call.is_local:
            try:
                attempts = list(attempts_of(self.call, self.run_id, self.ledger, record))
                for attempt in attempts:
                    attempt.tell()
            except StoreError as error:
                # What was paid for is not lost for its trace.
                _log.warning("the attempts of %s are not in its trace: %s", self.call.label, error)
            else:
                costs = [attempt.cost_usd for attempt in attempts]
                if costs and None not in costs:
                    told["assetmill.cost_usd"] = sum(cost or 0.0 for cost in costs)
                told["assetmill.attempts"] = len(attempts) or None
        return words.told(told, self.convention)

    def _made(self, record: StageRecord) -> dict[str, Any]:
        is_ours = record.run_id == self.run_id
        last = record.made_by[-1] if record.made_by else None
        cached = record.usage.cached_input_tokens
        return {
            "assetmill.attempt": record.attempt,
            "assetmill.reused": not is_ours,
            "assetmill.assets": [asset.asset_id for asset in record.outputs],
            "assetmill.agent.version": last.agent_version if last else None,
            "gen_ai.agent.version": last.agent_version if last else None,
            "gen_ai.usage.input_tokens": record.usage.input_tokens if is_ours else None,
            "gen_ai.usage.output_tokens": record.usage.output_tokens if is_ours else None,
            "gen_ai.usage.cache_read.input_tokens": cached if is_ours else None,
            "gen_ai.usage.reasoning.output_tokens": record.usage.reasoning_tokens if is_ours else None,
            # Of a choice among draws it repeats what they have cost: each of those has a span of its own.
            "assetmill.cost_usd": record.cost_usd if is_ours else None,
        }

    def _count(self, outcome: str) -> None:
        model = {} if self.call.is_local else {"gen_ai.request.model": self.call.model}
        told = {"assetmill.pipeline": self.call.pipeline} | model
        opened().instruments["assetmill.stages"].add(1, told | {"assetmill.outcome": outcome})
