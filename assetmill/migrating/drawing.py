"""The sample is made: each pipeline's pictures before, where they are not there, then those after.

Every stage goes through the money protocol under the fingerprint that the pipeline itself asks for: what is
drawn here is there when the migrated pipeline runs, and the same sample asked for again costs nothing.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from typing import Any

from assetmill.errors import InvalidSettings
from assetmill.migrating.proposal import PipelineProposal, Proposal
from assetmill.plan.calls import StageCall
from assetmill.plan.plan import Plan, PlannedStage
from assetmill.records import RunManifest, RunStart, StageEntry, StageRecord
from assetmill.runs.run import Run, check_service
from assetmill.stage.candidates import known_candidates
from assetmill.stage.engine import run_stage
from assetmill.stage.services import Services
from assetmill.store.run_ids import make_run_id

PIPELINE = "migrate"
"""Under this name the manifests of samples are kept: they are no runs of the pipeline itself."""


@dataclass(frozen=True)
class DrawnSide:
    """What became of a side's stages, by label. `refused` are draws that checks did not accept."""

    entries: Mapping[str, StageEntry]
    refused: Mapping[str, StageRecord] = field(default_factory=dict[str, StageRecord])


@dataclass(frozen=True)
class DrawnSample:
    """What became of one pipeline's sample."""

    proposal: PipelineProposal
    before: DrawnSide
    after: DrawnSide


@dataclass
class Drawing:
    """A sample that is being made. `spent_usd` is None once a cost is unknown."""

    services: Services
    proposal: Proposal
    manifests: list[RunManifest] = field(default_factory=list[RunManifest])

    def make(self) -> list[DrawnSample]:
        """Make what is missing; what failed is an entry with its error."""
        return [
            DrawnSample(one, self._side(one.before_sample, "before"), self._side(one.after_sample, "after"))
            for one in self.proposal.pipelines
        ]

    @property
    def spent_usd(self) -> float | None:
        """What was paid."""
        costs = [manifest.spent_usd for manifest in self.manifests]
        return None if None in costs else sum(cost or 0.0 for cost in costs)

    def _side(self, plan: Plan, side: str) -> DrawnSide:
        if all(stage.record for stage in plan.stages):
            return _not_asked(plan)
        try:
            check_service(plan, self.services)
        except InvalidSettings as error:
            if side == "after":
                raise
            # The deployment before may be gone: the pictures after are drawn all the same.
            return _not_asked(plan, error)
        facts = {"to": self.proposal.target.name, "of": plan.name, "side": side}
        sample = _Sample(plan, self.services, facts)
        self.manifests.append(sample.make())
        return DrawnSide(sample.run.entries, dict(sample.refused()))


def is_done(proposal: Proposal) -> bool:
    """Whether the store has the whole sample already."""
    plans = [plan for one in proposal.pipelines for plan in (one.before_sample, one.after_sample)]
    return all(stage.record for plan in plans for stage in plan.stages)


def _not_asked(plan: Plan, error: Exception | None = None) -> DrawnSide:
    """Return a side of which nothing is asked for: what is there, and why the rest is not."""
    return DrawnSide({stage.label: _found(stage, error) for stage in plan.stages})


def _found(stage: PlannedStage, error: Exception | None) -> StageEntry:
    return StageEntry(
        stage=stage.stage,
        variant=stage.variant,
        status="reused" if stage.record else "failed",
        record=stage.record,
        error=None if stage.record else str(error),
        spent_usd=0.0,
    )


class _Sample:
    """One side of one pipeline: a run of some of its stages, sealed under a name of its own."""

    def __init__(self, plan: Plan, services: Services, parameters: Mapping[str, Any]) -> None:
        flow_run_id, now = str(uuid.uuid4()), time.time()
        self.run = Run(make_run_id(flow_run_id, now), flow_run_id, plan, services, now)
        self.services, self.parameters = services, {**parameters, **plan.parameters}
        self.calls: dict[str, StageCall] = {}

    def make(self) -> RunManifest:
        run = self.run
        self.services.begin(run.run_id, self._seal)
        self.services.ledger.write_start(
            RunStart(
                run_id=run.run_id,
                pipeline=PIPELINE,
                parameters=self.parameters,
                profile=self.services.settings.profile,
                spec_digest=run.plan.spec_digest,
                spec_path=str(run.plan.pipeline.path),
                stages=tuple((stage.stage, stage.variant) for stage in run.plan.stages),
                started_at=run.started_at,
                owner=self.services.owner,
            )
        )
        self._carry_out()
        return self._seal()

    def _carry_out(self) -> None:
        """Go through the stages in their order, as many at once as the profile allows."""
        run, running = self.run, dict[Future[StageRecord], str]()
        order = TopologicalSorter(
            {label: [need for need in needs if need in run.stages] for label, needs in run.needs.items()}
        )
        order.prepare()
        with ThreadPoolExecutor(self.services.settings.run.concurrency) as pool:
            while order.is_active():
                for label in order.get_ready():
                    if call := run.begin(label):
                        self.calls[label] = call
                        running[pool.submit(run_stage, call, self.services, run.run_id)] = label
                    else:
                        order.done(label)
                for future in wait(running, return_when=FIRST_COMPLETED).done if running else ():
                    label = running.pop(future)
                    run.end(label, future.exception() or future.result())
                    order.done(label)

    def refused(self) -> Iterator[tuple[str, StageRecord]]:
        """Yield the last draw of every stage whose checks accepted none: it was paid for, and can be seen."""
        for label, call in self.calls.items():
            if call.acceptance and self.run.entries[label].record is None:
                drawn = [one.record for one in known_candidates(call, self.services.ledger) if one.record]
                yield from ((label, record) for record in drawn[-1:])

    def _seal(self) -> RunManifest:
        manifest = self.run.manifest().model_copy(
            update={"pipeline": PIPELINE, "parameters": self.parameters}
        )
        self.services.ledger.write_manifest(manifest)
        self.services.sealed(self.run.run_id)
        return manifest
