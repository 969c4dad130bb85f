"""One stage, and the money protocol: the only module that may cause a spend.

    READ ── commit there ──► DONE
    READ ── nothing yet ──► conversation (free) ► INTENT stored ► POST once, never retried
    READ ── intent, response known ──► follow it ► pictures and raw response stored ► files ► COMMIT
    READ ── intent, nothing known ──► list the conversation's responses ► adopt, fence, wait, or doubt
    READ ── verdict on the last attempt ──► the next attempt, not before the service allows it

    a call of an image model itself has no conversation: its reply is stored, or it is in doubt (direct.py)

Every pass starts from what is stored, so a crash anywhere leaves a state that the next pass understands. A
second POST needs a verdict on the first, and a verdict needs proof that the first was refused or can no
longer happen. Leases give progress, never safety. What looks, fences and gives up is in attempts.py and never
posts. What is promised and on which assumptions: docs/decisions/0004-money-protocol.md.
"""

from __future__ import annotations

from dataclasses import replace

from assetmill.agents.gateway import AgentVersion, ResponseRequest
from assetmill.agents.outputs import read_response
from assetmill.agents.requests import Prepared, agent_name, prepare, reply_with
from assetmill.agents.tool_calls import AttemptLost, ToolSession, answer
from assetmill.errors import (
    ContainerGone,
    ConversationGone,
    HandleExpired,
    ModelRetired,
    NoCapacity,
    NotSent,
    OutcomeUnknown,
    Rejected,
    ServiceError,
    StageError,
    StageFailed,
    Throttled,
)
from assetmill.plan.calls import StageCall
from assetmill.progress import ProgressReporter
from assetmill.records import (
    Intent,
    Lane,
    PictureForm,
    Receipt,
    RunId,
    StageRecord,
    Verdict,
)
from assetmill.stage import failures, retiring
from assetmill.stage.accepting import run_accepted
from assetmill.stage.admission import Admission
from assetmill.stage.attempts import Attempts
from assetmill.stage.closing import Closing
from assetmill.stage.direct import DirectReplies, request_digest
from assetmill.stage.drafts import STALE, Drafts
from assetmill.stage.finished import Finished
from assetmill.stage.lanes import LaneChoice
from assetmill.stage.local_stages import run_making
from assetmill.stage.patience import Patience
from assetmill.stage.repeats import Repeats
from assetmill.stage.services import Services
from assetmill.store.attempts import Attempt
from assetmill.traces.stages import traced_stage


def run_stage(call: StageCall, services: Services, run_id: RunId) -> StageRecord:
    """Return the stage's commit, paying for it only when no earlier run has.

    Repeating a call is free. Safe to call from several threads and processes for one fingerprint.

    Raises:
        StageError: the stage ended without a commit; the subclass says how.
        StoreError: the store refused; what was intended is found again by the next run.
        RunStopped: the run is being stopped.
    """
    return traced_stage(call, agent_name(call), run_id, services.ledger, lambda: _run(call, services, run_id))


def _run(call: StageCall, services: Services, run_id: RunId) -> StageRecord:
    if call.is_local:
        return run_making(call, services, run_id)
    if call.acceptance:
        return run_accepted(
            call, call.acceptance, services, run_id, lambda candidate: run_stage(candidate, services, run_id)
        )
    named = services.naming(run_id, call.label)
    with services.alone(call.fingerprint), ToolSession(call, named) as session:
        stage = _Stage(call, services, run_id, session)
        try:
            return stage.run()
        finally:
            stage.lanes.settle()


class _Stage:
    """One worker's walk through the protocol for one fingerprint."""

    def __init__(self, call: StageCall, services: Services, run_id: RunId, session: ToolSession) -> None:
        self.call, self.services, self.run_id, self.session = call, services, run_id, session
        self.key = (call.pipeline, call.fingerprint)
        self.ledger, self.foundry = services.ledger, services.settings.foundry
        self.closing = Closing(call, services, run_id)
        self.reporter = ProgressReporter(call.label, run_id)
        self.patience = Patience(call.label, services, self.reporter.waits("retry"))
        self.attempts = Attempts(call, services, run_id, self.closing, self.patience, self.reporter)
        self.direct = DirectReplies(call, services, self.closing)
        self.repeats = Repeats(call, services, run_id, self.closing)
        self.admission = Admission(call, services, run_id)
        self.lanes = LaneChoice(call, services, self.patience, self.admission, services.hour_of(run_id))
        self.drafts = Drafts(call, services, run_id, self.lanes)
        # Forms in which this stage's pictures were refused, and why: perhaps the form was not to blame.
        self.refused_forms: dict[PictureForm, str] = {}
        # A post that this worker knows to be refused, and that no verdict has recorded yet.
        self.unpaid: tuple[Intent, Prepared, ServiceError] | None = None
        # What the store answered to the commit: the first one there, whoever wrote it.
        self.committed: StageRecord | None = None

    def run(self) -> StageRecord:
        """Advance from what is stored until there is a commit."""
        while True:
            self.services.wait(0)
            if record := self.committed or self.ledger.read_stage(*self.key):
                event = "finished" if record.run_id == self.run_id else "reused"
                self.reporter.report(event, seconds=self.patience.passed_s, cost_usd=record.cost_usd)
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
            self.services.gate.learn(error)
            raise self._failure(error) from error
        except ServiceError as error:
            raise StageFailed(self.call.label, f"{error}; the next run goes on from here") from error

    def _failure(self, error: Rejected) -> StageError:
        """Return a definite refusal as the stage reports it; one for a model that is gone stops others."""
        if not isinstance(error, ModelRetired):
            return failures.refusal(self.call.label, error)
        missing = retiring.gone(self.call, error)
        reason = retiring.advice(missing, error, self.services.settings)
        self.services.gate.retire(missing, reason)
        return StageFailed(self.call.label, reason)

    def _advance(self) -> None:
        """Make one move from what is stored."""
        # The store and not memory: another worker, or this one before a crash, may have gone further.
        newest = self.attempts.newest()
        if newest is None:
            return self._begin(1)
        if newest.verdict is not None:
            # Whoever wrote the verdict may have died before giving the reservation back; twice is harmless.
            self.closing.settle(newest.number, newest.verdict.cost_usd)
            if failure := failures.standing(self.call.label, newest.verdict, self.run_id):
                raise failure
            if self.repeats.settle(newest, newest.verdict):
                return None
            self._wait_out(newest.number, newest.verdict)
            return self._begin(newest.number + 1)
        with self.services.slots.take():
            return self._go_on(newest)

    def _wait_out(self, attempt: int, verdict: Verdict) -> None:
        """Wait as a refusal asks, unless a person has lifted it."""

        def is_lifted() -> bool:
            return self.ledger.read_approval(*self.key, failures.lifting(attempt)) is not None

        if verdict.not_before:
            self.patience.wait_out(verdict, is_lifted)
            if is_lifted():
                self.admission.lift()

    def _go_on(self, newest: Attempt) -> None:
        """Find out how an attempt stands that nobody has closed."""
        last = newest.turns[-1]
        if last.receipt is not None:
            return self._finish(last.intent, last.receipt)
        if self.unpaid is not None and self.unpaid[0].nonce == last.intent.nonce:
            return self._refused(*self.unpaid)
        return self.attempts.recover(last.intent)

    def _begin(self, attempt: int) -> None:
        """Start an attempt when quotas and ceilings let it; who waits holds no slot from others."""
        # Money before quota: a share of the quota that is taken and not used delays every other stage.
        self.admission.check_gate()
        reservation = self.closing.reservation(attempt)
        lane = self.lanes.reserve(reservation, self.reporter.waits("budget"))
        self.admission.pace(self.reporter.waits("quota"), is_new=True)
        self.lanes.paced()
        with self.services.slots.take():
            # Waiting for a slot may have taken an hour: what was allowed then may not be now.
            self.admission.check_gate()
            self._begin_now(attempt, self.lanes.renew(reservation, lane))

    def _begin_now(self, attempt: int, lane: Lane) -> None:
        """Do everything free first, then store the intent, then spend."""
        if self.call.is_direct:
            return self._begin_direct(attempt)
        prepared = self._prepare()
        agent = self.services.gateway.ensure_agent(prepared.definition)
        marks = {"assetmill_fingerprint": self.call.fingerprint, "assetmill_attempt": str(attempt)}
        # A conversation of its own for every attempt: deleting it is what makes a late POST fail.
        conversation_id = self.services.gateway.create_conversation(marks)
        intent = self.drafts.intent(prepared.digest, attempt, 1, conversation_id, lane=lane)
        self.services.wait(0)  # after an order to stop nothing is begun
        # The one write that decides who may post: put-if-absent, so that of two workers one wins.
        if not self.ledger.write_intent(*self.key, intent):
            self.services.gateway.delete_conversation(conversation_id)
            return self.services.wait(1.0)  # a listing may lag behind the intent that won
        if self._is_late(intent):
            return self._refused(intent, prepared, NotSent(STALE))
        self.reporter.report("started")
        return self._spend(intent, prepared, agent)

    def _is_late(self, intent: Intent) -> bool:
        """Whether an intent must not be posted any more; the outage that made it late is not the stage's."""
        is_late = self.drafts.is_stale(intent)
        if is_late:
            self.patience.begin_anew()
        return is_late

    def _begin_direct(self, attempt: int) -> None:
        """Store the intent, then ask an image model itself, once; there is nothing to make before that."""
        request = self.direct.request()
        intent = self.drafts.intent(request_digest(request), attempt, 1, "", way="direct")
        self.services.wait(0)
        if not self.ledger.write_intent(*self.key, intent):
            return self.services.wait(1.0)
        if self._is_late(intent):
            return self._refused_direct(intent, NotSent(STALE))
        self.reporter.report("started")
        try:
            response = self.services.gateway.draw(replace(request, name=f"call_{intent.nonce}"))
        except NotSent as error:
            return self._refused_direct(intent, error)
        except Rejected as error:
            self.services.gate.learn(error)
            self.attempts.store_verdict(intent, "failed", error)
            raise self._failure(error) from error
        # Nothing lists such a call: what has no definite answer is left in doubt.
        except OutcomeUnknown as error:
            self.reporter.waiting(f"the outcome is open: {error}", "outcome")
            return self.attempts.recover(intent)
        self.patience.refusals = 0
        self.admission.arrived()
        self.admission.learn(response.rates)
        self._finish(intent, self.direct.keep(intent, response))

    def _refused_direct(self, intent: Intent, error: NotSent) -> None:
        """License the next attempt: the call never left, or a quota refused it."""
        self.lanes.give_back()
        if isinstance(error, Throttled):
            self.admission.refused(error.retry_after_s)
        not_before = self.services.clock() + self.patience.asked_s(error)
        self.attempts.store_verdict(intent, "refused", error, not_before=not_before)
        self.patience.count(error)

    def _spend(self, intent: Intent, prepared: Prepared, agent: AgentVersion) -> None:
        """Post once, after the intent; whatever is not a definite answer is looked up, never repeated."""
        request = self.drafts.request(intent, prepared, agent)
        # Filled by the callback before the reply is read further: a crash in between must find the receipt.
        receipts: list[Receipt] = []
        self.unpaid = None
        try:
            response = self.services.gateway.create_response(
                request, lambda response_id: receipts.append(self._receive(intent, response_id))
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
            if self.lanes.refused(intent, error) or self._has_another_form(request, error):
                return self._refused(intent, prepared, error, is_form=True)
            self.attempts.store_verdict(intent, "failed", error)
            raise self._failure(error) from error
        # Resets, time-outs, 5xx, garbage: each may have been accepted, so none licenses another POST.
        except OutcomeUnknown as error:
            self.reporter.waiting(f"the outcome is open: {error}", "outcome")
            return self.attempts.recover(intent)
        self.services.handles.accepted(request, self.refused_forms)
        self.admission.learn(response.rates)
        return self._finish(intent, receipts[0])

    def _prepare(self) -> Prepared:
        return prepare(self.call, self.services.handles, self.services.settings, self.refused_forms)

    def _has_another_form(self, request: ResponseRequest, error: Rejected) -> bool:
        """Whether a request that was refused for good, and so for nothing, may be posted in another form."""
        if self.services.abilities.refuses_form(request, error):
            return True
        form = self.services.handles.next_form(request, error, self.refused_forms)
        if form is not None:
            self.refused_forms[form] = error.message
            self.reporter.waiting(f"pictures as {form} are refused: {error}; the next form is tried")
        return form is not None

    def _receive(self, intent: Intent, response_id: str) -> Receipt:
        """Store the receipt as soon as the reply names its response, before that is waited for."""
        self.admission.arrived()
        self.lanes.settle()
        return self.attempts.receive(intent, response_id, "reply")

    def _refused(
        self, intent: Intent, prepared: Prepared, error: ServiceError, *, is_form: bool = False
    ) -> None:
        """License the next attempt at once, so that no crash while waiting leaves the outcome open.

        After a refusal of the form (`is_form`) nothing is waited for: the next attempt has another.
        """
        self.unpaid = intent, prepared, error
        is_lane = isinstance(error, NoCapacity) and intent.lane != "now"
        if is_lane:
            self.admission.arrived()  # the quota has let it pass, and counts it
        elif isinstance(error, Throttled):
            self.admission.refused(error.retry_after_s)
        # A gateway may answer with a refusal while the service behind it has accepted: the list decides.
        if self.attempts.adopt(intent):
            self.unpaid = None
            return
        if intent.turn > 1:
            return self._repeat_turn(intent, prepared, error)
        self.lanes.give_back()
        # Before the verdict: once another attempt is licensed, this one must not be able to arrive.
        self.services.gateway.delete_conversation(intent.conversation_id)
        asked = self.lanes.pause_until if is_lane else self.patience.pause_until
        not_before = None if is_form else asked(error)
        self.attempts.store_verdict(intent, "refused", error, not_before=not_before)
        self.unpaid = None
        if not (is_form or is_lane):
            self.patience.count(error)  # the wait is the verdict's: `_advance` keeps it, outside of any slot

    def _repeat_turn(self, intent: Intent, prepared: Prepared, error: ServiceError) -> None:
        """Post a refused turn again in its conversation: a new attempt would pay for the earlier turns again.

        Only the worker that heard the refusal may: to all others the outcome is open.
        """
        if isinstance(error, ContainerGone):
            ended = f"what its earlier turns worked in has ended ({error}): run it again to start over"
            return self.attempts.give_up(intent, None, AttemptLost(ended))
        try:
            self.patience.pause(error)
        except StageFailed:
            self.attempts.store_verdict(intent, "failed", error)
            raise
        self._spend(intent, prepared, self.services.gateway.ensure_agent(prepared.definition))

    def _finish(self, intent: Intent, receipt: Receipt) -> None:
        """Wait for a turn's response; then answer the calls it waits for, or close the attempt."""
        response = self.attempts.follow(intent, receipt, self.session)
        if response is None:
            return
        if intent.way != "direct":
            self.services.abilities.hear(intent.way, response.body)
            self.services.abilities.attached(intent.way, response)
        # In the background the reply to the post was seen to name no limits: what it is asked for may.
        self.admission.learn(response.rates)
        turn = Finished(intent, response, read_response(response.body))
        self.lanes.hear(turn)
        if response.status == "completed" and turn.produced.calls:
            turn = self.closing.sightings.complete(turn)
            self.closing.keep_turn(turn)
            self.closing.note_cost(turn)
            return self._take_turn(turn, receipt)
        try:
            turns = [*self.closing.earlier_turns(intent), turn]
            self.committed = self.closing.close(turns, self.session.frame)
        except Throttled as error:
            self.admission.refused(error.retry_after_s)
            raise  # the wait is `_step`'s, outside of any slot

    def _take_turn(self, last: Finished, receipt: Receipt) -> None:
        """Answer the calls that the last response waits for, as the attempt's next turn."""
        intent = last.intent
        try:
            replies = answer(self.call, last.produced.calls, self.services, intent, self.session)
        except (StageFailed, AttemptLost) as error:
            return self.attempts.give_up(intent, receipt, error)
        prepared = reply_with(self._prepare(), replies)
        agent = self.services.gateway.ensure_agent(prepared.definition)
        self.admission.pace(self.reporter.waits("quota"))
        self.services.wait(0)
        following = self.drafts.intent(
            prepared.digest, intent.attempt, intent.turn + 1, intent.conversation_id
        )
        if self.ledger.write_intent(*self.key, following):
            if self._is_late(following):
                return self._refused(following, prepared, NotSent(STALE))
            self._spend(following, prepared, agent)
