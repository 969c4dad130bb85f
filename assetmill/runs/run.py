"""One run from its start to its manifest.

Which stage comes next is the flow's business; what became of each is noted here. Used by one thread at a
time; stages themselves run in others.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from assetmill import progress
from assetmill.errors import (
    AssetmillError,
    BudgetExceeded,
    InvalidSettings,
    RunFailed,
    RunStopped,
    RunWaiting,
    SpendingClosed,
    StageBlocked,
    StageError,
    StageInDoubt,
    StageWaiting,
    StoreError,
)
from assetmill.fingerprint import Fingerprint
from assetmill.plan.calls import StageCall
from assetmill.plan.plan import Plan, PlannedStage
from assetmill.progress import StageEvent
from assetmill.records import RunId, RunManifest, RunStart, RunStatus, StageEntry, StageRecord, StageStatus
from assetmill.runs.outlook import outlook_of
from assetmill.runs.planning import plan_pipeline
from assetmill.stage.candidates import open_fingerprint, spent_usd
from assetmill.stage.services import Services

_NOT_BEGUN = frozenset({"skipped", "over_budget"})
_UNAPPROVED = frozenset({"waiting", "rejected"})
_STANDING: Mapping[str, StageStatus] = {"waiting": "waiting", "rejected": "rejected"}
"""What a stage ends as by where its pictures stand, unless they are approved."""
_PLANNED: Mapping[str, StageStatus] = {"review": "waiting", "rejected": "rejected"}
"""The same by what its plan says."""


@dataclass
class Run:
    """A run under way. `is_stopping`: nothing new is begun, what runs may end."""

    run_id: RunId
    flow_run_id: str
    """Prefect's; empty where there is none."""
    plan: Plan
    services: Services
    started_at: float
    is_stopping: bool = False
    records: dict[str, StageRecord] = field(default_factory=dict[str, StageRecord])
    entries: dict[str, StageEntry] = field(default_factory=dict[str, StageEntry])
    kinds: dict[str, str] = field(default_factory=dict[str, str])
    """What stages that were begun and did not finish ended with, by the error's name."""
    _begun: dict[str, tuple[float, StageCall]] = field(default_factory=dict[str, tuple[float, StageCall]])

    def __post_init__(self) -> None:
        self.stages: Mapping[str, PlannedStage] = {stage.label: stage for stage in self.plan.stages}

    @property
    def needs(self) -> Mapping[str, tuple[str, ...]]:
        """Every label with the labels it follows."""
        return {label: stage.needs for label, stage in self.stages.items()}

    def begin(self, label: str) -> StageCall | None:
        """Return the call of a stage whose upstream is settled; None when there is nothing to do for it."""
        stage = self.stages[label]
        if stage.record is not None:
            self._found(stage, stage.record, _PLANNED.get(stage.status), stage.reason)
            return None
        missing = [need for need in stage.needs if need not in self.records]
        if missing:
            self._settle(stage, "skipped", error=self._why_skipped(missing[0]))
            return None
        if self.is_stopping or self.services.stop.is_set():
            self._settle(stage, "cancelled", error="the run was stopped before this stage")
            return None
        try:
            call = stage.call or self._bound(stage)
        except AssetmillError as error:
            self._settle(stage, "failed", error=str(error))
            return None
        if call is None:
            return None
        self._begun[label] = time.time(), call
        return call

    def _bound(self, stage: PlannedStage) -> StageCall | None:
        """Return the call of a stage that waited for others; None where what it made is there, and stands."""
        if not self.plan.is_in_rounds(stage.label):
            return self.plan.bind(stage.label, self.records)
        found = self.plan.round_of(stage.label, self.records)
        if found.record:
            status = _STANDING.get(found.position.stand) if found.position else None
            self._found(stage, found.record, status, found.position.said if found.position else "")
            return None
        return found.call

    def _found(self, stage: PlannedStage, record: StageRecord, status: StageStatus | None, said: str) -> None:
        """Note a stage that is made already; `status` says why nothing may follow it, None when it may."""
        error = said if status else None
        self._settle(stage, status or "reused", record=record, error=error, seconds=0.0)

    def _why_skipped(self, need: str) -> str:
        before = self.entries.get(need)
        return f"{need} is not approved" if before and before.record else f"{need} did not finish"

    def end(self, label: str, outcome: StageRecord | BaseException) -> None:
        """Note what became of a stage that was begun."""
        stage = self.stages[label]
        started_at, call = self._begun[label]
        seconds = time.time() - started_at
        if isinstance(outcome, StageRecord):
            is_ours = outcome.run_id == self.run_id
            position = self.plan.position_of(label, outcome)
            standing = _STANDING.get(position.stand) if position else None
            status: StageStatus = standing or ("done" if is_ours else "reused")
            error = position.said if position and standing else None
            self._settle(stage, status, record=outcome, error=error, seconds=seconds, is_ours=is_ours)
            return
        if isinstance(outcome, StageBlocked) and outcome.scope == "account":
            self.is_stopping = True
        status = _status(outcome)
        self.kinds[label] = type(outcome).__name__
        self._settle(stage, status, error=_reason(outcome), seconds=seconds, call=call)

    def seal(self) -> RunManifest:
        """Store the manifest and return it. Records and blobs are there already."""
        manifest = self.manifest()
        self.services.ledger.write_manifest(manifest)
        self.services.sealed(self.run_id)
        return manifest

    def manifest(self) -> RunManifest:
        """Return the manifest as of now; stages not settled count as cancelled."""
        for label, stage in self.stages.items():
            if label not in self.entries:
                _, call = self._begun.get(label, (0.0, None))
                self._settle(stage, "cancelled", error="the run was stopped", call=call)
        entries = tuple(self.entries[label] for label in self.stages)
        costs = [entry.spent_usd for entry in entries]
        return RunManifest(
            run_id=self.run_id,
            pipeline=self.plan.name,
            parameters=dict(self.plan.parameters),
            profile=self.services.settings.profile,
            spec_digest=self.plan.spec_digest,
            status=run_status(entries),
            stages=entries,
            spent_usd=None if None in costs else sum(cost or 0.0 for cost in costs),
            started_at=self.started_at,
            finished_at=time.time(),
            flow_run_id=self.flow_run_id or None,
        )

    def _settle(
        self,
        stage: PlannedStage,
        status: StageStatus,
        *,
        record: StageRecord | None = None,
        error: str | None = None,
        seconds: float | None = None,
        call: StageCall | None = None,
        is_ours: bool = False,
    ) -> None:
        if record is not None and status not in _UNAPPROVED:
            self.records[stage.label] = record
            if self.plan.pipeline.compares_pictures:
                self.services.neighbours.note(self.run_id, record.outputs, record.fingerprint)
        spent = record.cost_usd if record and is_ours else self._lost(call) if call else 0.0
        self.entries[stage.label] = StageEntry(
            stage=stage.stage,
            variant=stage.variant,
            status=status,
            fingerprint=record.fingerprint if record else self._open_fingerprint(call) if call else None,
            record=record,
            error=error,
            spent_usd=spent,
            seconds=seconds,
        )
        if not is_ours:  # the engine has told of it
            self._tell(stage, status, error, seconds)

    def _open_fingerprint(self, call: StageCall) -> Fingerprint:
        return open_fingerprint(call, self.services.ledger) if call.acceptance else call.fingerprint

    def _lost(self, call: StageCall) -> float | None:
        """Return what a stage that did not finish has cost this run; None when nobody can say."""
        if call.acceptance:
            return spent_usd(call, self.services.ledger, self.run_id)
        try:
            attempt = self.services.ledger.newest_attempt(call.pipeline, call.fingerprint)
        except StoreError:
            return None  # what says it cannot be read, which is why the stage did not finish
        if attempt is None or attempt.turns[0].intent.run_id != self.run_id:
            return 0.0
        return attempt.verdict.cost_usd if attempt.verdict else None

    def _tell(
        self, stage: PlannedStage, status: StageStatus, error: str | None, seconds: float | None
    ) -> None:
        """Say what the engine did not say: it tells the life of a stage, not that there was none."""
        if status == "done" or (status == "reused" and stage.record is None):
            return
        is_made = status == "reused" or self.entries[stage.label].record is not None
        kind = "reused" if is_made else "skipped" if status in _NOT_BEGUN else "failed"
        message = error or ""
        spent = self.entries[stage.label].spent_usd
        progress.emit(StageEvent(kind, stage.label, self.run_id, seconds, spent, message=message))


def begin_run(
    pipeline: str,
    parameters: Mapping[str, Any],
    services: Services,
    flow_run_id: str,
    attempt: int = 1,
    *,
    budget_usd: float | None = None,
    pay_again: bool = False,
    by: float | None = None,
) -> Run:
    """Plan a run and store that it began. Nothing is spent; nothing will be above `budget_usd`.

    `flow_run_id`: Prefect's, or empty.

    `by`: when it is to be done, in Unix seconds. Until then a cheaper lane may do; nothing is begun after it.

    `pay_again`: also for a stage that failed the same way too often.

    Raises:
        InvalidInput: what is asked for is not valid, or the service is not as the plan needs it.
    """
    started_at = time.time()
    plan = _plan_of(pipeline, parameters, services, has_hour=by is not None)
    check_service(plan, services)
    run_id = services.name_run(flow_run_id or str(uuid.uuid4()), started_at, attempt)
    run = Run(run_id, flow_run_id, plan, services, started_at)
    if by is not None:
        newest = services.ledger.latest_manifest(plan.name)
        services.hurry(run.run_id, outlook_of(plan, services.settings, by, newest, started_at).hour)
    if budget_usd is not None:
        services.limit_run(run.run_id, budget_usd)
    if pay_again:
        services.allow_repeats(run.run_id)
    services.begin(run.run_id, run.seal)
    services.ledger.write_start(
        RunStart(
            run_id=run.run_id,
            pipeline=plan.name,
            parameters=dict(plan.parameters),
            profile=services.settings.profile,
            spec_digest=plan.spec_digest,
            spec_path=str(plan.pipeline.path),
            stages=tuple((stage.stage, stage.variant) for stage in plan.stages),
            started_at=started_at,
            owner=services.owner,
        )
    )
    return run


def _plan_of(pipeline: str, parameters: Mapping[str, Any], services: Services, *, has_hour: bool) -> Plan:
    """Return the plan that was shown for this run, once; else make it."""
    shown, services.shown = services.shown, None
    if shown and shown.is_for(pipeline, parameters):
        return shown.plan
    return plan_pipeline(pipeline, parameters, services.settings, services.ledger, has_hour=has_hour)


def check_service(plan: Plan, services: Services) -> None:
    """Make sure, before any spend, that the service is there and has the models that a plan calls.

    Raises:
        InvalidSettings: it is not so. A plan without work for a service asks nothing.
    """
    local = {stage.name for stage in plan.pipeline.spec.stages if stage.is_local}
    if not any(stage.is_to_do and stage.stage not in local for stage in plan.stages):
        return
    calls = [stage.call for stage in plan.stages if stage.call and stage.is_to_do]
    models = [name for call in calls for name in (call.model, call.image_deployment) if name]
    # Calls that wait for a stage before them are not known yet; what the file names for them is.
    written = [stage for stage in plan.pipeline.spec.stages if not stage.is_local]
    models += [name for stage in written for name in (stage.model, stage.image_deployment) if name]
    models = [name for name in models if "{" not in name]
    problems = [
        f"{finding.check}: {finding.message}" + (f" ({finding.advice})" if finding.advice else "")
        for finding in services.gateway.examine(list(dict.fromkeys(models)))
        if finding.state == "problem"
    ]
    if problems:
        raise InvalidSettings("; ".join(problems))


def check_outcome(manifest: RunManifest) -> RunManifest:
    """Return the manifest of a completed run.

    Raises:
        RunFailed: a stage failed.
        RunStopped: the run was stopped.
        RunWaiting: all that is left waits for people.
    """
    if manifest.status == "waiting":
        raise RunWaiting(manifest.run_id, waits_for(manifest))
    if manifest.status == "cancelled":
        raise RunStopped(f"run {manifest.run_id} was stopped; run it again to go on", manifest.run_id)
    if manifest.status == "failed":
        bad = [entry for entry in manifest.stages if not entry.is_done]
        first = next(entry for entry in bad if entry.status not in {"skipped", "waiting"})
        raise RunFailed(
            manifest.run_id,
            f"{len(bad)} of {len(manifest.stages)} stages did not finish; first {first.error}",
        )
    return manifest


def waits_for(manifest: RunManifest) -> str:
    """Return what a run waits for, in words."""
    waiting = [entry for entry in manifest.stages if entry.status == "waiting"]
    more = f" and {len(waiting) - 1} more" if len(waiting) > 1 else ""
    return f"{waiting[0].label}{more}: {waiting[0].error}; run it again after that to go on"


def _status(outcome: BaseException) -> StageStatus:
    if isinstance(outcome, RunStopped | SpendingClosed):
        return "cancelled"
    if isinstance(outcome, BudgetExceeded):
        return "over_budget"
    if isinstance(outcome, StageWaiting):
        return "waiting"
    return "in_doubt" if isinstance(outcome, StageInDoubt) else "failed"


def _reason(outcome: BaseException) -> str:
    """What is said beside the stage's name, which therefore is not in it."""
    if isinstance(outcome, StageError):
        return outcome.reason + (f" (response {outcome.response_id})" if outcome.response_id else "")
    return str(outcome) if isinstance(outcome, AssetmillError) else f"{type(outcome).__name__}: {outcome}"


def run_status(entries: tuple[StageEntry, ...]) -> RunStatus:
    """Return how a run ended. A failure counts for more than being stopped: it needs a person."""
    if all(entry.is_done for entry in entries):
        return "completed"
    found = {entry.status for entry in entries}
    if "waiting" in found and found <= {"done", "reused", "waiting", "skipped"}:
        return "waiting"
    return "cancelled" if found <= {"done", "reused", "cancelled", "skipped"} else "failed"
