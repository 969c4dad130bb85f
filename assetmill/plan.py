"""A plan: what will run, what is reused, in which order, at what cost. Pure: it asks, reads and decides.

An axis counts for a stage only when the stage uses it: when a template of the stage names it, or when
`for_each` lists it and a stage before brings it along. A stage sees the matching variant of a stage with the
same axes, all variants of one with more axes, and the same one of a stage with fewer. So 20 locales x 5
sizes of one picture, with the text laid over later, are 5 paid pictures and 100 cheap ones.
"""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from assetmill.binding import Assets, Binder, Defaults, Fetch, Slot, check_columns
from assetmill.calls import StageCall
from assetmill.errors import InvalidSpec
from assetmill.fingerprint import Digest, Fingerprint
from assetmill.records import StageRecord
from assetmill.spec.axes import AxisValue, axis_values
from assetmill.spec.checks import template_of, upstream_of
from assetmill.spec.parameters import resolve_parameters
from assetmill.spec.pipeline import LoadedPipeline, StageSpec
from assetmill.spec.reading import Problems

Status = Literal["reuse", "run", "after_upstream"]
Lookup = Callable[[str, Fingerprint], StageRecord | None]

MAX_STAGES = 20_000


@dataclass(frozen=True)
class Cost:
    """What something may cost in US dollars: at least, probably, at most."""

    low: float
    expected: float
    ceiling: float

    def __add__(self, other: Cost) -> Cost:
        """Return both together."""
        return Cost(self.low + other.low, self.expected + other.expected, self.ceiling + other.ceiling)


FREE = Cost(0.0, 0.0, 0.0)
Estimate = Callable[[StageCall], Cost | None]


@dataclass(frozen=True)
class PlannedStage:
    """One line of a plan.

    `call` is None while a stage before it must run first (`after_upstream`); `after` are the labels it then
    waits for, `needs` all the labels it follows. `record` is there when it is reused. `cost` None is unknown.
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


@dataclass(frozen=True)
class Plan:
    """A spec with order and bindings fixed. `stages` are in an order in which they can run."""

    pipeline: LoadedPipeline
    parameters: Mapping[str, Any]
    stages: tuple[PlannedStage, ...]
    warnings: tuple[str, ...]
    _binder: Binder

    @property
    def name(self) -> str:
        """The pipeline's name."""
        return self.pipeline.name

    @property
    def spec_digest(self) -> Digest:
        """The digest of the pipeline file."""
        return self.pipeline.digest

    @property
    def reused(self) -> Mapping[str, StageRecord]:
        """The records that are there already, by label."""
        return {stage.label: stage.record for stage in self.stages if stage.record is not None}

    @property
    def cost(self) -> Cost:
        """What is known of the cost; `unpriced` says for how many stages nothing is."""
        return sum((stage.cost for stage in self.stages if stage.cost), FREE)

    @property
    def unpriced(self) -> int:
        """How many stages have an unknown cost."""
        return sum(stage.cost is None for stage in self.stages)

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


def _nothing(*_: object) -> None:
    return None


def make_plan(
    pipeline: LoadedPipeline,
    parameters: Mapping[str, Any],
    *,
    defaults: Defaults,
    lookup: Lookup = _nothing,
    assets: Assets = _nothing,
    estimate: Estimate = _nothing,
    fetch: Fetch | None = None,
    today: datetime.date | None = None,
) -> Plan:
    """Fix order, variants and bindings, and find what is there already.

    `lookup` finds a finished stage by fingerprint, `assets` a stored asset, `estimate` prices a call whose
    inputs may not be known yet, `fetch` turns an https address into a local file.

    Raises:
        InvalidSpec: parameters, files, axes or tool options that do not hold; all of them, with their lines.
    """
    problems = Problems(pipeline.document)
    values = resolve_parameters(pipeline.spec.parameters, parameters, problems)
    problems.raise_if_any()
    day = today or datetime.datetime.now(datetime.UTC).date()
    binder = Binder(pipeline, values, defaults, day, assets, fetch)
    for slot in _expand(pipeline, values):
        binder.slots[slot.label] = slot
        check_columns(pipeline, slot, problems)
    problems.raise_if_any()
    stages = _Decider(binder, problems, lookup, estimate).decide()
    problems.raise_if_any()
    return Plan(pipeline, values, stages, tuple(binder.warnings), binder)


class _Decider:
    """Goes through the slots in order and says what becomes of each."""

    def __init__(self, binder: Binder, problems: Problems, lookup: Lookup, estimate: Estimate) -> None:
        self.binder, self.problems, self.lookup, self.estimate = binder, problems, lookup, estimate
        self.records: dict[str, StageRecord] = {}
        self.first: dict[Fingerprint, str] = {}

    def decide(self) -> tuple[PlannedStage, ...]:
        return tuple(self._decide(slot) for slot in self.binder.slots.values())

    def _decide(self, slot: Slot) -> PlannedStage:
        sees = [label for labels in slot.upstream.values() for label in labels]
        unknown = tuple(label for label in sees if label not in self.records)
        needs = tuple(dict.fromkeys((*sees, *slot.needs)))
        after = tuple(label for label in needs if label not in self.records)
        if unknown:
            draft = self.binder.draft(slot, self.problems)
            reason = "waits for " + _shortened(unknown)
            return _planned(slot, needs, "after_upstream", after, cost=self.estimate(draft), reason=reason)
        call = self.binder.bind(slot, self.records, self.problems)
        if self.problems.found:
            return _planned(slot, needs, "run", after, call=call, reason="")
        return self._look_up(slot, needs, after, call)

    def _look_up(
        self, slot: Slot, needs: tuple[str, ...], after: tuple[str, ...], call: StageCall
    ) -> PlannedStage:
        fp = call.fingerprint
        if record := self.lookup(call.pipeline, fp):
            self.records[slot.label] = record
            return _planned(slot, needs, "reuse", (), call=call, record=record, cost=FREE, reason="unchanged")
        twin = self.first.setdefault(fp, slot.label)
        if twin != slot.label:
            # Two variants that ask for the same thing: the second one finds what the first one paid for.
            waits = tuple(dict.fromkeys((*after, twin)))
            needs = tuple(dict.fromkeys((*needs, twin)))
            return _planned(slot, needs, "after_upstream", waits, cost=FREE, reason=f"same as {twin}")
        return _planned(slot, needs, "run", after, call=call, cost=self.estimate(call), reason="not made yet")


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


def _shortened(labels: tuple[str, ...]) -> str:
    shown = ", ".join(labels[:3])
    return shown if len(labels) <= 3 else f"{shown} and {len(labels) - 3} more"


# Order and variants -------------------------------------------------------------------------------------


def _expand(pipeline: LoadedPipeline, parameters: Mapping[str, Any]) -> Iterable[Slot]:
    """Yield the slots in topological order, stages in the order of the file where the graph allows."""
    sees = upstream_of(pipeline)
    values: dict[str, tuple[AxisValue, ...]] = {}
    used: dict[str, tuple[str, ...]] = {}
    made: dict[str, list[Slot]] = {}
    count = 0
    for number, stage in _ordered(pipeline, sees):
        axes = used[stage.name] = _axes_of(pipeline, stage, sees[stage.name], used)
        for axis in axes:
            if axis not in values:
                values[axis] = _values(pipeline, axis, parameters)
        made[stage.name] = _slots(number, stage, axes, values, sees[stage.name], used, made)
        count += len(made[stage.name])
        if count > MAX_STAGES:
            line = pipeline.document.line(("stages", number))
            raise InvalidSpec(str(pipeline.path), line, f"more than {MAX_STAGES} stages with their variants")
        yield from made[stage.name]


def _ordered(
    pipeline: LoadedPipeline, sees: Mapping[str, tuple[str, ...]]
) -> Iterable[tuple[int, StageSpec]]:
    """Sort by need; the loaded pipeline has no cycles."""
    waiting = {stage.name: {*sees[stage.name], *stage.needs} for stage in pipeline.spec.stages}
    followers: dict[str, list[str]] = {name: [] for name in waiting}
    for name, needs in waiting.items():
        for need in needs:
            followers[need].append(name)
    numbers = {stage.name: number for number, stage in enumerate(pipeline.spec.stages)}
    ready = sorted((numbers[name] for name, needs in waiting.items() if not needs), reverse=True)
    while ready:
        number = ready.pop()
        stage = pipeline.spec.stages[number]
        yield number, stage
        freed: list[int] = []
        for name in followers[stage.name]:
            waiting[name].discard(stage.name)
            if not waiting[name]:
                freed.append(numbers[name])
        ready += sorted(freed, reverse=True)


def _axes_of(
    pipeline: LoadedPipeline, stage: StageSpec, sees: tuple[str, ...], used: Mapping[str, tuple[str, ...]]
) -> tuple[str, ...]:
    named: set[str] = set()
    texts = [source for _, source in stage.texts()]
    if stage.tool("image_generation"):
        texts += [text for text in (pipeline.spec.defaults.size, pipeline.spec.defaults.quality) if text]
    for source in texts:
        if "{" in source and (template := template_of(source)):
            named |= template.names
    brought = {axis for upstream in sees for axis in used[upstream]}
    return tuple(
        axis for axis in pipeline.axes if axis in named or (axis in stage.for_each and axis in brought)
    )


def _values(pipeline: LoadedPipeline, axis: str, parameters: Mapping[str, Any]) -> tuple[AxisValue, ...]:
    spec, place = pipeline.axes[axis]
    where = (str(pipeline.path), pipeline.document.line(place))
    return axis_values(spec, parameters, pipeline.find_file, where)


def _slots(
    number: int,
    stage: StageSpec,
    axes: tuple[str, ...],
    values: Mapping[str, tuple[AxisValue, ...]],
    sees: tuple[str, ...],
    used: Mapping[str, tuple[str, ...]],
    made: Mapping[str, list[Slot]],
) -> list[Slot]:
    finders = {name: _finder(made[name], axes, used[name]) for name in (*sees, *stage.needs)}
    gathers = frozenset(name for name in sees if set(used[name]) - set(axes))
    slots: list[Slot] = []
    for choice in itertools.product(*(values[axis] for axis in axes)):
        own = dict(zip(axes, choice, strict=True))
        upstream = {name: finders[name](own) for name in sees}
        needs = tuple(label for name in stage.needs for label in finders[name](own))
        slots.append(Slot(number, stage, own, upstream, gathers, needs))
    return slots


def _finder(
    slots: list[Slot], axes: tuple[str, ...], theirs: tuple[str, ...]
) -> Callable[[Mapping[str, AxisValue]], tuple[str, ...]]:
    """Return what finds the variants that agree with one's own on the axes that both have."""
    common = tuple(axis for axis in theirs if axis in axes)
    groups: dict[tuple[str, ...], list[str]] = {}
    for slot in slots:
        groups.setdefault(tuple(slot.values[axis].label for axis in common), []).append(slot.label)
    frozen = {key: tuple(labels) for key, labels in groups.items()}
    return lambda own: frozen[tuple(own[axis].label for axis in common)]
