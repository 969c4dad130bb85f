"""What is not paid for once more unasked: a result that the service holds back, and the same failure again.

Both were paid for. The first may still come: every run asks for it again, which is free. The second may be
luck once, not twice: with the same inputs it needs a person's word, a flag or a change.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from assetmill.errors import OutputUnreachable, OutputUnusable, StageBlocked, StageFailed
from assetmill.plan.calls import StageCall
from assetmill.records import RunId, Verdict
from assetmill.stage.closing import Closing
from assetmill.stage.services import Services
from assetmill.store.attempts import Attempt

LIMIT = 2
"""How often the same failure is paid for before somebody must ask for it."""

_PAID = frozenset(kind.__name__ for kind in (OutputUnusable, StageFailed, StageBlocked))
_VARYING = re.compile(r"\b[a-z]+_[0-9A-Za-z_]+|\d+")
"""IDs and figures, in which two failures of one kind differ."""

_ASKED_AGAIN = "it was paid for and is asked for again by every run, for nothing"


def again_subject(attempt: int) -> str:
    """Return the subject of a person's word on paying once more after an attempt that failed."""
    return f"pay again after attempt {attempt}"


def draws_subject(runs: int) -> str:
    """Return the subject of a person's word on more draws after so many runs whose draws were all refused."""
    return f"draw again after {runs} runs"


@dataclass(frozen=True)
class Repeats:
    """One stage's failed attempts, as a run that somebody started meets them."""

    call: StageCall
    services: Services
    run_id: RunId
    closing: Closing

    def settle(self, newest: Attempt, verdict: Verdict) -> bool:
        """Whether an attempt that failed is committed after all; else the next one may be paid for.

        Raises:
            OutputUnreachable: the service still holds files back, and nobody said to pay again.
            StageFailed: a person gave it up, or it failed the same way too often.
        """
        if verdict.kind != "failed" or verdict.cost_usd == 0.0:
            return False
        is_held_back = verdict.error == OutputUnreachable.__name__
        if is_held_back and self.closing.reopen(newest):
            return True
        if self._is_allowed(newest.number):
            return False
        if is_held_back:
            advice = f"{_ASKED_AGAIN}; {self._ways(verdict)}"
            # Which run says so changes from one to the next.
            reason = verdict.reason if _ASKED_AGAIN in verdict.reason else f"{verdict.reason}; {advice}"
            raise OutputUnreachable(self.call.label, reason, verdict.response_id)
        if self._count(newest) >= LIMIT:
            reason = (
                f"it failed {LIMIT} times the same way and was paid for each time: {verdict.reason}. "
                "Change its prompt, model or outputs, or pay once more: the same command with `--pay-again`, "
                f"or `{self._place(verdict)} --retry`"
            )
            raise StageFailed(self.call.label, reason, verdict.response_id)
        return False

    def _is_allowed(self, attempt: int) -> bool:
        """Whether somebody asked for the next attempt.

        Raises:
            StageFailed: a person gave the stage up.
        """
        word = self.services.ledger.read_approval(
            self.call.pipeline, self.call.fingerprint, again_subject(attempt)
        )
        if word and not word.is_granted:
            reason = f"given up, says {word.decided_by}: change something about it to make it anew"
            raise StageFailed(self.call.label, reason)
        return word is not None or self.services.may_repeat(self.run_id)

    def _place(self, verdict: Verdict) -> str:
        return f"assetmill resolve {self.services.named(self.run_id, self.call.label, verdict.run_id)}"

    def _ways(self, verdict: Verdict) -> str:
        return f"or `{self._place(verdict)}` with --accept-partial, --retry (pays again) or --give-up"

    def _count(self, newest: Attempt) -> int:
        """Return how many attempts in a row, back from the newest, were paid for and failed like it."""
        kinds = [_kind_of(verdict) for verdict in self._paid_failures(newest.number)]
        same = next((at for at, kind in enumerate(kinds) if kind != kinds[0]), len(kinds))
        return same if kinds and kinds[0] is not None else 0

    def _paid_failures(self, newest: int) -> Iterator[Verdict]:
        """Yield the newest verdicts on what was paid for; refusals between them cost nothing."""
        found = 0
        for number in range(newest, 0, -1):
            verdict = self.services.ledger.read_verdict(self.call.pipeline, self.call.fingerprint, number)
            if verdict and verdict.cost_usd != 0.0:
                found += 1
                yield verdict
            if found >= LIMIT:
                return


def _kind_of(verdict: Verdict) -> tuple[str, str] | None:
    """Return what makes two failures the same, None for what was no failure of the stage's own."""
    if verdict.kind != "failed" or verdict.error not in _PAID:
        return None
    return verdict.error, _VARYING.sub("#", verdict.reason.partition("; the agent said")[0])
