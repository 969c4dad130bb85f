"""The draws of a stage with terms of acceptance: calls with fingerprints of their own, each paid once."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

from assetmill.fingerprint import Fingerprint
from assetmill.plan.calls import StageCall
from assetmill.records import RunId, StageRecord
from assetmill.store.attempts import Attempt
from assetmill.store.ledger import Ledger

_SPOILED = frozenset({"OutputUnusable", "StageFailed", "StageBlocked"})
"""Errors of a verdict on an attempt whose response came and was not what the stage must make."""


@dataclass(frozen=True)
class Candidate:
    """One draw as the store knows it: finished, begun, or ended without a commit."""

    number: int
    call: StageCall
    record: StageRecord | None
    attempt: Attempt | None

    def is_of(self, run_id: RunId) -> bool:
        """Whether this run made it, or tried to."""
        if self.record:
            return self.record.run_id == run_id
        return self.attempt is not None and self.attempt.turns[0].intent.run_id == run_id

    @property
    def is_spoiled(self) -> bool:
        """Whether its response came and was not what the stage must make."""
        verdict = self.attempt.verdict if self.attempt else None
        return verdict is not None and verdict.kind == "failed" and verdict.error in _SPOILED

    def cost_usd(self, run_id: RunId) -> float | None:
        """Return what this run has spent on it, None when nobody can say."""
        if not self.is_of(run_id):
            return 0.0
        if self.record:
            return self.record.cost_usd
        verdict = self.attempt.verdict if self.attempt else None
        return verdict.cost_usd if verdict else None


def candidate_of(call: StageCall, number: int) -> StageCall:
    """Return the `number`-th draw, from 0 on. The first one is the very call that has no terms.

    So a stage that had no checks, and is given some, finds what it made before and is not paid again.
    """
    # `draw` is a stored deciding field: another word here would make every further candidate anew.
    extra = {**call.extra, "draw": number} if number else call.extra
    return replace(call, acceptance=None, extra=extra)


def known_candidates(call: StageCall, ledger: Ledger) -> Iterator[Candidate]:
    """Yield the draws that were begun, in order."""
    for number in itertools.count():
        found = look_up(call, number, ledger)
        if found.record is None and found.attempt is None:
            return
        yield found


def look_up(call: StageCall, number: int, ledger: Ledger) -> Candidate:
    """Return a draw as the store knows it now."""
    one = candidate_of(call, number)
    record = ledger.read_stage(one.pipeline, one.fingerprint)
    attempt = None if record else ledger.newest_attempt(one.pipeline, one.fingerprint)
    return Candidate(number, one, record, attempt)


def spent_usd(call: StageCall, ledger: Ledger, run_id: RunId) -> float | None:
    """Return what a run has spent on the draws of a stage that did not end, None when nobody can say."""
    costs = [candidate.cost_usd(run_id) for candidate in known_candidates(call, ledger)]
    return None if None in costs else sum(cost or 0.0 for cost in costs)


def open_fingerprint(call: StageCall, ledger: Ledger) -> Fingerprint:
    """Return the fingerprint under which a stage's unfinished work is found: its newest open draw's."""
    found = [candidate for candidate in known_candidates(call, ledger) if candidate.record is None]
    return found[-1].call.fingerprint if found else call.fingerprint
