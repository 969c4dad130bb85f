"""Plans for many rows of one pipeline: what rows have in common is worked out once.

A row's stages depend on few of its parameters. Rows with the same values for the axes share their slots; a
stage whose own parameters and upstream are those of an earlier row is that row's stage, and paid once.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Literal

from assetmill.batches.known import KnownRows
from assetmill.batches.rows import Row
from assetmill.batches.used_parameters import axis_parameters, used_parameters
from assetmill.errors import InvalidInput
from assetmill.fingerprint import Digest, Fingerprint, fingerprint
from assetmill.money.prices import Prices, estimate, lane_estimate
from assetmill.plan.binder import Binder, ProfileDefaults
from assetmill.plan.calls import StageCall
from assetmill.plan.inputs import Inputs
from assetmill.plan.plan import FREE, Cost, Decided, Plan, PlannedStage
from assetmill.plan.rounds import NoWords, Words
from assetmill.plan.slots import Slot, coming_files, is_open
from assetmill.plan.variants import check_columns, expand
from assetmill.records import StageRecord
from assetmill.spec.parameters import Scalar
from assetmill.spec.pipeline import LoadedPipeline
from assetmill.spec.reading import Problems
from assetmill.stage.admission import wanted

Decision = Literal["reuse", "shared", "run", "wait", "blocked", "review", "rejected", "held"]
"""`shared`: an earlier row pays for it. `wait`: a stage before it runs first. `blocked`: in quarantine.
`review`: made, and waits for its reviewers. `held`: follows a stage that is not approved."""

_HOLDING = frozenset({"review", "rejected", "held"})
_STANDING: Mapping[str, Decision] = {"waiting": "review", "rejected": "rejected"}

Values = Mapping[str, Scalar]


@dataclass(frozen=True, slots=True)
class StagePlan:
    """What becomes of one stage of one row. `identity` stands for the fingerprint while that is unknown.

    `reason`: that of the rejection after which it is drawn again, else "". `first`: the fingerprint of its
    first round where it is in another one, of which other machines may not have heard.
    """

    decision: Decision
    fingerprint: Fingerprint | None
    identity: str
    cost: Cost | None
    reason: str = ""
    first: Fingerprint | None = None


@dataclass(frozen=True, slots=True)
class RowPlan:
    """What becomes of one row. `fault` says why it cannot run at all; then it has no stages."""

    row: Row
    stages: tuple[StagePlan, ...]
    fault: str | None = None

    @property
    def is_reused(self) -> bool:
        """Whether nothing is left to do."""
        return self.fault is None and all(stage.decision == "reuse" for stage in self.stages)


@dataclass(frozen=True)
class Totals:
    """A batch's plan in numbers. `wanted` is what the stages to run take from each deployment's quota.

    `normal` is what it would cost in the normal lane, `in_flex` says by label how many stages may go in flex.
    """

    stages: Mapping[Decision, int]
    cost: Cost
    unpriced: int
    wanted: Mapping[str, Mapping[str, float]]
    normal: Cost = FREE
    in_flex: Mapping[str, int] = field(default_factory=dict[str, int])

    @property
    def to_run(self) -> int:
        """How many stages will be paid for."""
        return self.stages.get("run", 0) + self.stages.get("wait", 0)


@dataclass
class _Layout:
    """What rows with the same axes share."""

    number: int
    inputs: Inputs
    slots: Mapping[str, Slot]
    stages: tuple[PlannedStage, ...]
    checked: set[tuple[object, ...]] = field(default_factory=set[tuple[object, ...]])
    sources: dict[str, str] = field(default_factory=dict[str, str])


class Planner:
    """Plans the rows of one batch, one after the other, in one thread.

    What carries a row out (`plan_of`, `sees`, `trace`) may then be called in any. `traces` are those that
    the plan made use of. They need no records to be read.
    """

    def __init__(
        self,
        pipeline: LoadedPipeline,
        defaults: ProfileDefaults,
        known: KnownRows,
        prices: Prices | None = None,
        words: Words | None = None,
    ) -> None:
        self.pipeline, self.known, self._prices = pipeline, known, prices
        self._words = words or NoWords()
        self._decided = Decided(self._words, known.listed)
        self._defaults = defaults
        self._today = datetime.datetime.now(datetime.UTC).date()
        self._version = version("assetmill")
        self._axis_parameters = axis_parameters(pipeline)
        self._uses = {stage.name: used_parameters(pipeline, stage) for stage in pipeline.spec.stages}
        self._layouts: dict[tuple[Scalar, ...], _Layout] = {}
        self._memo: dict[tuple[object, ...], StagePlan] = {}
        self._first: set[str] = set()
        self._wanted: dict[str, Counter[str]] = {}
        self._normal, self._in_flex = FREE, Counter[str]()
        self.warnings: dict[str, None] = {}
        self.traces: dict[str, Fingerprint] = {}

    def plans(self, rows: Iterable[Row]) -> tuple[RowPlan, ...]:
        """Say what becomes of all rows of a batch, once: what they have in common is not kept."""
        planned = tuple(map(self._plan, rows))
        self._memo.clear()
        self._first.clear()
        return planned

    def _plan(self, row: Row) -> RowPlan:
        problems = Problems(self.pipeline.document)
        try:
            layout = self._layout(row.parameters)
            stages = tuple(self._row(layout, row, problems))
        except InvalidInput as error:
            return RowPlan(row, (), str(error))
        if problems.found:
            return RowPlan(row, (), "; ".join(str(problem) for problem in problems.found[:3]))
        return RowPlan(row, stages)

    def plan_of(self, row: Row) -> Plan:
        """Return a row's plan with nothing bound and nothing looked up: for the one who carries it out."""
        layout = self._layout(row.parameters)
        binder = self._binder(layout, row.parameters)
        return Plan(
            self.pipeline, row.parameters, layout.stages, (), binder, Decided(self._words, self.known.stored)
        )

    def trace(self, row: Row, label: str, upstream: Mapping[str, Fingerprint]) -> str:
        """Return what stands for a stage with these stages before it, whose fingerprint it decides."""
        layout = self._layout(row.parameters)
        slot = layout.slots[label]
        return self._trace(layout, row.parameters, slot, upstream, Problems(self.pipeline.document))[0]

    def sees(self, row: Row, label: str) -> tuple[str, ...]:
        """Return the labels of the stages whose outputs a stage sees."""
        return _sees(self._layout(row.parameters).slots[label])

    def outputs(self, row: Row, label: str) -> tuple[str, ...]:
        """Return the names of a stage's outputs, as far as they are known before the stages before it."""
        return tuple(output.name for output in self.draft(row, label).outputs if not is_open(output.name))

    def draft(self, row: Row, label: str) -> StageCall:
        """Return a stage's call as far as it is known before the stages before it."""
        layout = self._layout(row.parameters)
        problems = Problems(self.pipeline.document)
        return self._binder(layout, row.parameters).draft(layout.slots[label], problems)

    def totals(self, rows: tuple[RowPlan, ...]) -> Totals:
        """Add up what was planned."""
        decisions: Counter[Decision] = Counter()
        cost, unpriced = FREE, 0
        for row in rows:
            for stage in row.stages:
                decisions[stage.decision] += 1
                cost += stage.cost or FREE
                unpriced += stage.cost is None or not stage.cost.is_known
        taken = {deployment: dict(takes) for deployment, takes in self._wanted.items()}
        return Totals(dict(decisions), cost, unpriced, taken, self._normal, dict(self._in_flex))

    def _row(self, layout: _Layout, row: Row, problems: Problems) -> Iterator[StagePlan]:
        binder = self._binder(layout, row.parameters)
        made: dict[str, StagePlan] = {}
        for slot in layout.slots.values():
            labels = _sees(slot)
            used = tuple(row.parameters[name] for name in self._uses[slot.spec.name])
            key = (layout.number, slot.label, used, tuple(made[label].identity for label in labels))
            if any(_holds(made[label], layout.slots[label]) for label in (*labels, *slot.needs)):
                made[slot.label] = StagePlan("held", None, _identity(key), FREE)
                yield made[slot.label]
                continue
            if (found := self._memo.get(key)) is None:
                found = self._decide(binder, layout, slot, made, problems)
                found = self._memo[key] = found or self._unknown(binder, slot, made, key, problems)
            elif found.decision in {"run", "wait"}:
                found = StagePlan("shared", found.fingerprint, found.identity, FREE)
            made[slot.label] = found
            yield found

    def _decide(
        self, binder: Binder, layout: _Layout, slot: Slot, made: Mapping[str, StagePlan], problems: Problems
    ) -> StagePlan | None:
        """Return what becomes of a stage whose fingerprint can be known, else None."""
        labels = _sees(slot)
        if not labels:
            return self._in_its_round(binder, slot, {}, problems)
        upstream = {label: fp for label in labels if (fp := self._finished(made[label]))}
        if len(upstream) < len(labels):
            return None
        trace, draft = self._trace(layout, binder.parameters, slot, upstream, problems)
        # In which round a stage is, no trace says: reviewers may have spoken since.
        if (fp := self.known.traces.get(trace)) and not self._is_in_rounds(slot, fp):
            self.traces[trace] = fp
            return self._looked_up(fp, draft)
        if records := self._records(upstream):
            found = self._in_its_round(binder, slot, records, problems)
            if found.fingerprint and not self._is_in_rounds(slot, found.fingerprint):
                self.traces[trace] = found.fingerprint
            return found
        return None

    def _in_its_round(
        self, binder: Binder, slot: Slot, records: Mapping[str, StageRecord], problems: Problems
    ) -> StagePlan:
        """Return what becomes of a stage of which everything before it is known."""
        if not slot.spec.needs_approval:
            call = binder.bind(slot, records, problems)
            if not self._is_in_rounds(slot, call.fingerprint):
                return self._looked_up(call.fingerprint, call)
        found = self._decided.round_of(slot, lambda before: binder.bind(slot, records, problems, before))
        fp = found.call.fingerprint
        if found.position and (held := _STANDING.get(found.position.stand)):
            return StagePlan(held, fp, fp, FREE)
        planned = self._looked_up(fp, found.call)
        if found.rejections:
            planned = dataclasses.replace(planned, first=found.rejections[0][0])
        is_again = planned.decision == "run" and found.rejections
        return dataclasses.replace(planned, reason=found.rejections[-1][1]) if is_again else planned

    def _is_in_rounds(self, slot: Slot, fp: Fingerprint) -> bool:
        """Whether reviewers may have said in which round a stage is that had this fingerprint."""
        if slot.spec.needs_approval:
            return True
        heard = self._words.heard() if slot.spec.has_draws else frozenset[Digest]()
        if not heard:
            return False
        digests = self.known.digests(fp)
        return digests is None or not heard.isdisjoint(digests)

    def _unknown(
        self,
        binder: Binder,
        slot: Slot,
        made: Mapping[str, StagePlan],
        key: tuple[object, ...],
        problems: Problems,
    ) -> StagePlan:
        """Plan a stage that waits for others: it is as expensive as its draft."""
        is_stuck = any(made[label].decision == "blocked" for label in _sees(slot))
        draft = binder.draft(slot, problems)
        coming = coming_files(slot, binder.slots)
        return self._new("blocked" if is_stuck else "wait", None, _identity(key), draft, coming)

    def _finished(self, plan: StagePlan) -> Fingerprint | None:
        return plan.fingerprint if plan.decision == "reuse" else None

    def _records(self, upstream: Mapping[str, Fingerprint]) -> dict[str, StageRecord] | None:
        found = {label: self.known.record(fp) for label, fp in upstream.items()}
        records = {label: record for label, record in found.items() if record}
        return records if len(records) == len(found) else None

    def _looked_up(self, fp: Fingerprint, call: StageCall) -> StagePlan:
        if self.known.is_done(fp):
            return StagePlan("reuse", fp, fp, FREE)
        if fp in self.known.blocked:
            return StagePlan("blocked", fp, fp, FREE)
        return self._new("run", fp, fp, call)

    def _new(
        self, decision: Decision, fp: Fingerprint | None, identity: str, call: StageCall, coming: int = 0
    ) -> StagePlan:
        if decision == "blocked":
            return StagePlan(decision, fp, identity, FREE)
        if identity in self._first:
            return StagePlan("shared", fp, identity, FREE)
        self._first.add(identity)
        for deployment, takes in wanted(call).items():
            self._wanted.setdefault(deployment, Counter()).update(takes)  # pyright: ignore[reportArgumentType]
        cost = estimate(call, self._prices, coming=coming)
        self._in_flex[call.label] += call.lane == "flex"
        self._normal += (
            cost if call.lane == "now" else lane_estimate(call, "now", self._prices, coming=coming)
        )
        return StagePlan(decision, fp, identity, cost)

    def _trace(
        self,
        layout: _Layout,
        parameters: Values,
        slot: Slot,
        upstream: Mapping[str, Fingerprint],
        problems: Problems,
    ) -> tuple[str, StageCall]:
        """Return the trace and the draft it is made from.

        What a draft leaves open depends on the stage's own parameters and on what the stages before made,
        which their fingerprints stand for.
        """
        draft = self._binder(layout, parameters).draft(slot, problems)
        decides = {
            "version": self._version,
            "label": slot.label,
            "draft": draft.deciding(),
            "parameters": {name: parameters[name] for name in self._uses[slot.spec.name]},
            "upstream": upstream,
        }
        return fingerprint(decides), draft

    def _layout(self, parameters: Values) -> _Layout:
        key = tuple(parameters[name] for name in self._axis_parameters)
        if (found := self._layouts.get(key)) is None:
            found = self._layouts[key] = self._new_layout(parameters)
        return found

    def _new_layout(self, parameters: Values) -> _Layout:
        problems = Problems(self.pipeline.document)
        slots = {slot.label: slot for slot in expand(self.pipeline, parameters)}
        check_columns(slots.values(), problems)
        problems.raise_if_any()
        inputs = Inputs(self.pipeline, self.known.asset, None, slots, self.warnings)
        stages = tuple(_unbound(slot) for slot in slots.values())
        return _Layout(len(self._layouts), inputs, slots, stages)

    def _binder(self, layout: _Layout, parameters: Values) -> Binder:
        return Binder(
            self.pipeline,
            parameters,
            self._defaults,
            self._today,
            layout.inputs,
            layout.slots,
            self.warnings,
            layout.checked,
            layout.sources,  # pyright: ignore[reportArgumentType]
        )


def _holds(plan: StagePlan, slot: Slot) -> bool:
    """Whether nothing that follows a stage may begin yet."""
    return plan.decision in _HOLDING or (plan.decision != "reuse" and slot.spec.needs_approval)


def _sees(slot: Slot) -> tuple[str, ...]:
    return tuple(label for labels in slot.upstream.values() for label in labels)


def _unbound(slot: Slot) -> PlannedStage:
    needs = tuple(dict.fromkeys((*_sees(slot), *slot.needs)))
    return PlannedStage(
        slot.spec.name, slot.variant, slot.label, needs, "after_upstream", needs, None, None, None, ""
    )


def _identity(key: tuple[object, ...]) -> str:
    return "?" + hashlib.blake2b(repr(key).encode(), digest_size=16).hexdigest()
