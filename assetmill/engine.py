"""One stage, and the money protocol: the only module that may cause a spend.

    READ ── commit there ──► DONE
    READ ── nothing yet ──► conversation (free) ► INTENT stored ► POST once, never retried
    READ ── intent, response known ──► follow it ► pictures and raw response stored ► files ► COMMIT
    READ ── intent, nothing known ──► list the conversation's responses ► adopt, fence, wait, or doubt
    READ ── verdict on the last attempt ──► the next attempt

Every pass through `_advance` starts from what is stored, so a crash anywhere leaves a state that the next
pass understands. A second POST needs a verdict on the first, and a verdict needs proof that the first was
refused or can no longer happen. Leases give progress, never safety.
"""

from __future__ import annotations

import json
import os
import socket
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from assetmill import progress
from assetmill.agents import harvest
from assetmill.agents.gateway import Frame, Response, ResponseRequest
from assetmill.agents.outputs import Produced, read_response, read_usage, without_pictures
from assetmill.agents.requests import Prepared, agent_name, prepare
from assetmill.calls import StageCall
from assetmill.errors import (
    AccountBlocked,
    ConversationGone,
    HandleExpired,
    NotSent,
    OutcomeUnknown,
    OutputUnusable,
    PromptBlocked,
    Rejected,
    ServiceError,
    StageBlocked,
    StageError,
    StageFailed,
    StageInDoubt,
    Throttled,
)
from assetmill.fingerprint import Digest
from assetmill.money.prices import price_of
from assetmill.progress import StageEvent, StageEventKind
from assetmill.records import AssetRecord, Intent, Receipt, ResponseRef, RunId, StageRecord, Verdict
from assetmill.services import Services
from assetmill.store.ledger import Attempt

_SWEEP_S = (0.0, 1.0, 3.0, 8.0, 20.0, 40.0)
"""Pauses between listings of an open outcome, as far as the profile's `settle_s` allows."""


def run_stage(call: StageCall, services: Services, run_id: RunId) -> StageRecord:
    """Return the stage's commit, paying for it only when no earlier run has.

    Repeating a call is free. Safe to call from several threads and processes for one fingerprint.

    Raises:
        StageError: the stage ended without a commit; the subclass says how.
        NotSent: the service could not be reached before anything was spent.
        RunStopped: the run is being stopped.
    """
    with services.alone(call.fingerprint):
        return _Stage(call, services, run_id).run()


@dataclass
class _Stage:
    call: StageCall
    services: Services
    run_id: RunId
    began: int = 0

    def __post_init__(self) -> None:
        self.fp = self.call.fingerprint
        self.ledger = self.services.ledger
        self.foundry = self.services.settings.foundry
        self.started_at = time.time()

    def run(self) -> StageRecord:
        """Advance from what is stored until there is a commit."""
        while True:
            self.services.wait(0)
            if record := self.ledger.read_stage(self.call.pipeline, self.fp):
                self._tell("reused", cost_usd=record.cost_usd)
                return record
            if record := self._advance(self.ledger.newest_attempt(self.call.pipeline, self.fp)):
                seconds = time.time() - self.started_at
                self._tell("finished", seconds=seconds, cost_usd=record.cost_usd)
                return record

    def _advance(self, newest: Attempt | None) -> StageRecord | None:
        """Make one move; None means: read again."""
        if newest is None:
            return self._begin(1)
        if newest.verdict is not None:
            if newest.verdict.kind == "failed" and newest.verdict.run_id == self.run_id:
                raise StageFailed(self.call.label, newest.verdict.reason, newest.verdict.response_id)
            return self._begin(newest.number + 1)
        last = newest.turns[-1]
        if last.receipt is not None:
            return self._finish(last.intent, last.receipt.response_id)
        return self._recover(last.intent)

    def _begin(self, attempt: int) -> StageRecord | None:
        """Start an attempt: everything free first, then the intent, then the spend."""
        self.began += 1
        prepared = prepare(self.call, self.services.handles)
        agent = self.services.gateway.ensure_agent(prepared.definition)
        marks = {"assetmill_fingerprint": self.fp, "assetmill_attempt": str(attempt)}
        conversation_id = self.services.gateway.create_conversation(marks)
        intent = self._intent(attempt, conversation_id, prepared)
        if not self.ledger.write_intent(self.call.pipeline, self.fp, intent):
            self.services.gateway.delete_conversation(conversation_id)
            return None
        self._tell("started")
        # The request names the conversation of this very intent, held in memory: a worker that slept and
        # read another's from the store would post outside the fence.
        request = ResponseRequest(
            agent=agent,
            conversation_id=conversation_id,
            input=prepared.input,
            metadata={**marks, "assetmill_turn": "1"},
            image_deployment=self.call.image_deployment,
            structured_inputs=prepared.structured_inputs,
            max_tool_calls=self.call.max_tool_calls,
            is_streamed=self.foundry.streaming and _shows_frames(self.call),
        )
        return self._spend(intent, request)

    def _intent(self, attempt: int, conversation_id: str, prepared: Prepared) -> Intent:
        now = time.time()
        return Intent(
            nonce=uuid.uuid4().hex,
            owner=self.services.owner,
            run_id=self.run_id,
            stage=self.call.label,
            attempt=attempt,
            endpoint=self.services.gateway.endpoint,
            conversation_id=conversation_id,
            request_digest=Digest(prepared.digest),
            reserved_usd=None,
            created_at=now,
            lease_until=now + self.foundry.lease_s,
        )

    def _spend(self, intent: Intent, request: ResponseRequest) -> StageRecord | None:
        """Post once, after the intent; whatever is not a definite answer is looked up, never repeated."""
        gateway = self.services.gateway
        try:
            response = gateway.create_response(request, lambda found: self._receive(intent, found, "reply"))
        except ConversationGone:
            return None
        except HandleExpired as error:
            self.services.handles.forget()
            return self._refused(intent, error)
        except NotSent as error:
            return self._refused(intent, error)
        except Rejected as error:
            raise self._rejected(intent, error) from error
        except OutcomeUnknown as error:
            self._tell("waiting", message=f"the outcome is open: {error}")
            return self._recover(intent)
        self._tell("created", response_id=response.response_id)
        return self._finish(intent, response.response_id)

    def _receive(self, intent: Intent, response_id: str, how: str) -> None:
        receipt = Receipt(
            response_id=response_id, how="reply" if how == "reply" else "adopted", created_at=time.time()
        )
        self.ledger.write_receipt(self.call.pipeline, self.fp, intent.attempt, intent.turn, receipt)

    def _refused(self, intent: Intent, error: ServiceError) -> StageRecord | None:
        """License the next attempt once it is certain that this one never will be paid."""
        pause = error.retry_after_s if isinstance(error, Throttled) else None
        if self.began >= self.foundry.max_attempts and not isinstance(error, Throttled):
            pause = None
        wait_s = min(2.0**self.began, 30.0) if pause is None else pause
        self._tell("waiting", message=f"{error}; next try in {wait_s:.0f} s")
        self.services.wait(wait_s)
        if adopted := self._adopt(intent):
            return self._finish(intent, adopted)
        self.services.gateway.delete_conversation(intent.conversation_id)
        self._judge(intent, "refused", error)
        is_late = time.time() - self.started_at > self.foundry.stage_deadline_s
        if is_late or (self.began >= self.foundry.max_attempts and not isinstance(error, Throttled)):
            raise StageFailed(self.call.label, f"gave up after {self.began} tries: {error}") from error
        return None

    def _rejected(self, intent: Intent, error: Rejected) -> StageError:
        self._judge(intent, "failed", error)
        if isinstance(error, AccountBlocked):
            return StageBlocked(self.call.label, str(error), None, "account")
        if isinstance(error, PromptBlocked):
            return StageBlocked(self.call.label, str(error), None, "prompt")
        return StageFailed(self.call.label, str(error))

    def _recover(self, intent: Intent) -> StageRecord | None:
        """Find out what became of an intent that has no receipt."""
        if intent.endpoint != self.services.gateway.endpoint:
            reason = f"an earlier attempt went to {intent.endpoint} and only that endpoint can tell"
            raise StageInDoubt(self.call.label, reason)
        for pause in _SWEEP_S:
            if pause > self.foundry.settle_s:
                break
            self.services.wait(pause)
            if response_id := self._adopt(intent):
                return self._finish(intent, response_id)
            if self._is_running_elsewhere(intent):
                self._tell("waiting", message=f"{intent.owner} works on it")
                self.services.wait(min(1.0, max(0.1, intent.lease_until - time.time())))
                return None
        if self.foundry.policy == "fence":
            return self._fence(intent)
        raise StageInDoubt(
            self.call.label,
            f"attempt {intent.attempt} was sent or not: conversation {intent.conversation_id} shows nothing",
        )

    def _adopt(self, intent: Intent) -> str | None:
        """Return the response of an intent, when the service knows one."""
        listed = self.services.gateway.list_responses(intent.conversation_id)
        if not listed:
            return None
        oldest = listed[intent.turn - 1] if len(listed) >= intent.turn else None
        if oldest is None:
            return None
        self._receive(intent, oldest.response_id, "adopted")
        self._tell("created", response_id=oldest.response_id, message="adopted")
        return oldest.response_id

    def _fence(self, intent: Intent) -> StageRecord | None:
        """Make a late POST impossible, then look once more: only then is the attempt dead."""
        self.services.gateway.delete_conversation(intent.conversation_id)
        self.services.wait(self.foundry.settle_s)
        if response_id := self._adopt(intent):
            return self._finish(intent, response_id)
        self._judge(intent, "fenced", OutcomeUnknown("no response after the conversation was deleted"))
        return None

    def _is_running_elsewhere(self, intent: Intent) -> bool:
        """Whether the owner may still be about to post: its lease is fresh and it is not known dead."""
        if intent.owner == self.services.owner or time.time() > intent.lease_until:
            return False
        host, pid, _ = intent.owner.rsplit(":", 2)
        return host != socket.gethostname() or _is_alive(int(pid))

    def _finish(self, intent: Intent, response_id: str) -> StageRecord:
        """Wait for the response and keep everything it made, container files at once: they disappear."""
        response = self._follow(intent, response_id)
        produced = read_response(response.body)
        gateway, blobs = self.services.gateway, self.services.blobs
        pictures = harvest.keep_pictures(produced, blobs, gateway.endpoint)
        raw = without_pictures(
            response.body, {call_id: made.blob.digest for call_id, made in pictures.items()}
        )
        self.ledger.write_raw(self.call.pipeline, self.fp, intent.attempt, intent.turn, raw)
        made_by = self._reference(intent, response)
        try:
            files = [*pictures.values(), *harvest.fetch_files(produced, gateway, blobs)]
        except HandleExpired as error:
            raise self._spoiled(intent, response, produced, (), f"its container is gone: {error}") from error
        crop = harvest.gather(self.call, files, produced, made_by, blobs)
        if response.status != "completed" or crop.problems:
            reason = produced.error or "; ".join(crop.problems) or f"it ended {response.status}"
            raise self._spoiled(intent, response, produced, crop.assets, reason)
        return self._commit(intent, response, produced, crop.assets, made_by)

    def _follow(self, intent: Intent, response_id: str) -> Response:
        def show(frame: Frame) -> None:
            self._tell("frame", message=f"partial picture {frame.index + 1}")

        try:
            return self.services.gateway.follow_response(
                response_id, deadline_s=self.foundry.stage_deadline_s, on_frame=show
            )
        except HandleExpired as error:
            self._judge(intent, "failed", error, response_id=response_id)
            reason = f"the service has forgotten the response: {error}"
            raise StageFailed(self.call.label, reason, response_id) from error
        except OutcomeUnknown as error:
            raise StageFailed(self.call.label, f"{error}; the next run adopts it", response_id) from error

    def _commit(
        self,
        intent: Intent,
        response: Response,
        produced: Produced,
        assets: tuple[AssetRecord, ...],
        made_by: ResponseRef,
    ) -> StageRecord:
        usage = read_usage(response.body)
        record = StageRecord(
            pipeline=self.call.pipeline,
            stage=self.call.stage,
            variant=self.call.variant,
            fingerprint=self.fp,
            deciding=self.call.deciding(),
            attempt=intent.attempt,
            run_id=self.run_id,
            made_by=(made_by,),
            outputs=assets,
            text=produced.text,
            data=self._data(intent, response, produced, assets),
            turns=intent.turn,
            usage=usage,
            cost_usd=price_of(usage, self.call),
            started_at=intent.created_at,
            finished_at=time.time(),
        )
        return self.ledger.commit(record)

    def _data(
        self, intent: Intent, response: Response, produced: Produced, assets: tuple[AssetRecord, ...]
    ) -> dict[str, object] | None:
        """Return the structured answer of a stage that asked for one."""
        if self.call.text_format is None:
            return None
        try:
            data = json.loads(produced.text)
        except json.JSONDecodeError as error:
            reason = f"the structured answer is not JSON: {error}"
            raise self._spoiled(intent, response, produced, assets, reason) from error
        return cast(dict[str, object], data) if isinstance(data, dict) else {"value": data}

    def _spoiled(
        self,
        intent: Intent,
        response: Response,
        produced: Produced,
        kept: tuple[AssetRecord, ...],
        reason: str,
    ) -> StageError:
        """Close an attempt that was paid for and is not what was asked; what it made is kept."""
        categories = sorted({name for image in produced.images for name in image.categories})
        is_blocked = produced.is_filtered or bool(categories)
        kind = StageBlocked if is_blocked else OutputUnusable if kept else StageFailed
        cost_usd = price_of(read_usage(response.body), self.call)
        if categories:
            reason = f"{reason} (categories: {', '.join(categories)})"
        verdict = self._verdict("failed", kind.__name__, reason, response.response_id)
        verdict = verdict.model_copy(update={"kept": kept, "cost_usd": cost_usd})
        self.ledger.write_verdict(self.call.pipeline, self.fp, intent.attempt, verdict)
        if is_blocked:
            return StageBlocked(self.call.label, reason, response.response_id, "output")
        return kind(self.call.label, reason, response.response_id)

    def _judge(self, intent: Intent, kind: str, error: Exception, response_id: str | None = None) -> None:
        verdict = self._verdict(kind, type(error).__name__, str(error), response_id)
        self.ledger.write_verdict(self.call.pipeline, self.fp, intent.attempt, verdict)

    def _verdict(self, kind: str, error: str, reason: str, response_id: str | None) -> Verdict:
        return Verdict.model_validate(
            {
                "kind": kind,
                "error": error,
                "reason": reason,
                "response_id": response_id,
                "run_id": self.run_id,
                "created_at": time.time(),
            }
        )

    def _reference(self, intent: Intent, response: Response) -> ResponseRef:
        agent = cast(Mapping[str, object], response.body.get("agent_reference") or {})
        version = str(agent.get("version") or "")
        image = next((tool for tool in self.call.tools if tool["type"] == "image_generation"), None)
        return ResponseRef(
            response_id=response.response_id,
            conversation_id=intent.conversation_id,
            endpoint=intent.endpoint,
            agent_name=agent_name(self.call),
            agent_version=version,
            model=self.call.model,
            image_model=str(image["model"]) if image and "model" in image else None,
        )

    def _tell(
        self,
        event: StageEventKind,
        *,
        seconds: float | None = None,
        cost_usd: float | None = None,
        response_id: str | None = None,
        message: str = "",
    ) -> None:
        label, run_id = self.call.label, self.run_id
        progress.emit(StageEvent(event, label, run_id, seconds, cost_usd, response_id, message))


def _shows_frames(call: StageCall) -> bool:
    return any(tool.get("partial_images") for tool in call.tools)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
