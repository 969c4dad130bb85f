"""A plan: what will run, what is reused, in which order, at what cost. Pure: it asks, reads and decides.

The steps: `variants` puts stages and their variants in order, `binder` makes their calls, and
here each call's fingerprint is looked up.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from assetmill.fingerprint import Digest, Fingerprint
from assetmill.plan.binder import Binder, ProfileDefaults
from assetmill.plan.calls import StageCall
from assetmill.plan.inputs import Assets, Fetch, Inputs
from assetmill.plan.rounds import (
    Lookup,
    NoWords,
    Position,
    Rejections,
    Round,
    Words,
    find_round,
    in_prompt,
    rejections_of,
)
from assetmill.plan.slots import Slot, coming_files
from assetmill.plan.variants import check_columns, expand
from assetmill.records import StageRecord
from assetmill.spec.parameters import resolve_parameters
from assetmill.spec.pipeline import LoadedPipeline, StageSpec
from assetmill.spec.reading import Problems

Status = Literal["reuse", "run", "after_upstream", "review", "rejected", "held"]
"""`review`: made, and waits for its reviewers. `held`: follows a stage that is not approved yet."""

_NOTHING_TO_DO: frozenset[Status] = frozenset({"reuse", "review", "rejected", "held"})


@dataclass(frozen=True, slots=True)
class Cost:
    """What something may cost in US dollars: at least, probably, at most.

    `unknown` names what has no price; then the amounts are those of the rest, and no ceiling is one.
    """

    low: float
    expected: float
    ceiling: float
    unknown: tuple[str, ...] = ()

    @property
    def is_known(self) -> bool:
        """Whether the amounts are all of it."""
        return not self.unknown

    def amounts(self) -> dict[str, float]:
        """Return the amounts alone, as JSON documents show them."""
        return {"low": self.low, "expected": self.expected, "ceiling": self.ceiling}

    def __add__(self, other: Cost) -> Cost:
        """Return both together."""
        unknown = tuple(dict.fromkeys((*self.unknown, *other.unknown)))
        low, expected = self.low + other.low, self.expected + other.expected
        return Cost(low, expected, self.ceiling + other.ceiling, unknown)


FREE = Cost(0.0, 0.0, 0.0)
Estimate = Callable[[StageCall, int], Cost | None]
"""Prices a call; the number is that of files which stages before it are to make, and which it may look at."""


class PlannedStage(NamedTuple):
    """One line of a plan.

    `call` is None while a stage before it must run first (`after_upstream`); `after` are the labels it then
    waits for, `needs` all the labels it follows; `draft` is then what is known of it, and `coming` how many
    files it is still to be given. `record` is there when it is made. `cost` None is unknown; that of a stage
    which is held is no part of this run.
    """

    stage: str
    variant: str
    label: str
    needs: tuple[str, ...]
    status: Status
    after: tuple[str, ...]
    call: StageCall | None
    record: StageRecord | None
    cost: Cost | None
    reason: str
    draft: StageCall | None = None
    coming: int = 0

    @property
    def asked(self) -> StageCall | None:
        """What will be asked of the service, as far as it is known; None when nothing will be."""
        return self.call or self.draft if self.is_to_do else None

    @property
    def is_to_do(self) -> bool:
        """Whether this run may draw it."""
        return self.status not in _NOTHING_TO_DO


class Decided(NamedTuple):
    """What decides in which round a stage is: what reviewers said, and what is stored."""

    words: Words
    lookup: Lookup

    def round_of(self, slot: Slot, bind: Callable[[Rejections], StageCall]) -> Round:
        """Return the round in which a stage is."""
        return find_round(slot.spec, slot.label, bind, self.lookup, self.words)


@dataclass(frozen=True)
class Plan:
    """A spec with order and bindings fixed. `stages` are in an order in which they can run."""

    pipeline: LoadedPipeline
    parameters: Mapping[str, Any]
    stages: tuple[PlannedStage, ...]
    warnings: tuple[str, ...]
    _binder: Binder
    _decided: Decided = field(default_factory=lambda: Decided(NoWords(), _nothing))

    @property
    def name(self) -> str:
        """The pipeline's name."""
        return self.pipeline.name

    @property
    def spec_digest(self) -> Digest:
        """The digest of the pipeline file."""
        return self.pipeline.digest

    @property
    def obstacles(self) -> tuple[str, ...]:
        """Why stages do not go in the lane that their default, or an hour, asks for."""
        return tuple(self._binder.obstacles)

    @property
    def reused(self) -> Mapping[str, StageRecord]:
        """The records that are there already and may be used, by label."""
        return {s.label: s.record for s in self.stages if s.record is not None and s.status == "reuse"}

    @property
    def has_work(self) -> bool:
        """Whether a run of it would draw anything."""
        return any(stage.is_to_do for stage in self.stages)

    @property
    def is_made(self) -> bool:
        """Whether every stage is there already, and waits for nobody."""
        return all(stage.record is not None and stage.status == "reuse" for stage in self.stages)

    @property
    def cost(self) -> Cost:
        """What is known of the cost; `unpriced` says for how many stages not all is."""
        return sum((stage.cost for stage in self.stages if stage.cost and stage.is_to_do), FREE)

    @property
    def held_cost(self) -> Cost:
        """What the stages may cost that are held until others are approved."""
        return sum((stage.cost for stage in self.stages if stage.cost and stage.status == "held"), FREE)

    @property
    def unpriced(self) -> int:
        """How many stages have a cost of which a part is unknown."""
        return sum(
            stage.cost is None or not stage.cost.is_known for stage in self.stages if stage.status != "held"
        )

    def bind(self, label: str, records: Mapping[str, StageRecord]) -> StageCall:
        """Return a stage's call once the stages before it are done; `records` holds theirs by label.

        Raises:
            InvalidSpec: what they made does not fit this stage.
            KeyError: no such label, or a record that it needs is missing.
        """
        problems = Problems(self.pipeline.document)
        call = self._binder.bind(self._binder.slots[label], {**self.reused, **records}, problems)
        problems.raise_if_any()
        return call

    def round_of(self, label: str, records: Mapping[str, StageRecord]) -> Round:
        """Return the round in which a stage is, once the stages before it are done. Errors as in `bind`."""
        problems = Problems(self.pipeline.document)
        slot, known = self._binder.slots[label], {**self.reused, **records}
        found = self._decided.round_of(slot, lambda before: self._binder.bind(slot, known, problems, before))
        problems.raise_if_any()
        return found

    def is_in_rounds(self, label: str) -> bool:
        """Say whether reviewers' words may say in which round a stage is."""
        spec = self.spec_of(label)
        return spec.needs_approval or (spec.has_draws and bool(self._decided.words.heard()))

    def call_after(self, label: str, record: StageRecord, reason: str) -> StageCall:
        """Return the call of the round that follows a stage's record where it is rejected for a reason.

        Errors as in `bind`.
        """
        problems = Problems(self.pipeline.document)
        before = (*rejections_of(record), (record.fingerprint, in_prompt(reason)))
        call = self._binder.bind(self._binder.slots[label], self.reused, problems, before)
        problems.raise_if_any()
        return call

    def position_of(self, label: str, record: StageRecord) -> Position | None:
        """Return where a stage stands that was made just now, None for one that needs no approval."""
        spec = self.spec_of(label)
        return self._decided.words.position(spec, record) if spec.needs_approval else None

    def spec_of(self, label: str) -> StageSpec:
        """Return what the pipeline says of a stage."""
        return self._binder.slots[label].spec


@dataclass(frozen=True)
class ShownPlan:
    """A plan that a person was shown, for the run that begins next: what is shown is what is run."""

    asked_for: str
    parameters: Mapping[str, Any]
    plan: Plan

    def is_for(self, pipeline: str, parameters: Mapping[str, Any]) -> bool:
        """Whether the same was asked for. What was stored since, the engine finds by itself."""
        return (self.asked_for, dict(self.parameters)) == (pipeline, dict(parameters))


def _nothing(*_: object) -> None:
    return None


def make_plan(
    pipeline: LoadedPipeline,
    parameters: Mapping[str, Any],
    *,
    defaults: ProfileDefaults,
    lookup: Lookup = _nothing,
    assets: Assets = _nothing,
    estimate: Estimate = _nothing,
    fetch: Fetch | None = None,
    today: datetime.date | None = None,
    words: Words | None = None,
) -> Plan:
    """Fix order, variants and bindings, and find what is there already.

    `lookup` finds a finished stage by fingerprint, `assets` a stored asset, `estimate` prices a call whose
    inputs may not be known yet, `fetch` turns an https address into a local file. `words` are what reviewers
    have said of what was made.

    Raises:
        InvalidSpec: parameters, files, axes or tool options that do not hold; all of them, with their lines.
    """
    problems = Problems(pipeline.document)
    values = resolve_parameters(pipeline.spec.parameters, parameters, problems)
    problems.raise_if_any()
    day = today or datetime.datetime.now(datetime.UTC).date()
    slots = {slot.label: slot for slot in expand(pipeline, values)}
    check_columns(slots.values(), problems)
    problems.raise_if_any()
    inputs = Inputs(pipeline, assets, fetch, slots)
    binder = Binder(pipeline, values, defaults, day, inputs, slots, inputs.warnings)
    decided = Decided(words or NoWords(), lookup)
    stages = _Decider(binder, problems, decided, estimate).decide()
    problems.raise_if_any()
    return Plan(pipeline, values, stages, tuple(binder.warnings), binder, decided)


class _Decider:
    """Goes through the slots in order and says what becomes of each."""

    def __init__(self, binder: Binder, problems: Problems, decided: Decided, estimate: Estimate) -> None:
        self.binder, self.problems, self.decided, self.estimate = binder, problems, decided, estimate
        self.records: dict[str, StageRecord] = {}
        self.first: dict[Fingerprint, str] = {}
        # Stages after which nothing begins in this run: they need an approval that is not there.
        self.holding: set[str] = set()

    def decide(self) -> tuple[PlannedStage, ...]:
        return tuple(self._noted(slot, self._decide(slot)) for slot in self.binder.slots.values())

    def _noted(self, slot: Slot, planned: PlannedStage) -> PlannedStage:
        """Hold what follows a stage that is not approved, and note what others are held by."""
        holders = [label for label in planned.needs if label in self.holding]
        if holders and planned.status != "reuse":
            planned = planned._replace(status="held", reason="waits for approval of " + _shortened(holders))
        needs_more = planned.status == "held" or slot.spec.needs_approval
        if needs_more and planned.status != "reuse":
            self.holding.add(slot.label)
        return planned

    def _decide(self, slot: Slot) -> PlannedStage:
        sees = [label for labels in slot.upstream.values() for label in labels]
        unknown = tuple(label for label in sees if label not in self.records)
        needs = tuple(dict.fromkeys((*sees, *slot.needs)))
        after = tuple(label for label in needs if label not in self.records)
        if unknown:
            draft = self.binder.draft(slot, self.problems)
            reason = "waits for " + _shortened(unknown)
            coming = coming_files(slot, self.binder.slots)
            cost = self.estimate(draft, coming)
            planned = _planned(slot, needs, "after_upstream", after, cost=cost, reason=reason)
            return planned._replace(draft=draft, coming=coming)
        found = self.decided.round_of(
            slot, lambda before: self.binder.bind(slot, self.records, self.problems, before)
        )
        if self.problems.found:
            return _planned(slot, needs, "run", after, call=found.call, reason="")
        if found.record is None:
            return self._to_draw(slot, needs, after, found)
        return self._made(slot, needs, found, found.record)

    def _made(self, slot: Slot, needs: tuple[str, ...], found: Round, record: StageRecord) -> PlannedStage:
        position = found.position or _UNCHANGED
        if position.stand == "approved":
            self.records[slot.label] = record
        status = _STATUS_OF[position.stand]
        is_taken = found.rejections and record.decision and not found.position
        reason = record.decision.reason if record.decision and is_taken else position.said or _kept(record)
        return _planned(slot, needs, status, (), call=found.call, record=record, cost=FREE, reason=reason)

    def _to_draw(
        self, slot: Slot, needs: tuple[str, ...], after: tuple[str, ...], found: Round
    ) -> PlannedStage:
        call, reason = found.call, "not made yet"
        if found.rejections:
            reason = f"rejected: {found.rejections[-1][1]}; drawn again"
        twin = self.first.setdefault(call.fingerprint, slot.label)
        if twin != slot.label:
            # Two variants that ask for the same thing: the second one finds what the first one paid for.
            waits = tuple(dict.fromkeys((*after, twin)))
            needs = tuple(dict.fromkeys((*needs, twin)))
            return _planned(slot, needs, "after_upstream", waits, cost=FREE, reason=f"same as {twin}")
        cost = self.estimate(call, 0)
        return _planned(slot, needs, "run", after, call=call, cost=cost, reason=reason)


_UNCHANGED = Position("approved")
_STATUS_OF: Mapping[str, Status] = {"approved": "reuse", "waiting": "review", "rejected": "rejected"}


def _planned(
    slot: Slot,
    needs: tuple[str, ...],
    status: Status,
    after: tuple[str, ...],
    *,
    call: StageCall | None = None,
    record: StageRecord | None = None,
    cost: Cost | None = None,
    reason: str,
) -> PlannedStage:
    return PlannedStage(
        slot.spec.name, slot.variant, slot.label, needs, status, after, call, record, cost, reason
    )


def _kept(record: StageRecord) -> str:
    """Say that a stage is as it was, and if another version of a library made it."""
    if not record.made_with:
        return "unchanged"
    from assetmill.making.versions import newer  # it reads what is installed

    changed = newer(record.made_with)
    if not changed:
        return "unchanged"
    told = ", ".join(f"{name} {was} (here {now or 'none'})" for name, (was, now) in changed.items())
    return f"unchanged; made with {told}: kept, a new `edition` makes it again"


def _shortened(labels: Sequence[str]) -> str:
    shown = ", ".join(labels[:3])
    return shown if len(labels) <= 3 else f"{shown} and {len(labels) - 3} more"
