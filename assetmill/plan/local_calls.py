"""A local stage bound: its entries written, and the names of inputs in place of the words for them."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from assetmill.errors import InvalidInput
from assetmill.plan.calls import BoundInput, ExpectedOutput, StageCall
from assetmill.plan.inputs import Inputs
from assetmill.plan.lettering import Lettering
from assetmill.plan.slots import Pen, is_open
from assetmill.records import StageRecord
from assetmill.spec.checks import SAFE_NAME
from assetmill.spec.file_kinds import suffix_of
from assetmill.spec.functions import find_function
from assetmill.spec.making import MakeSpec
from assetmill.spec.pipeline import input_words
from assetmill.spec.reading import Where


def local_call(pipeline: str, pen: Pen, inputs: Inputs, records: Mapping[str, StageRecord]) -> StageCall:
    """Return what a local stage makes; what is wrong with it is noted as a problem."""
    given = _Given.of(pen, inputs, records)
    entries = tuple(_written(pen))
    lettering = Lettering(pen, inputs)
    for number, entry in enumerate(entries):
        lettering.bind(entry, ("make", number))
    made = tuple(lettering.named(facts) for facts in _Entries(pen, given).bound(entries))
    folder = inputs.pipeline.path.parent.absolute()
    return StageCall(
        pipeline=pipeline,
        stage=pen.slot.spec.name,
        variant=pen.slot.variant,
        prompt="",
        instructions="",
        model="",
        image_deployment=None,
        tools=(),
        inputs=(*given.inputs, *lettering.bound.values()),
        outputs=tuple(_outputs(entries)),
        extra=dict(_extra(pen, entries, folder)),
        making=made,
        folder=str(folder),
    )


@dataclass
class _Given:
    """What a stage is given: every input under a name of its own, and which words mean which of them."""

    inputs: tuple[BoundInput, ...] = ()
    words: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    @classmethod
    def of(cls, pen: Pen, inputs: Inputs, records: Mapping[str, StageRecord]) -> _Given:
        given = cls()
        bound: dict[str, BoundInput] = {}
        for number, found in inputs.sources(pen, records):
            name = _free_name(found, bound)
            bound[name] = replace(found, name=name)
            for word in input_words(pen.slot.spec.given[number]):
                names = given.words.setdefault(word, [])
                if name not in names:
                    names.append(name)
        given.inputs = tuple(bound.values())
        return given


def _free_name(found: BoundInput, bound: Mapping[str, BoundInput]) -> str:
    """Return the input's name, with a number where another file has it already."""
    stem, dot, suffix = found.name.rpartition(".") if "." in found.name else (found.name, "", "")
    name, number = found.name, 2
    while name in bound and bound[name].blob.digest != found.blob.digest:
        name, number = f"{stem}-{number}{dot}{suffix}", number + 1
    return name


def _written(pen: Pen) -> Iterator[MakeSpec]:
    for number, entry in enumerate(pen.slot.spec.make):
        where: Where = ("make", number)
        try:
            yield entry.written(where, pen.write)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            pen.problem((*where, *first["loc"]), str(first["msg"]).removeprefix("Value error, "))


@dataclass(frozen=True)
class _Entries:
    """Puts the names of inputs in place of the words that entries use."""

    pen: Pen
    given: _Given

    def bound(self, entries: tuple[MakeSpec, ...]) -> Iterator[dict[str, Any]]:
        results: set[str] = set()
        saved: set[str] = set()
        for number, entry in enumerate(entries):
            where: Where = ("make", number)
            for name in entry.saves:
                if not self.pen.is_draft and not SAFE_NAME.fullmatch(name):
                    self.pen.problem(
                        where, f"{name[:120]!r} is not a safe file name", "letters, digits, . _ -"
                    )
                if name in saved:
                    self.pen.problem(where, f"two entries save {name!r}", "give one of them another name")
                saved.add(name)
            found = {word: self._names(word, glob, results, where) for word, glob in entry.sources}
            yield entry.bound(found)
            results.update(entry.results)

    def _names(self, word: str, glob: str, results: set[str], where: Where) -> list[str]:
        """Return what a word means: an entry before, or inputs by name."""
        if word in results or self.pen.is_draft:
            return [word]
        names = self.given.words.get(word, [])
        found = [name for name in names if fnmatch.fnmatchcase(name, glob)]
        if not found and not is_open(word):
            what = f"no output {glob!r}" if names else "no file"
            self.pen.problem(where, f"{word!r} has {what}")
        return found


def _extra(pen: Pen, entries: tuple[MakeSpec, ...], folder: Path) -> Iterator[tuple[str, Any]]:
    """Yield what decides beside entries and inputs: the edition, the code of a person's own functions."""
    if pen.slot.spec.edition is not None:
        yield "edition", str(pen.slot.spec.edition)
    sources: dict[str, str] = {}
    for number, entry in enumerate(entries):
        if not entry.python:
            continue
        try:
            sources[entry.python] = find_function(entry.python, folder).digest
        except InvalidInput as error:
            pen.problem(("make", number, "python"), str(error), "write module:function")
    if sources:
        yield "functions", sources


def _outputs(entries: tuple[MakeSpec, ...]) -> Iterator[ExpectedOutput]:
    for entry in entries:
        for name, kind in entry.saves.items():
            wide = entry.exact_size
            yield ExpectedOutput(
                kind=kind,
                name=name,
                format=suffix_of(name) or None,
                width=wide[0] if wide else None,
                height=wide[1] if wide else None,
            )
