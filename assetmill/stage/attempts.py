"""What becomes of an attempt that was posted, or perhaps was: found out and decided, never by posting.

A turn's receipt comes with the reply, or is adopted from the service's own list. Where that shows nothing,
the attempt is its owner's for as long as that may live; then it is fenced or left in doubt, as the profile
says. Whoever gives an attempt up closes its conversation first: an owner that is only slow must not go on
with what others have given up, and pay for it.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from assetmill.agents.gateway import Frame, Response
from assetmill.agents.tool_calls import AttemptLost, ToolSession
from assetmill.errors import (
    HandleExpired,
    ModelRetired,
    NotSent,
    OutcomeUnknown,
    Rejected,
    StageFailed,
    StageInDoubt,
)
from assetmill.names import is_same_endpoint
from assetmill.outages import clock_time
from assetmill.plan.calls import StageCall
from assetmill.progress import ProgressReporter
from assetmill.records import Intent, Receipt, RunId
from assetmill.stage import failures
from assetmill.stage.adopting import find_response
from assetmill.stage.closing import Closing
from assetmill.stage.direct import DirectReplies
from assetmill.stage.owners import is_alive
from assetmill.stage.patience import Patience, closing_s, showing_s
from assetmill.stage.services import Services
from assetmill.store.attempts import Attempt, Turn

_CANCELLED_AGAIN_S = 180.0
"""A cancelled response was seen completed, with all its output, minutes later."""

_TOLD_FROM_S = 10.0
"""A wait that is shorter is over before somebody has read of it."""


@dataclass(frozen=True)
class Attempts:
    """One stage's attempts, as the store and the service show them to one worker."""

    call: StageCall
    services: Services
    run_id: RunId
    closing: Closing
    patience: Patience
    reporter: ProgressReporter

    @property
    def direct(self) -> DirectReplies:
        """The stage's calls of an image model itself."""
        return DirectReplies(self.call, self.services, self.closing)

    def newest(self) -> Attempt | None:
        """Read the newest attempt, None when nothing was ever intended."""
        return self.services.ledger.newest_attempt(self.call.pipeline, self.call.fingerprint)

    def receive(self, intent: Intent, response_id: str, how: Literal["reply", "adopted"]) -> Receipt:
        """Store the receipt of a turn that the service has accepted, and return the one that counts."""
        receipt = Receipt(response_id=response_id, how=how, created_at=self.services.clock())
        self.patience.refusals = 0
        self.reporter.report(
            "created", response_id=response_id, message="adopted" if how == "adopted" else ""
        )
        place = self.call.pipeline, self.call.fingerprint, intent.attempt, intent.turn
        return self.services.ledger.write_receipt(*place, receipt)

    def adopt(self, intent: Intent) -> bool:
        """Store the receipt of an intent from the service's own list; False when it lists nothing.

        Raises:
            StageInDoubt: the service cannot list what came.
        """
        try:
            listed = self.services.gateway.list_responses(intent.conversation_id)
        except HandleExpired as error:
            reason = f"the responses of {intent.conversation_id} cannot be listed: {error}"
            raise StageInDoubt(self.call.label, reason) from error
        found = find_response(intent, listed, self.call.fingerprint, self._taken(intent))
        if found is None:
            return False
        self.receive(intent, found.response_id, "adopted")
        return True

    def _taken(self, intent: Intent) -> frozenset[str]:
        """Return the responses that are the receipts of the attempt's earlier turns."""
        newest = self.newest() if intent.turn > 1 else None
        turns = newest.turns if newest and newest.number == intent.attempt else ()
        earlier = (turn.receipt for turn in turns if turn.intent.turn < intent.turn)
        return frozenset(receipt.response_id for receipt in earlier if receipt)

    def follow(self, intent: Intent, receipt: Receipt, session: ToolSession) -> Response | None:
        """Return the final response; None when the service does not know a new one yet.

        Raises:
            StageInDoubt: another endpoint has it.
            StageFailed: the service has forgotten it, or it is not final within the stage's deadline.
        """
        if intent.way == "direct":
            return self.direct.read(intent)
        self._check_endpoint(intent)
        response_id, foundry = receipt.response_id, self.services.settings.foundry

        def show(frame: Frame) -> None:
            self.closing.sightings.keep(intent, frame)
            if frame.is_final:
                return
            session.frame, session.frames = frame.data, session.frames + 1
            shown = f"partial picture {session.frames} after {self.patience.passed_s:.0f} s"
            self.reporter.report("frame", seconds=self.patience.passed_s, message=shown)

        try:
            response = self.services.gateway.follow_response(
                response_id, deadline_s=foundry.stage_deadline_s, on_frame=show
            )
            return self._settled(response) if response.status == "cancelled" else response
        except HandleExpired as error:
            # Its own list may lag behind a reply: a paid response is not given up for that.
            age_s = self.services.clock() - receipt.created_at
            if age_s <= foundry.settle_s:
                with self.services.waits.waiting("outcome", receipt.created_at + foundry.settle_s):
                    return self.services.wait(min(1.0, foundry.settle_s))
            if age_s <= self._unseen_s(intent):
                reason = f"the service does not show the response yet ({error}); the next run asks again"
                raise StageFailed(self.call.label, reason, response_id) from error
            self.store_verdict(intent, "failed", error, response_id=response_id)
            reason = f"the service has forgotten the response: {error}"
            raise StageFailed(self.call.label, reason, response_id) from error
        except OutcomeUnknown as error:
            raise StageFailed(self.call.label, f"{error}; the next run adopts it", response_id) from error

    def _unseen_s(self, intent: Intent) -> float:
        """Return for how long an accepted response may not be found before it counts as forgotten.

        The time to settle is enough where the endpoint was seen to keep it (A2), which a fence needs too.
        """
        foundry = self.services.settings.foundry
        if self.services.may_fence_in(intent.way):
            return foundry.settle_s
        return max(foundry.settle_s, foundry.stage_deadline_s)

    def _settled(self, response: Response) -> Response:
        """Read a cancelled response again after some minutes: some ran to their end all the same."""
        self.reporter.waiting(f"{response.response_id} counts as cancelled; looking once more", "outcome")
        with self.services.waits.waiting("outcome", self.services.clock() + _CANCELLED_AGAIN_S):
            self.services.wait(_CANCELLED_AGAIN_S)
        return self.services.gateway.get_response(response.response_id)

    def recover(self, intent: Intent) -> None:
        """Find out what became of an intent that has no receipt.

        Raises:
            StageInDoubt: nothing shows it, and the profile leaves the decision to a person.
            StageFailed: there is no point in waiting any more.
        """
        if intent.way == "direct":
            return self._recover_direct(intent)
        self._check_endpoint(intent)
        foundry = self.services.settings.foundry
        with self._told_wait(intent, "asked for", showing_s(intent, foundry, self.services.clock())):
            for pause_s in self.patience.sweep(intent):
                self.services.wait(pause_s)
                if self.adopt(intent):
                    return
                # An owner that lives may post at any moment: to fence now would cut off what is on its way.
                if self._is_running_elsewhere(intent):
                    return self._wait_for_owner(intent)
        if self._has_moved_on(Turn(intent, None)):
            return
        # A fence costs the whole conversation: from the second turn on, what was paid for hangs on it.
        if intent.turn == 1 and self.services.may_fence_in(intent.way):
            return self._fence(intent)
        self._doubt(intent)

    def _check_endpoint(self, intent: Intent) -> None:
        """Leave alone what went to another endpoint: what this one does not show of it proves nothing.

        Raises:
            StageInDoubt: it did.
        """
        if not is_same_endpoint(intent.endpoint, self.services.gateway.endpoint):
            reason = (
                f"attempt {intent.attempt} went to {intent.endpoint}, and only that one can tell: run it "
                f"with its profile. Where it is no more, {self._word(intent, '--unasked and ')}"
            )
            raise StageInDoubt(self.call.label, reason)

    def _recover_direct(self, intent: Intent) -> None:
        """Take a reply that was stored; without one nobody but a person can say how it is to go on."""
        if self.direct.find(intent) or self._has_moved_on(Turn(intent, None)):
            return
        if self._is_running_elsewhere(intent):
            return self._wait_for_owner(intent)
        reason = (
            f"attempt {intent.attempt} went to the image model itself and no reply was stored: it was paid "
            f"for or not, and nothing can be asked again: {self._word(intent)}"
        )
        raise StageInDoubt(self.call.label, reason)

    def _word(self, intent: Intent, options: str = "") -> str:
        """Return how a person decides about an attempt, as a command that works as it stands."""
        command = f"assetmill resolve {self.services.named(self.run_id, self.call.label, intent.run_id)}"
        return f"decide with `{command}` and {options}--retry (perhaps pays twice) or --give-up"

    def give_up(self, intent: Intent, receipt: Receipt | None, error: StageFailed | AttemptLost) -> None:
        """Close an attempt whose calls this worker cannot answer, unless its owner is about to.

        Raises:
            StageFailed: this run may not try again.
        """
        if self._has_moved_on(Turn(intent, receipt)):
            return
        if self._is_running_elsewhere(intent):
            return self._wait_for_owner(intent)
        self.services.gateway.delete_conversation(intent.conversation_id)
        # What another run lost, the one that somebody started after it may pay for again; not the same run.
        is_ours = isinstance(error, StageFailed) or intent.run_id == self.run_id
        kind = "failed" if is_ours else "abandoned"
        response_id = receipt.response_id if receipt else None
        self.store_verdict(intent, kind, error, response_id=response_id)
        if is_ours:
            raise StageFailed(self.call.label, str(error), response_id) from error

    def store_verdict(self, intent: Intent, kind: str, error: Exception, **details: Any) -> None:
        """Store the verdict on an attempt; `details` are the verdict's `response_id` and `not_before`."""
        # A refusal costs nothing; what was blocked or forgotten may have been billed.
        is_free = kind in {"refused", "fenced"} or type(error) in {Rejected, ModelRetired}
        self.closing.store_verdict(
            intent.attempt,
            kind=kind,
            error=type(error).__name__,
            reason=str(error),
            **details,
            cost_usd=0.0 if is_free and intent.turn == 1 else None,
        )

    def _fence(self, intent: Intent) -> None:
        """Make a late POST impossible, then look once more: only then is the attempt dead."""
        self.services.gateway.delete_conversation(intent.conversation_id)
        # What was accepted just before the deletion may take this long to be listed (assumption A2).
        wait_s = closing_s(intent, self.services.settings.foundry)
        with self._told_wait(intent, "its conversation is closed; looked for once more", wait_s):
            self.services.wait(wait_s)
        if self.adopt(intent) or self._has_moved_on(Turn(intent, None)):
            return
        nothing = NotSent("nothing came before the conversation was deleted")
        self.store_verdict(intent, "fenced", nothing)
        self.patience.pause(nothing)

    @contextmanager
    def _told_wait(self, intent: Intent, what: str, wait_s: float) -> Generator[None]:
        """Say until when a person is kept waiting for what became of an attempt, where that is long."""
        if wait_s <= _TOLD_FROM_S:
            yield
            return
        until = self.services.clock() + wait_s
        told = f"attempt {intent.attempt} was sent or not: {what} until {clock_time(until)}"
        self.reporter.waiting(told, "outcome")
        with self.services.waits.waiting("outcome", until):
            yield

    def _doubt(self, intent: Intent) -> None:
        """Leave the decision to a person, or to the profile once its deadline has passed."""
        kind = failures.settled_doubt(intent, self.services.settings.foundry, self.services.clock())
        if kind is None:
            reason = (
                f"attempt {intent.attempt} was sent or not: conversation {intent.conversation_id} shows "
                f"nothing. The next run asks again; where that stays so, {self._word(intent)}"
            )
            raise StageInDoubt(self.call.label, reason)
        self.services.gateway.delete_conversation(intent.conversation_id)
        # A person, or the profile, has decided: one last look, because money outranks the decision.
        if not self.adopt(intent) and not self._has_moved_on(Turn(intent, None)):
            self.store_verdict(
                intent, kind, StageInDoubt(self.call.label, "the profile's deadline has passed")
            )

    def _has_moved_on(self, seen: Turn) -> bool:
        """Whether another worker has stored more than this one saw: a receipt, a turn or a verdict."""
        newest = self.newest()
        if newest is None:
            return False
        last = newest.turns[-1]
        is_later = (last.intent.attempt, last.intent.turn) > (seen.intent.attempt, seen.intent.turn)
        is_received = seen.receipt is None and last.receipt is not None
        return newest.verdict is not None or is_later or is_received

    def _is_running_elsewhere(self, intent: Intent) -> bool:
        """Whether the owner may still be about to post: its lease is fresh and it is not known dead."""
        # Clocks of two machines differ: a lease gives progress and is never what safety rests on.
        is_fresh = self.services.clock() <= intent.lease_until
        return intent.owner != self.services.owner and is_fresh and is_alive(intent.owner)

    def _wait_for_owner(self, intent: Intent) -> None:
        self.reporter.waiting(f"{intent.owner} works on it", "owner")
        # A sixtieth of what is left: a lease of minutes is not asked about every second.
        left_s = intent.lease_until - self.services.clock()
        with self.services.waits.waiting("owner", intent.lease_until):
            self.services.wait(min(max(1.0, left_s / 60), max(0.1, left_s)))
