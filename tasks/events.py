"""What came of a run or a batch, as Prefect events: one for the whole, one for each reason to fetch a person.

Automations wait for their names (deployments/automations): `assetmill.run.failed`, `assetmill.batch.stopped`,
`assetmill.stage.in-doubt`, `assetmill.budget.reached`, `assetmill.account.blocked`,
`assetmill.review.requested` and so on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

from prefect.events import emit_event

from assetmill.batches.opening import Batch
from assetmill.batches.records import BatchManifest, BatchStage, BatchStatus
from assetmill.errors import BudgetExceeded, StageInDoubt
from assetmill.outages import OutageNotice, Subject
from assetmill.records import RunManifest, RunStatus, StageEntry
from assetmill.runs.run import Run
from assetmill.settings import Settings

IN_DOUBT, BUDGET, ACCOUNT = (
    "assetmill.stage.in-doubt",
    "assetmill.budget.reached",
    "assetmill.account.blocked",
)
DRAINED, BATCH_CANCELLED = "drained", "assetmill.batch.cancelled"
UNTAKEN = "assetmill.batch.untaken"
REVIEW = "assetmill.review.requested"
NAMES = frozenset(
    {
        *(IN_DOUBT, BUDGET, ACCOUNT, BATCH_CANCELLED, UNTAKEN, REVIEW),
        *(f"assetmill.run.{status}" for status in get_args(RunStatus)),
        *(f"assetmill.batch.{status}" for status in get_args(BatchStatus)),
        *(f"assetmill.{what}.{DRAINED}" for what in ("run", "batch")),
        *(f"assetmill.{what}.{kind}" for what in get_args(Subject) for kind in ("away", "back")),
    }
)
"""Every event that is sent: automations can wait for these."""
_SHOWN = 20
_KINDS = {StageInDoubt.__name__: IN_DOUBT, BudgetExceeded.__name__: BUDGET}


def tell_run(run: Run, manifest: RunManifest) -> None:
    """Send what came of a run."""
    facts: dict[str, object] = {
        "run_id": manifest.run_id,
        "pipeline": manifest.pipeline,
        "spent_usd": manifest.spent_usd,
        "stages": {label: entry.status for label, entry in run.entries.items()},
    }
    about = f"assetmill.run.{manifest.run_id}"
    _send(f"assetmill.run.{manifest.status}", about, manifest.pipeline, manifest.flow_run_id, facts)
    if asked := {entry.label: entry.error or "" for entry in manifest.stages if _is_to_review(entry)}:
        wanted = _request(manifest.run_id, asked, run.services.settings)
        _send(REVIEW, about, manifest.pipeline, manifest.flow_run_id, {**facts, **wanted})
    for name in dict.fromkeys(_KINDS.get(kind) for kind in run.kinds.values()):
        if name:
            labels = [label for label, kind in run.kinds.items() if _KINDS.get(kind) == name]
            reasons = {label: run.entries[label].error or "" for label in labels[:20]}
            _send(name, about, manifest.pipeline, manifest.flow_run_id, {**facts, "reasons": reasons})


def _is_to_review(entry: StageEntry | BatchStage) -> bool:
    """Whether pictures of a stage wait for their reviewers, and not an agent for its answer."""
    made = entry.record if isinstance(entry, StageEntry) else entry.assets
    return entry.status == "waiting" and bool(made)


def _request(what: str, asked: Mapping[str, str], settings: Settings) -> dict[str, object]:
    """Return what a notification says: how many wait, which and for whom, and where to look at them."""
    shown = dict(list(asked.items())[:_SHOWN])
    command = f"assetmill open {what}"
    return {"waiting": len(asked), "asked": shown, "command": command, "link": settings.review.url or command}


def tell_batch(manifest: BatchManifest, settings: Settings) -> None:
    """Send what came of a batch; its rows are counted, not listed."""
    states = {row.state: 0 for row in manifest.rows}
    for row in manifest.rows:
        states[row.state] += 1
    facts: dict[str, object] = {
        "batch_id": manifest.batch_id,
        "run_id": manifest.run_id,
        "pipeline": manifest.pipeline,
        "spent_usd": manifest.spent_usd,
        "rows": dict(states),
        "reason": manifest.reason,
    }
    about = f"assetmill.batch.{manifest.batch_id}"
    names = [f"assetmill.batch.{manifest.status}"]
    names += [IN_DOUBT] if "in_doubt" in states else []
    names += [BUDGET] if "over_budget" in states else []
    names += [BATCH_CANCELLED] if (manifest.reason or "").startswith("cancelled") else []
    names += [ACCOUNT] if (manifest.reason or "").startswith("the account is blocked") else []
    asked = {
        f"{row.name}: {stage.label}": stage.error or ""
        for row in manifest.rows
        for stage in row.stages
        if _is_to_review(stage)
    }
    if asked:
        wanted = _request(manifest.batch_id, asked, settings)
        _send(REVIEW, about, manifest.pipeline, manifest.flow_run_id, {**facts, **wanted})
    for name in names:
        _send(name, about, manifest.pipeline, manifest.flow_run_id, facts)


def tell_untaken(batch: Batch, flow_run_id: str, reason: str) -> None:
    """Send that a part of a batch was handed to a work pool and nobody has taken it for a while."""
    facts = {"batch_id": batch.batch_id, "reason": reason}
    _send(UNTAKEN, f"assetmill.batch.{batch.batch_id}", batch.pipeline.spec.name, flow_run_id, facts)


def tell_drained(what: Literal["run", "batch"], name: str, flow_run_id: str, reason: str) -> None:
    """Send that a process was told to end before its run, or its part of a batch, had ended."""
    _send(f"assetmill.{what}.{DRAINED}", f"assetmill.{what}.{name}", name, flow_run_id, {"reason": reason})


def tell_outage(outage: OutageNotice) -> None:
    """Send that something a process depends on is away, or back: `assetmill.store.away`, and so on."""
    facts: dict[str, object] = {"since": outage.since, "until": outage.until, "reason": outage.reason}
    _send(
        f"assetmill.{outage.subject}.{outage.kind}", f"assetmill.{outage.subject}", outage.what, None, facts
    )


def _send(
    event: str, about: str, pipeline: str, flow_run_id: str | None, facts: Mapping[str, object]
) -> None:
    related = {"prefect.resource.id": f"prefect.flow-run.{flow_run_id}", "prefect.resource.role": "flow-run"}
    emit_event(
        event=event,
        resource={
            "prefect.resource.id": about,
            "prefect.resource.name": pipeline,
            "assetmill.pipeline": pipeline,
        },
        related=[related] if flow_run_id else [],
        payload=dict(facts),
    )
