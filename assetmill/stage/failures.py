"""What a stage's run is told of a refusal, now and when the same run asks again."""

from __future__ import annotations

from typing import Literal

from assetmill.errors import (
    AccountBlocked,
    OutputUnreachable,
    OutputUnusable,
    PromptBlocked,
    QuotaExhausted,
    Rejected,
    StageBlocked,
    StageError,
    StageFailed,
)
from assetmill.records import Intent, RunId, Verdict
from assetmill.settings import Foundry

_BLOCKS = {"PromptBlocked": "prompt", "AccountBlocked": "account", "StageBlocked": "output"}
"""The scope of a block by the error that a verdict names."""


def refusal(label: str, error: Rejected) -> StageError:
    """Return a definite refusal by the service as a stage reports it."""
    if isinstance(error, AccountBlocked | PromptBlocked):
        scope = _BLOCKS[type(error).__name__]
        categories = error.categories if isinstance(error, PromptBlocked) else ()
        why = f" ({', '.join(categories)})" if categories else ""
        reason = f"moderation refused the {scope}{why}: {error}"
        return StageBlocked(label, reason, None, scope, categories)
    if isinstance(error, QuotaExhausted):
        hint = "no waiting helps: raise the account's quota or pay its bill, then run it again"
        return StageFailed(label, f"the account's quota is used up: {error} ({hint})")
    return StageFailed(label, str(error))


def standing(label: str, verdict: Verdict, run_id: RunId) -> StageError | None:
    """Return the failure that a verdict means for a run; None when it licenses another attempt.

    A run keeps to its failure: only another run, which somebody started, may try again. What a person gave
    up stays so in every run.
    """
    if verdict.kind == "given_up":
        return StageFailed(label, f"{verdict.reason}: change something about it to make it anew")
    if verdict.kind != "failed" or verdict.run_id != run_id:
        return None
    if scope := _BLOCKS.get(verdict.error):
        return StageBlocked(label, verdict.reason, verdict.response_id, scope)
    kinds = {kind.__name__: kind for kind in (OutputUnusable, OutputUnreachable)}
    kind = kinds.get(verdict.error, StageFailed)
    return kind(label, verdict.reason, verdict.response_id)


def lifting(attempt: int) -> str:
    """Return the subject under which a person lifts the wait after an attempt that was refused."""
    return f"retry-now.{attempt}"


def settled_doubt(intent: Intent, foundry: Foundry, now: float) -> Literal["abandoned", "given_up"] | None:
    """Return the verdict that the profile allows on an attempt in doubt; None: a person must decide.

    Only a first turn: what later turns hang on was paid for already.
    """
    if foundry.doubt == "ask" or intent.turn > 1 or now < intent.created_at + foundry.doubt_deadline_s:
        return None
    return "abandoned" if foundry.doubt == "retry" else "given_up"
