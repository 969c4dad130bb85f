"""One stage, and the money protocol: the only module that may cause a spend.

    READ ── commit there ──► DONE
    READ ── nothing yet ──► conversation (free) ► INTENT stored ► POST once, never retried
    READ ── intent, response known ──► follow it ► pictures and raw response stored ► files ► COMMIT
    READ ── intent, nothing known ──► list the conversation's responses ► adopt, fence, wait, or doubt
    READ ── verdict on the last attempt ──► the next attempt

Every pass starts from what is stored, so a crash anywhere leaves a state that the next pass understands. A
second POST needs a verdict on the first, and a verdict needs proof that the first was refused or can no
longer happen. Leases give progress, never safety.
"""

from __future__ import annotations

import os
import socket
import time
import uuid

from assetmill import progress
from assetmill.agents.gateway import Frame, Response, ResponseRequest
from assetmill.agents.outputs import read_response
from assetmill.agents.requests import Prepared, prepare, reply_with
from assetmill.agents.tool_calls import answer
from assetmill.calls import StageCall
from assetmill.closing import Attempt, Finished
from assetmill.errors import (
    AccountBlocked,
    BudgetExceeded,
    ConversationGone,
    HandleExpired,
    NotSent,
    OutcomeUnknown,
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
from assetmill.money.prices import estimate
from assetmill.progress import StageEvent, StageEventKind
from assetmill.records import Intent, Receipt, RunId, StageRecord, Verdict
from assetmill.services import Services

MAX_TURNS = 32
"""Calls of one attempt: a stage that keeps asking for tools is stopped here."""

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


class _Stage:
    """One worker's walk through the protocol for one fingerprint."""

    def __init__(self, call: StageCall, services: Services, run_id: RunId) -> None:
        self.call, self.services, self.run_id = call, services, run_id
        self.key = (call.pipeline, call.fingerprint)
        self.ledger, self.foundry = services.ledger, services.settings.foundry
        self.closing = Attempt(call, services, run_id)
        self.started_at = time.time()
        self.began = 0
        expected = estimate(call)
        self.ceiling_usd = expected.ceiling if expected else None

    def run(self) -> StageRecord:
        """Advance from what is stored until there is a commit."""
        while True:
            self.services.wait(0)
            if record := self.ledger.read_stage(*self.key):
                is_mine = record.run_id == self.run_id
                seconds = time.time() - self.started_at
                self._tell("finished" if is_mine else "reused", seconds=seconds, cost_usd=record.cost_usd)
                self.closing.settle(record.attempt, record.cost_usd)
                return record
            self._advance()

    def _advance(self) -> None:
        """Make one move from what is stored."""
        newest = self.ledger.newest_attempt(*self.key)
        if newest is None:
            return self._begin(1)
        if newest.verdict is not None:
            self._raise_again(newest.verdict)
            return self._begin(newest.number + 1)
        last = newest.turns[-1]
        if last.receipt is not None:
            return self._finish(last.intent, last.receipt.response_id)
        return self._recover(last.intent)

    def _raise_again(self, verdict: Verdict) -> None:
        """Keep a run to its failure: only another run, which somebody started, may try again."""
        if verdict.kind == "failed" and verdict.run_id == self.run_id:
            raise StageFailed(self.call.label, verdict.reason, verdict.response_id)

    def _begin(self, attempt: int) -> None:
        """Start an attempt: everything free first, then the intent, then the spend."""
        self.began += 1
        self._reserve(attempt)
        prepared = prepare(self.call, self.services.handles)
        marks = {"assetmill_fingerprint": self.call.fingerprint, "assetmill_attempt": str(attempt)}
        conversation_id = self.services.gateway.create_conversation(marks)
        intent = self._intent(prepared, attempt, 1, conversation_id)
        if not self.ledger.write_intent(*self.key, intent):
            return self.services.gateway.delete_conversation(conversation_id)
        self._tell("started")
        return self._spend(intent, prepared)

    def _reserve(self, attempt: int) -> None:
        """Reserve the most that the attempt may cost under every ceiling, before anything is spent."""
        if not self.services.budget.ceilings:
            return
        if self.ceiling_usd is None:
            reason = "what it may cost is unknown, so no ceiling could hold: add its models to prices.toml"
            raise BudgetExceeded(self.call.label, reason)
        if refusal := self.services.budget.reserve(self.closing.reservation(attempt), self.ceiling_usd):
            raise BudgetExceeded(self.call.label, str(refusal))

    def _intent(self, prepared: Prepared, attempt: int, turn: int, conversation_id: str) -> Intent:
        now = time.time()
        return Intent(
            nonce=uuid.uuid4().hex,
            owner=self.services.owner,
            run_id=self.run_id,
            stage=self.call.label,
            attempt=attempt,
            turn=turn,
            endpoint=self.services.gateway.endpoint,
            conversation_id=conversation_id,
            request_digest=Digest(prepared.digest),
            reserved_usd=self.ceiling_usd,
            created_at=now,
            lease_until=now + self.foundry.lease_s,
        )

    def _spend(self, intent: Intent, prepared: Prepared) -> None:
        """Post once, after the intent; whatever is not a definite answer is looked up, never repeated."""
        gateway = self.services.gateway
        request = self._request(intent, prepared)
        try:
            response = gateway.create_response(request, lambda found: self._receive(intent, found, "reply"))
        except ConversationGone:
            return None  # another worker fenced this attempt: read what it decided
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
        return self._finish(intent, response.response_id)

    def _request(self, intent: Intent, prepared: Prepared) -> ResponseRequest:
        """Return what to post. It names the conversation of this very intent, held in memory.

        A worker that slept and read another's conversation from the store would post outside the fence.
        """
        return ResponseRequest(
            agent=self.services.gateway.ensure_agent(prepared.definition),
            conversation_id=intent.conversation_id,
            input=prepared.input,
            metadata={
                "assetmill_fingerprint": self.call.fingerprint,
                "assetmill_attempt": str(intent.attempt),
                "assetmill_turn": str(intent.turn),
            },
            image_deployment=self.call.image_deployment,
            structured_inputs=prepared.structured_inputs,
            max_tool_calls=self.call.max_tool_calls,
            is_streamed=self.foundry.streaming and any(t.get("partial_images") for t in self.call.tools),
        )

    def _receive(self, intent: Intent, response_id: str, how: str) -> None:
        receipt = Receipt.model_validate({"response_id": response_id, "how": how, "created_at": time.time()})
        self.ledger.write_receipt(*self.key, intent.attempt, intent.turn, receipt)
        self._tell("created", response_id=response_id, message="adopted" if how == "adopted" else "")

    def _refused(self, intent: Intent, error: ServiceError) -> None:
        """License the next attempt once it is certain that this one never will be paid."""
        asked_s = error.retry_after_s if isinstance(error, Throttled) else None
        wait_s = min(2.0**self.began, 30.0) if asked_s is None else asked_s
        self._tell("waiting", message=f"{error}; next try in {wait_s:.0f} s")
        self.services.wait(wait_s)
        if self._adopt(intent):
            return
        self.services.gateway.delete_conversation(intent.conversation_id)
        self._judge(intent, "refused", error)
        is_late = time.time() - self.started_at > self.foundry.stage_deadline_s
        is_hopeless = not isinstance(error, Throttled) and self.began >= self.foundry.max_attempts
        if is_late or is_hopeless:
            raise StageFailed(self.call.label, f"gave up after {self.began} tries: {error}") from error

    def _rejected(self, intent: Intent, error: Rejected) -> StageError:
        self._judge(intent, "failed", error)
        if isinstance(error, AccountBlocked | PromptBlocked):
            scope = "account" if isinstance(error, AccountBlocked) else "prompt"
            return StageBlocked(self.call.label, str(error), None, scope)
        return StageFailed(self.call.label, str(error))

    def _recover(self, intent: Intent) -> None:
        """Find out what became of an intent that has no receipt."""
        if intent.endpoint != self.services.gateway.endpoint:
            reason = f"an earlier attempt went to {intent.endpoint} and only that endpoint can tell"
            raise StageInDoubt(self.call.label, reason)
        for pause_s in _SWEEP_S:
            if pause_s > self.foundry.settle_s:
                break
            self.services.wait(pause_s)
            if self._adopt(intent):
                return
            if self._is_running_elsewhere(intent):
                self._tell("waiting", message=f"{intent.owner} works on it")
                return self.services.wait(min(1.0, max(0.1, intent.lease_until - time.time())))
        if self.foundry.policy == "fence":
            return self._fence(intent)
        shown = f"conversation {intent.conversation_id} shows nothing"
        raise StageInDoubt(self.call.label, f"attempt {intent.attempt} was sent or not: {shown}")

    def _adopt(self, intent: Intent) -> bool:
        """Store the receipt of an intent from the service's own list; False when it lists nothing."""
        listed = self.services.gateway.list_responses(intent.conversation_id)
        # One response a turn, oldest first. More than that means that something else posted here.
        if len(listed) < intent.turn:
            return False
        self._receive(intent, listed[intent.turn - 1].response_id, "adopted")
        return True

    def _fence(self, intent: Intent) -> None:
        """Make a late POST impossible, then look once more: only then is the attempt dead."""
        self.services.gateway.delete_conversation(intent.conversation_id)
        self.services.wait(self.foundry.settle_s)
        if not self._adopt(intent):
            self._judge(intent, "fenced", OutcomeUnknown("nothing came before the conversation was deleted"))

    def _is_running_elsewhere(self, intent: Intent) -> bool:
        """Whether the owner may still be about to post: its lease is fresh and it is not known dead."""
        if intent.owner == self.services.owner or time.time() > intent.lease_until:
            return False
        host, pid, _ = intent.owner.rsplit(":", 2)
        return host != socket.gethostname() or _is_alive(int(pid))

    def _finish(self, intent: Intent, response_id: str) -> None:
        """Wait for a turn's response; then answer the calls it waits for, or close the attempt."""
        response = self._follow(intent, response_id)
        turn = Finished(intent, response, read_response(response.body))
        if response.status != "completed" or not turn.produced.calls:
            self.closing.close([*self.closing.earlier_turns(intent), turn])
            return None
        self.closing.keep_turn(turn)
        if intent.turn >= MAX_TURNS:
            reason = f"it still asks for tools after {MAX_TURNS} turns"
            self._judge(intent, "failed", StageFailed(self.call.label, reason, response_id))
            raise StageFailed(self.call.label, reason, response_id)
        replies = answer(self.call, turn.produced.calls, self.services)
        prepared = reply_with(prepare(self.call, self.services.handles), replies)
        following = self._intent(prepared, intent.attempt, intent.turn + 1, intent.conversation_id)
        if self.ledger.write_intent(*self.key, following):
            self._spend(following, prepared)
        return None

    def _follow(self, intent: Intent, response_id: str) -> Response:
        def show(frame: Frame) -> None:
            self._tell("frame", message=f"partial picture {frame.index + 1}")

        try:
            return self.services.gateway.follow_response(
                response_id, deadline_s=self.foundry.stage_deadline_s, on_frame=show
            )
        except HandleExpired as error:
            self._judge(intent, "failed", error, response_id)
            reason = f"the service has forgotten the response: {error}"
            raise StageFailed(self.call.label, reason, response_id) from error
        except OutcomeUnknown as error:
            raise StageFailed(self.call.label, f"{error}; the next run adopts it", response_id) from error

    def _judge(self, intent: Intent, kind: str, error: Exception, response_id: str | None = None) -> None:
        # Without a response nothing was generated, so nothing is billed; with one the cost is not known here.
        self.closing.judge(
            intent.attempt,
            kind=kind,
            error=type(error).__name__,
            reason=str(error),
            response_id=response_id,
            cost_usd=None if response_id or intent.turn > 1 else 0.0,
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


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
