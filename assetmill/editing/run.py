"""One edit from the order to its manifest: what is prepared here, what the service draws, what is put back.

A flow or a thread pool decides when each call runs; the steps are here.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from assetmill.editing.adopting import find_or_adopt
from assetmill.editing.orders import PIPELINE, EditOrder, Subject, edit_calls, is_picture
from assetmill.editing.originals import prepare_subject
from assetmill.editing.putting_back import put_back
from assetmill.errors import (
    AssetmillError,
    BudgetExceeded,
    InvalidInput,
    RunStopped,
    StageInDoubt,
    StoreError,
)
from assetmill.fingerprint import canonical, digest
from assetmill.history.assets import AssetFinder
from assetmill.money.prices import estimate, prices_for
from assetmill.plan.calls import StageCall
from assetmill.plan.plan import FREE, Cost
from assetmill.records import (
    AssetRecord,
    RunId,
    RunManifest,
    RunStart,
    StageEntry,
    StageRecord,
    StageStatus,
)
from assetmill.runs.run import run_status
from assetmill.stage import engine
from assetmill.stage.services import Services
from assetmill.store.index import Index


@dataclass
class EditRun:
    """An edit under way. `calls` are what the service is asked for, by label; `results` fill as they end."""

    run_id: RunId
    flow_run_id: str
    services: Services
    order: EditOrder
    subject: Subject
    calls: Mapping[str, StageCall]
    started_at: float
    entries: dict[str, StageEntry] = field(default_factory=dict[str, StageEntry])
    results: dict[str, AssetRecord] = field(default_factory=dict[str, AssetRecord])

    def carry_out(self, label: str) -> list[StageRecord]:
        """Run one call and put its result back; the records in order. Safe in a thread of its own.

        Raises:
            StageError, NotSent, RunStopped: see `engine.run_stage`.
        """
        record = engine.run_stage(self.calls[label], self.services, self.run_id)
        return [record, *self.put_back(label, record)]

    def put_back(self, label: str, record: StageRecord) -> list[StageRecord]:
        """Return what is made here from the service's result: the composite, or the report of changes."""
        call = self.calls[label]
        return put_back(self.order, self.subject, call, record, services=self.services, run_id=self.run_id)

    def end(self, label: str, outcome: list[StageRecord] | BaseException) -> None:
        """Note what became of a call."""
        if isinstance(outcome, BaseException):
            call = self.calls[label]
            self.entries[label] = StageEntry(
                stage=call.stage,
                variant=call.variant,
                status=_status(outcome),
                fingerprint=call.fingerprint,
                error=str(outcome) if isinstance(outcome, AssetmillError) else repr(outcome),
                spent_usd=self._lost(call),
            )
            return
        for record in outcome:
            self.note(record)
        made = [asset for record in outcome for asset in record.outputs if asset.role == "output"]
        self.results[label] = made[-1]

    def note(self, record: StageRecord) -> None:
        """Note a stage that is done."""
        is_ours = record.run_id == self.run_id
        label = record.label
        # Several files may be brought in by one run: each is a stage of the same name.
        key = label if label not in self.entries else f"{label} {record.fingerprint}"
        self.entries[key] = StageEntry(
            stage=record.stage,
            variant=record.variant,
            status="done" if is_ours else "reused",
            fingerprint=record.fingerprint,
            record=record,
            spent_usd=record.cost_usd if is_ours else 0.0,
            seconds=record.finished_at - record.started_at if is_ours else 0.0,
        )

    def seal(self) -> RunManifest:
        """Store the manifest and return it; calls that did not end count as cancelled."""
        for label, call in self.calls.items():
            if label not in self.entries:
                self.entries[label] = StageEntry(
                    stage=call.stage,
                    variant=call.variant,
                    status="cancelled",
                    error="the run was stopped",
                    spent_usd=self._lost(call),
                )
        entries = tuple(self.entries.values())
        costs = [entry.spent_usd for entry in entries]
        status = run_status(entries)
        manifest = RunManifest(
            run_id=self.run_id,
            pipeline=PIPELINE,
            parameters=self.order.facts(),
            profile=self.services.settings.profile,
            spec_digest=digest(canonical(self.order.facts())),
            status=status,
            stages=entries,
            spent_usd=None if None in costs else sum(cost or 0.0 for cost in costs),
            started_at=self.started_at,
            finished_at=time.time(),
            flow_run_id=self.flow_run_id,
        )
        self.services.ledger.write_manifest(manifest)
        self.services.sealed(self.run_id)
        return manifest

    def _lost(self, call: StageCall) -> float | None:
        try:
            attempt = self.services.ledger.newest_attempt(call.pipeline, call.fingerprint)
        except StoreError:
            return None  # what says it cannot be read
        if attempt is None or attempt.turns[0].intent.run_id != self.run_id:
            return 0.0
        return attempt.verdict.cost_usd if attempt.verdict else None


def begin_edit(
    order: EditOrder,
    services: Services,
    flow_run_id: str,
    attempt: int = 1,
    *,
    budget_usd: float | None = None,
    pay_again: bool = False,
) -> EditRun:
    """Find the asset, prepare what the service is given, and store that the edit began.

    Nothing is spent, and nothing will be above `budget_usd`. `pay_again`: also for what failed the same way
    too often.

    Raises:
        InvalidInput: the asset, a file or an option is not valid.
    """
    run = prepare_edit(order, services, flow_run_id, attempt)
    start_edit(run, budget_usd=budget_usd, pay_again=pay_again)
    return run


def prepare_edit(order: EditOrder, services: Services, flow_run_id: str, attempt: int = 1) -> EditRun:
    """Find the asset and prepare what the service would be given; the edit has not begun, and may never.

    Raises:
        InvalidInput: the asset, a file or an option is not valid.
    """
    order.check()
    started_at = time.time()
    run_id = services.name_run(flow_run_id, started_at, attempt)
    finder = AssetFinder(services.ledger, Index(services.backend, services.ledger))
    asset, adopted = find_or_adopt(order.asset, finder, services, run_id)
    found = [find_or_adopt(reference, finder, services, run_id) for reference in order.references]
    references = [reference for reference, _ in found]
    if is_picture(asset):
        _check_references(references)
    subject, prepared = prepare_subject(order, asset, finder, services, run_id)
    calls = edit_calls(order, subject, references, services.settings)
    # By their IDs: of `latest` or a file another edit would become when somebody asks for this one again.
    kept = replace(
        order, asset=asset.asset_id, references=tuple(reference.asset_id for reference in references)
    )
    run = EditRun(
        run_id, flow_run_id, services, kept, subject, {call.label: call for call in calls}, started_at
    )
    for record in (adopted, *(record for _, record in found), *prepared):
        if record is not None:
            run.note(record)
    return run


def start_edit(run: EditRun, *, budget_usd: float | None = None, pay_again: bool = False) -> None:
    """Store that an edit began; see `begin_edit`."""
    services = run.services
    if budget_usd is not None:
        services.limit_run(run.run_id, budget_usd)
    if pay_again:
        services.allow_repeats(run.run_id)
    services.begin(run.run_id, run.seal)
    services.ledger.write_start(
        RunStart(
            run_id=run.run_id,
            pipeline=PIPELINE,
            parameters=run.order.facts(),
            profile=services.settings.profile,
            spec_digest=digest(canonical(run.order.facts())),
            spec_path="",
            stages=tuple((call.stage, call.variant) for call in run.calls.values()),
            started_at=run.started_at,
            owner=services.owner,
        )
    )


def price_of(run: EditRun) -> Cost:
    """Return what an edit may cost; what is there already costs nothing."""
    ledger, prices = run.services.ledger, prices_for(run.services.settings)
    calls = [call for call in run.calls.values() if not ledger.read_stage(call.pipeline, call.fingerprint)]
    return sum((estimate(call, prices) for call in calls), FREE)


def _check_references(references: list[AssetRecord]) -> None:
    for reference in references:
        if not is_picture(reference):
            raise InvalidInput(
                f"reference {reference.name!r} is {reference.blob.media_type}: give a PNG, JPEG, WebP or GIF"
            )


def carry_out_all(run: EditRun) -> RunManifest:
    """Carry out every call of an edit, several at once, and seal it."""
    with ThreadPoolExecutor(min(len(run.calls), run.services.settings.run.concurrency)) as pool:
        running = {label: pool.submit(run.carry_out, label) for label in run.calls}
    for label, future in running.items():
        run.end(label, future.exception() or future.result())
    return run.seal()


def is_done(run: EditRun) -> bool:
    """Whether the store has everything that the service would be asked for."""
    ledger = run.services.ledger
    return all(ledger.read_stage(call.pipeline, call.fingerprint) for call in run.calls.values())


def _status(outcome: BaseException) -> StageStatus:
    if isinstance(outcome, RunStopped):
        return "cancelled"
    if isinstance(outcome, BudgetExceeded):
        return "over_budget"
    return "in_doubt" if isinstance(outcome, StageInDoubt) else "failed"
