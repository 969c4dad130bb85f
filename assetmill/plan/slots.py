"""A stage's variant in its place in the plan, and the pen with which its templates are written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from assetmill.names import stage_label
from assetmill.spec.axes import AxisValue
from assetmill.spec.pipeline import StageSpec
from assetmill.spec.reading import Problems, Where
from assetmill.spec.templates import TemplateProblem, compile_template


class Slot(NamedTuple):
    """One variant of a stage.

    `upstream` holds the labels of what it sees, by stage; `gathers` names the stages of which it sees all
    variants along some axis; `needs` are labels that only come before it.
    """

    number: int
    spec: StageSpec
    values: Mapping[str, AxisValue]
    upstream: Mapping[str, tuple[str, ...]]
    gathers: frozenset[str]
    needs: tuple[str, ...]

    @property
    def variant(self) -> str:
        """The axes' labels: `locale=de,size=og`."""
        return ",".join(f"{axis}={value.label}" for axis, value in self.values.items())

    @property
    def label(self) -> str:
        """The stage's name with its variant."""
        return stage_label(self.spec.name, self.variant)


@dataclass
class Pen:
    """Writes one slot's templates and notes its problems. A draft keeps what it cannot render yet."""

    slot: Slot
    problems: Problems
    is_draft: bool
    variables: dict[str, Any] = field(default_factory=dict[str, Any])

    def write(self, where: Where, source: str) -> str:
        """Render a text of the stage; a text without braces is returned as it is."""
        if "{" not in source:
            return source
        try:
            template = compile_template(source)
            if self.is_draft and template.names & {"stages", "inputs"}:
                return source
            return template.render(self.variables)
        except TemplateProblem as error:
            self.problem(where, error.message)
            return source

    def problem(self, where: Where, message: str, hint: str = "") -> None:
        """Note a problem at a place under the stage."""
        place = ("stages", self.slot.number, *where)
        self.problems.add(place, f"stage {self.slot.label!r}: {message}", hint)


def is_open(text: str) -> bool:
    """Return whether a draft's text still holds a template."""
    return "{{" in text or "{%" in text


def coming_files(slot: Slot, slots: Mapping[str, Slot]) -> int:
    """Return how many files earlier stages are to make for a stage: each may be a picture to look at."""
    names = (str(entry.from_) for entry in slot.spec.given if entry.from_ is not None)
    makers = (slots[label].spec for name in names for label in slot.upstream[name])
    return sum(
        sum(output.count for output in spec.outputs) or sum(1 for one in spec.make if one.save) or 1
        for spec in makers
    )
