"""Stages in order, each with the variants that it needs and no more.

An axis counts for a stage only when the stage uses it: when a template of the stage names it, or when
`for_each` lists it and a stage before brings it along. A stage sees the matching variant of a stage with the
same axes, all variants of one with more axes, and the same one of a stage with fewer. So 20 locales x 5
sizes of one picture, with the text laid over later, are 5 paid pictures and 100 cheap ones.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from assetmill.errors import InvalidSpec
from assetmill.plan.slots import Slot
from assetmill.spec.axes import AxisValue, axis_values
from assetmill.spec.checks import template_of, upstream_of
from assetmill.spec.pipeline import LoadedPipeline, StageSpec
from assetmill.spec.reading import Problems, nearest

MAX_STAGES = 20_000


def expand(pipeline: LoadedPipeline, parameters: Mapping[str, Any]) -> Iterator[Slot]:
    """Yield every variant of every stage, each after those it follows, else in the order of the file.

    Raises:
        InvalidSpec: an axis has no values, its table cannot be read, or there are too many variants.
    """
    expander = _Expander(pipeline, parameters, upstream_of(pipeline))
    count = 0
    for number, stage in _ordered(pipeline, expander.sees):
        slots = expander.slots(number, stage)
        count += len(slots)
        if count > MAX_STAGES:
            line = pipeline.document.line(("stages", number))
            raise InvalidSpec(str(pipeline.path), line, f"more than {MAX_STAGES} stages with their variants")
        yield from slots


class _Expander:
    """Makes the slots of one stage after another, in an order in which those before are made already."""

    def __init__(
        self, pipeline: LoadedPipeline, parameters: Mapping[str, Any], sees: Mapping[str, tuple[str, ...]]
    ) -> None:
        self.pipeline, self.parameters, self.sees = pipeline, parameters, sees
        self.used: dict[str, tuple[str, ...]] = {}
        self.made: dict[str, list[Slot]] = {}
        self._values: dict[str, tuple[AxisValue, ...]] = {}

    def slots(self, number: int, stage: StageSpec) -> list[Slot]:
        sees = self.sees[stage.name]
        axes = self.used[stage.name] = _axes_of(self.pipeline, stage, sees, self.used)
        find = {name: _finder(self.made[name], axes, self.used[name]) for name in (*sees, *stage.needs)}
        gathers = frozenset(name for name in sees if set(self.used[name]) - set(axes))
        slots = self.made[stage.name] = []
        for choice in itertools.product(*(self._axis(axis) for axis in axes)):
            own = dict(zip(axes, choice, strict=True))
            upstream = {name: find[name](own) for name in sees}
            needs = tuple(label for name in stage.needs for label in find[name](own))
            slots.append(Slot(number, stage, own, upstream, gathers, needs))
        return slots

    def _axis(self, axis: str) -> tuple[AxisValue, ...]:
        if axis not in self._values:
            spec, place = self.pipeline.axes[axis]
            where = (str(self.pipeline.path), self.pipeline.document.line(place))
            self._values[axis] = axis_values(spec, self.parameters, self.pipeline.find_file, where)
        return self._values[axis]


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
    if stage.drawing:
        texts += [text for text in (pipeline.spec.defaults.size, pipeline.spec.defaults.quality) if text]
    for source in texts:
        if "{" in source and (template := template_of(source)):
            named |= template.names
    brought = {axis for upstream in sees for axis in used[upstream]}
    return tuple(
        axis for axis in pipeline.axes if axis in named or (axis in stage.for_each and axis in brought)
    )


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


def check_columns(slots: Iterable[Slot], problems: Problems) -> None:
    """Note columns that a template takes of a row which does not have them."""
    for slot in slots:
        rows = {axis: value.columns for axis, value in slot.values.items() if value.columns}
        for place, source in slot.spec.texts() if rows else ():
            template = template_of(source)
            for axis, known in rows.items():
                for word in sorted(template.attributes(axis) - known if template else ()):
                    message = f"axis {axis!r} has no column {word!r}"
                    problems.add(("stages", slot.number, *place), message, nearest(word, known))
