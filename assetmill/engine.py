"""One stage, and the money protocol: the only module that may cause a spend.

    READ ── commit there ──► DONE
    READ ── nothing yet ──► conversation (free) ► INTENT stored ► POST once, never retried
    READ ── intent, response known ──► follow it ► pictures and raw response stored ► files ► COMMIT
    READ ── intent, nothing known ──► list the conversation's responses ► adopt, fence, wait, or doubt
    READ ── verdict on the last attempt ──► the next attempt, not before the service allows it

Every pass starts from what is stored, so a crash anywhere leaves a state that the next pass understands. A
second POST needs a verdict on the first, and a verdict needs proof that the first was refused or can no
longer happen. Leases give progress, never safety. What is promised and on which assumptions:
docs/decisions/0004-money-protocol.md.
"""

from __future__ import annotations

import uuid
from typing import Any

from assetmill import failures, progress
from assetmill.accepting import run_accepted
from assetmill.admission import Admission
from assetmill.agents.gateway import AgentVersion, Frame, Response, ResponseRequest
from assetmill.agents.outputs import read_response
from assetmill.agents.requests import Prepared, prepare, reply_with
from assetmill.agents.tool_calls import AttemptLost, Desk, answer
from assetmill.calls import StageCall
from assetmill.closing import Closing, Finished
from assetmill.errors import (
    ConversationGone,
    HandleExpired,
    NotSent,
    OutcomeUnknown,
    Rejected,
    ServiceError,
    StageFailed,
    StageInDoubt,
    Throttled,
)
from assetmill.fingerprint import Digest
from assetmill.patience import Patience
from assetmill.progress import StageEvent, StageEventKind
from assetmill.records import Intent, Receipt, RunId, StageRecord
from assetmill.services import Services, is_alive
from assetmill.store.ledger import Attempt


def run_stage(call: StageCall, services: Services, run_id: RunId) -> StageRecord:
    """Return the stage's commit, paying for it only when no earlier run has.

    Repeating a call is free. Safe to call from several threads and processes for one fingerprint.

    Raises:
        StageError: the stage ended without a commit; the subclass says how.
        StoreError: the store refused; what was intended is found again by the next run.
        RunStopped: the run is being stopped.
    """
    if call.acceptance:
        return run_accepted(
            call, call.acceptance, services, run_id, lambda draw: run_stage(draw, services, run_id)
        )
    with services.alone(call.fingerprint), Desk(call) as desk:
        return _Stage(call, services, run_id, desk).run()


class _Stage:
    """One worker's walk through the protocol for one fingerprint."""

    def __init__(self, call: StageCall, services: Services, run_id: RunId, desk: Desk) -> None:
        self.call, self.services, self.run_id, self.desk = call, services, run_id, desk
        self.key = (call.pipeline, call.fingerprint)
        self.ledger, self.foundry = services.ledger, services.settings.foundry
        self.closing = Closing(call, services, run_id)
        self.patience = Patience(call.label, services, self._tell_waiting)
        # A refused post that no verdict has recorded yet: by its intent's nonce, with what was posted.
        self.unpaid: tuple[str, Prepared, ServiceError] | None = None
        self.admission = Admission(call, services, run_id)

    def run(self) -> StageRecord:
        """Advance from what is stored until there is a commit."""
        while True:
            self.services.wait(0)
            if record := self.ledger.read_stage(*self.key):
                is_mine = record.run_id == self.run_id
                seconds = self.patience.passed_s
                self._tell("finished" if is_mine else "reused", seconds=seconds, cost_usd=record.cost_usd)
                self.closing.settle(record.attempt, record.cost_usd)
                return record
            self._step()

    def _step(self) -> None:
        """Advance; a free call that failed is made again by the next pass, which starts from the store."""
        try:
            self._advance()
        except NotSent as error:
            self.patience.pause(error)
        except Rejected as error:
            raise failures.refusal(self.call.label, error) from error
        except ServiceError as error:
            raise StageFailed(self.call.label, f"{error}; the next run goes on from here") from error

    def _advance(self) -> None:
        """Make one move from what is stored."""
        newest = self.ledger.newest_attempt(*self.key)
        if newest is None:
            return self._begin(1)
        if newest.verdict is not None:
            self.closing.settle(newest.number, newest.verdict.cost_usd)
            if failure := failures.standing(self.call.label, newest.verdict, self.run_id):
                raise failure
            self.patience.wait_until(newest.verdict.not_before)
            return self._begin(newest.number + 1)
        with self.services.slots.take():
            return self._go_on(newest)

    def _go_on(self, newest: Attempt) -> None:
        """Find out how an attempt stands that nobody has closed."""
        last = newest.turns[-1]
        if last.receipt is not None:
            return self._finish(last.intent, last.receipt)
        if self.unpaid is not None and self.unpaid[0] == last.intent.nonce:
            return self._refused(last.intent, *self.unpaid[1:])
        return self._recover(last.intent)

    def _begin(self, attempt: int) -> None:
        """Start an attempt when quotas and ceilings let it; who waits holds no slot from others."""
        self.admission.check_gate()
        self.admission.reserve(self.closing.reservation(attempt), self._tell_waiting)
        self.admission.pace(self._tell_waiting, is_new=True)
        with self.services.slots.take():
            self.admission.check_gate()
            self._begin_now(attempt)

    def _begin_now(self, attempt: int) -> None:
        """Do everything free first, then store the intent, then spend."""
        prepared = prepare(self.call, self.services.handles, self.services.settings)
        agent = self.services.gateway.ensure_agent(prepared.definition)
        marks = {"assetmill_fingerprint": self.call.fingerprint, "assetmill_attempt": str(attempt)}
        conversation_id = self.services.gateway.create_conversation(marks)
        intent = self._intent(prepared, attempt, 1, conversation_id)
        if not self.ledger.write_intent(*self.key, intent):
            self.services.gateway.delete_conversation(conversation_id)
            return self.services.wait(1.0)  # a listing may lag behind the intent that won
        self._tell("started")
        return self._spend(intent, prepared, agent)

    def _intent(self, prepared: Prepared, attempt: int, turn: int, conversation_id: str) -> Intent:
        now = self.services.clock()
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
            reserved_usd=self.admission.ceiling_usd,
            created_at=now,
            lease_until=now + self.foundry.lease_s,
        )

    def _spend(self, intent: Intent, prepared: Prepared, agent: AgentVersion) -> None:
        """Post once, after the intent; whatever is not a definite answer is looked up, never repeated."""
        request = self._request(intent, prepared, agent)
        receipts: list[Receipt] = []
        self.unpaid = None
        try:
            response = self.services.gateway.create_response(
                request, lambda response_id: receipts.append(self._receive(intent, response_id, "reply"))
            )
        except ConversationGone:
            return None  # another worker fenced this attempt: read what it decided
        except HandleExpired as error:
            self.services.handles.forget(request.input)
            return self._refused(intent, prepared, error)
        except NotSent as error:
            return self._refused(intent, prepared, error)
        except Rejected as error:
            self.services.gate.learn(error)
            if self.services.handles.learn(request.input, error):
                return self._refused(intent, prepared, error)
            self._judge(intent, "failed", error)
            raise failures.refusal(self.call.label, error) from error
        except OutcomeUnknown as error:
            self._tell_waiting(f"the outcome is open: {error}")
            return self._recover(intent)
        self.admission.learn(response.rates)
        return self._finish(intent, receipts[0])

    def _request(self, intent: Intent, prepared: Prepared, agent: AgentVersion) -> ResponseRequest:
        """Return what to post. It names the conversation of this very intent, held in memory.

        A worker that slept and read another's conversation from the store would post outside the fence.
        """
        return ResponseRequest(
            agent=agent,
            conversation_id=intent.conversation_id,
            input=prepared.input,
            metadata={
                "assetmill_fingerprint": self.call.fingerprint,
                "assetmill_attempt": str(intent.attempt),
                "assetmill_turn": str(intent.turn),
            },
            image_deployment=self.call.image_deployment,
            structured_inputs={**prepared.structured_inputs, **prepared.secrets},
            max_tool_calls=self.call.max_tool_calls,
            is_streamed=self.foundry.streaming and any(t.get("partial_images") for t in self.call.tools),
            is_truncatable=any(t["type"] == "computer_use_preview" for t in self.call.tools),
        )

    def _receive(self, intent: Intent, response_id: str, how: str) -> Receipt:
        if how == "reply":
            self.admission.arrived()
        now = self.services.clock()
        receipt = Receipt.model_validate({"response_id": response_id, "how": how, "created_at": now})
        self.patience.refusals, self.unpaid = 0, None
        self._tell("created", response_id=response_id, message="adopted" if how == "adopted" else "")
        return self.ledger.write_receipt(*self.key, intent.attempt, intent.turn, receipt)

    def _refused(self, intent: Intent, prepared: Prepared, error: ServiceError) -> None:
        """License the next attempt at once, so that no crash while waiting leaves the outcome open."""
        self.unpaid = intent.nonce, prepared, error
        if isinstance(error, Throttled):
            self.admission.refused(error.retry_after_s)
        if self._adopt(intent):
            return
        if intent.turn > 1:
            return self._repeat_turn(intent, prepared, error)
        self.services.gateway.delete_conversation(intent.conversation_id)
        self._judge(intent, "refused", error, not_before=self.services.clock() + self.patience.asked_s(error))
        self.unpaid = None
        self.patience.count(error)  # the wait is the verdict's: `_advance` keeps it, outside of any slot

    def _repeat_turn(self, intent: Intent, prepared: Prepared, error: ServiceError) -> None:
        """Post a refused turn again in its conversation: a new attempt would pay for the earlier turns again.

        Only the worker that heard the refusal may: to all others the outcome is open.
        """
        try:
            self.patience.pause(error)
        except StageFailed:
            self._judge(intent, "failed", error)
            raise
        self._spend(intent, prepared, self.services.gateway.ensure_agent(prepared.definition))

    def _recover(self, intent: Intent) -> None:
        """Find out what became of an intent that has no receipt."""
        if intent.endpoint != self.services.gateway.endpoint:
            reason = f"an earlier attempt went to {intent.endpoint} and only that endpoint can tell"
            raise StageInDoubt(self.call.label, reason)
        for pause_s in self.patience.sweep():
            self.services.wait(pause_s)
            if self._adopt(intent):
                return
            if self._is_running_elsewhere(intent):
                return self._wait_for_owner(intent)
        if self._is_decided(intent):
            return
        # A fence costs the whole conversation: from the second turn on, what was paid for hangs on it.
        if intent.turn == 1 and self.services.may_fence:
            return self._fence(intent)
        self._doubt(intent)

    def _doubt(self, intent: Intent) -> None:
        """Leave the decision to a person, or to the profile once its deadline has passed."""
        kind = failures.settled_doubt(intent, self.foundry, self.services.clock())
        if kind is None:
            shown = f"conversation {intent.conversation_id} shows nothing"
            raise StageInDoubt(self.call.label, f"attempt {intent.attempt} was sent or not: {shown}")
        self.services.gateway.delete_conversation(intent.conversation_id)
        if not self._adopt(intent) and not self._is_decided(intent):
            self._judge(intent, kind, StageInDoubt(self.call.label, "the profile's deadline has passed"))

    def _adopt(self, intent: Intent) -> bool:
        """Store the receipt of an intent from the service's own list; False when it lists nothing."""
        try:
            listed = self.services.gateway.list_responses(intent.conversation_id)
        except HandleExpired as error:
            reason = f"the responses of {intent.conversation_id} cannot be listed: {error}"
            raise StageInDoubt(self.call.label, reason) from error
        # One response a turn, oldest first. More than that means that something else posted here.
        if len(listed) < intent.turn:
            return False
        self._receive(intent, listed[intent.turn - 1].response_id, "adopted")
        return True

    def _is_decided(self, intent: Intent) -> bool:
        """Whether another worker has meanwhile found out what this one could not."""
        newest = self.ledger.newest_attempt(*self.key)
        has_receipt = newest is not None and newest.turns[-1].receipt is not None
        return has_receipt or self._has_moved_on(intent)

    def _has_moved_on(self, intent: Intent) -> bool:
        """Whether the attempt is closed, or has come to a later turn than this one."""
        newest = self.ledger.newest_attempt(*self.key)
        if newest is None:
            return False
        last = newest.turns[-1].intent
        return newest.verdict is not None or (last.attempt, last.turn) > (intent.attempt, intent.turn)

    def _fence(self, intent: Intent) -> None:
        """Make a late POST impossible, then look once more: only then is the attempt dead."""
        self.services.gateway.delete_conversation(intent.conversation_id)
        self.services.wait(self.foundry.settle_s)
        if self._adopt(intent) or self._is_decided(intent):
            return
        nothing = NotSent("nothing came before the conversation was deleted")
        self._judge(intent, "fenced", nothing)
        self.patience.pause(nothing)

    def _is_running_elsewhere(self, intent: Intent) -> bool:
        """Whether the owner may still be about to post: its lease is fresh and it is not known dead."""
        is_fresh = self.services.clock() <= intent.lease_until
        return intent.owner != self.services.owner and is_fresh and is_alive(intent.owner)

    def _wait_for_owner(self, intent: Intent) -> None:
        self._tell_waiting(f"{intent.owner} works on it")
        self.services.wait(min(1.0, max(0.1, intent.lease_until - self.services.clock())))

    def _finish(self, intent: Intent, receipt: Receipt) -> None:
        """Wait for a turn's response; then answer the calls it waits for, or close the attempt."""
        response = self._follow(intent, receipt)
        if response is None:
            return None
        turn = Finished(intent, response, read_response(response.body))
        if response.status != "completed" or not turn.produced.calls:
            self.closing.close([*self.closing.earlier_turns(intent), turn], self.desk.frame)
            return None
        self.closing.keep_turn(turn)
        try:
            replies = answer(self.call, turn.produced.calls, self.services, intent, self.desk)
        except (StageFailed, AttemptLost) as error:
            return self._cannot_answer(intent, receipt, error)
        prepared = reply_with(prepare(self.call, self.services.handles, self.services.settings), replies)
        agent = self.services.gateway.ensure_agent(prepared.definition)
        self.admission.pace(self._tell_waiting)
        following = self._intent(prepared, intent.attempt, intent.turn + 1, intent.conversation_id)
        if self.ledger.write_intent(*self.key, following):
            self._spend(following, prepared, agent)
        return None

    def _cannot_answer(self, intent: Intent, receipt: Receipt, error: StageFailed | AttemptLost) -> None:
        """Close an attempt whose calls this worker cannot answer, unless its owner is about to."""
        if self._has_moved_on(intent):
            return None
        if self._is_running_elsewhere(intent):
            return self._wait_for_owner(intent)
        # An owner that is only slow must not go on with what others have given up, and pay for it.
        self.services.gateway.delete_conversation(intent.conversation_id)
        # What another run lost, the one that somebody started after it may pay for again; not the same run.
        is_ours = isinstance(error, StageFailed) or intent.run_id == self.run_id
        kind = "failed" if is_ours else "abandoned"
        self._judge(intent, kind, error, response_id=receipt.response_id)
        if is_ours:
            raise StageFailed(self.call.label, str(error), receipt.response_id) from error
        return None

    def _follow(self, intent: Intent, receipt: Receipt) -> Response | None:
        """Return the final response; None when the service does not know a new one yet."""

        def show(frame: Frame) -> None:
            self.desk.frame, self.desk.frames = frame.data, self.desk.frames + 1
            shown = f"partial picture {self.desk.frames} after {self.patience.passed_s:.0f} s"
            self._tell("frame", seconds=self.patience.passed_s, message=shown)

        response_id = receipt.response_id
        try:
            return self.services.gateway.follow_response(
                response_id, deadline_s=self.foundry.stage_deadline_s, on_frame=show
            )
        except HandleExpired as error:
            # Its own list may lag behind a reply: a paid response is not given up for that.
            if self.services.clock() <= receipt.created_at + self.foundry.settle_s:
                return self.services.wait(min(1.0, self.foundry.settle_s))
            self._judge(intent, "failed", error, response_id=response_id)
            reason = f"the service has forgotten the response: {error}"
            raise StageFailed(self.call.label, reason, response_id) from error
        except OutcomeUnknown as error:
            raise StageFailed(self.call.label, f"{error}; the next run adopts it", response_id) from error

    def _judge(self, intent: Intent, kind: str, error: Exception, **details: Any) -> None:
        """Store the verdict on an attempt; `details` are the verdict's `response_id` and `not_before`."""
        # A refusal costs nothing; what was blocked or forgotten may have been billed.
        is_free = kind in {"refused", "fenced"} or type(error) is Rejected
        self.closing.judge(
            intent.attempt,
            kind=kind,
            error=type(error).__name__,
            reason=str(error),
            **details,
            cost_usd=0.0 if is_free and intent.turn == 1 else None,
        )

    def _tell_waiting(self, message: str) -> None:
        self._tell("waiting", message=message)

    def _tell(self, event: StageEventKind, **details: Any) -> None:
        progress.emit(StageEvent(event, self.call.label, self.run_id, **details))
