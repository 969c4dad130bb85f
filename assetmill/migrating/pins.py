"""What must change where, so that the stages of a pipeline call another model.

A pin stands in a tool or a stage, under `defaults`, as the default of a parameter, or in the profile. One
that several stages share is changed where it stands if all of them go over alike, else each gets its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from assetmill.errors import InvalidSpec
from assetmill.migrating.questions import Answers
from assetmill.migrating.splicing import Splice
from assetmill.migrating.target import NewModel
from assetmill.migrating.translating import PictureTranslator, translated_deployment, translated_effort
from assetmill.money.price_table import Prices
from assetmill.plan.binder import DEFAULT_QUALITY, DEFAULT_SIZE
from assetmill.plan.calls import StageCall
from assetmill.settings import Foundry
from assetmill.spec.pipeline import LoadedPipeline, StageSpec
from assetmill.spec.reading import Where
from assetmill.spec.tools import ImageGeneration

Level = Literal["own", "defaults", "profile", "unset"]

_OPTIONS = (
    "size", "quality", "input_fidelity", "complexity", "output_format", "background", "partial_images",
)  # fmt: skip
_COMMON = {"model": "image_model", "size": "size", "quality": "quality"}
_OURS = {"size": DEFAULT_SIZE, "quality": DEFAULT_QUALITY}
_TEMPLATE = re.compile(r"\{\{\s*(.+?)\s*\}\}", re.DOTALL)
_PARAMETER = re.compile(r"[a-z][a-z0-9_]*")


class Pins(NamedTuple):
    """Changes of one pipeline file, and of keys under `foundry` of its profile."""

    changes: tuple[Splice, ...]
    profile: Mapping[str, str]


class _Setting(NamedTuple):
    """What one stage or tool uses, where it is written, and what it is to be. `common` is its key there."""

    own: Where
    key: str
    common: str | None
    level: Level
    before: str | None
    after: str | int | None


@dataclass
class Pinning:
    """Finds the changes of one pipeline; `calls` are its stages' calls as the pipeline is now.

    `writes_profile`: what follows the profile goes on to follow it; else the pipeline gets pins of its own.
    """

    pipeline: LoadedPipeline
    calls: Sequence[StageCall]
    foundry: Foundry
    target: NewModel
    prices: Prices
    answers: Answers
    notes: dict[str, None]
    writes_profile: bool

    def pins(self) -> Pins:
        """Return what must change; nothing where every stage has the model already."""
        settings = list(self._settings())
        changes: list[Splice] = []
        profile: dict[str, str] = {}
        for common in dict.fromkeys(one.common for one in settings if one.common):
            changes += self._shared(common, settings, profile)
        own = [one for one in settings if one.level in {"own", "unset"} and self._differs(one)]
        changes += [Splice((*one.own, one.key), one.after) for one in own]
        return Pins(tuple(self._through_parameters(changes)), profile)

    def _differs(self, one: _Setting) -> bool:
        is_ours = one.level == "unset" and one.after == _OURS.get(one.key)
        return one.after != one.before and not is_ours

    def _shared(self, common: str, settings: Iterable[_Setting], profile: dict[str, str]) -> Iterator[Splice]:
        users = [one for one in settings if one.common == common and one.level in {"defaults", "profile"}]
        going = [one for one in users if one.after != one.before]
        if not going:
            return
        is_same = len({one.after for one in users}) == 1
        if users[0].level == "profile" and self.writes_profile and is_same:
            profile[common] = str(going[0].after)
        elif is_same:
            yield Splice(("defaults", common), going[0].after)
        else:
            yield from (Splice((*one.own, one.key), one.after) for one in going)

    def _settings(self) -> Iterator[_Setting]:
        for number, stage in enumerate(self.pipeline.spec.stages):
            if stage.is_local:
                continue  # no model makes its files
            calls = [call for call in self.calls if call.stage == stage.name]
            if self.target.chat:
                yield from self._chat(number, stage, calls)
            elif calls:
                yield from self._pictures(number, stage, calls)

    def _chat(self, number: int, stage: StageSpec, calls: Sequence[StageCall]) -> Iterator[_Setting]:
        own: Where = ("stages", number)
        common = self.pipeline.spec.defaults
        before = stage.model or common.model or self.foundry.model
        if calls:
            self._tell_of_judges(number, stage, before)
        level = self._level(stage.model, common.model, "profile")
        goes = bool(calls) and self.target.takes(before)
        yield _Setting(own, "model", "model", level, before, self.target.pin if goes else before)
        reasoning = stage.reasoning or common.reasoning
        effort = reasoning.effort if reasoning else None
        after = effort
        if goes and self.target.chat:
            old = self.pipeline.chat_models.get(before)
            after = translated_effort(effort, old, self.target.chat, self.answers)
        # Where nothing is given, all stages alike get it under `defaults`.
        level = self._level(stage.reasoning, common.reasoning, "defaults")
        yield _Setting(own, "reasoning", "reasoning", level, effort, after)

    def _tell_of_judges(self, number: int, stage: StageSpec, before: str) -> None:
        """A judge is a measure: it does not go over with what it measures, and one that must is told."""
        for at, output in enumerate(stage.outputs):
            judge = output.checks.judge if output.checks else None
            if judge is None:
                continue
            own = [judge.model] if judge.model else list(judge.judges or ())
            line = self.pipeline.document.line(("stages", number, "outputs", at, "checks", "judge"))
            for model in filter(self.target.takes, own):
                self._note(f"{self.pipeline.path}:{line}: the judge of {stage.name} stays with {model}")
            if not own and self.target.takes(before):
                has = f"the judge of {stage.name} has the stage's model"
                self._note(f"{has}: its scores are by another judge afterwards")

    def _note(self, text: str) -> None:
        self.notes[text] = None

    def _pictures(self, number: int, stage: StageSpec, calls: Sequence[StageCall]) -> Iterator[_Setting]:
        goes, old = False, ""
        for at, tool in enumerate(stage.tools):
            if isinstance(tool, ImageGeneration):
                wires = list(_distinct(call.tools[at] for call in calls))
                old = self._model_of(("stages", number, "tools", at, "model"), wires)
                goes = goes or self.target.takes(old)
                yield from self._tool(("stages", number, "tools", at), tool, wires, old)
        if stage.tool("image_generation"):
            yield self._deployment(number, stage, old, goes=goes)

    def _deployment(self, number: int, stage: StageSpec, old: str, *, goes: bool) -> _Setting:
        common = self.pipeline.spec.defaults.image_deployment
        before = stage.image_deployment or common or self.foundry.image_deployment
        level = self._level(stage.image_deployment, common, "profile" if before else "unset")
        after = before
        if goes:
            after = self.target.deployment or translated_deployment(
                before, old, self.target.name, self.answers
            )
        return _Setting(("stages", number), "image_deployment", "image_deployment", level, before, after)

    def _tool(
        self, own: Where, tool: ImageGeneration, wires: Sequence[Mapping[str, Any]], old: str
    ) -> Iterator[_Setting]:
        goes = self.target.takes(old)
        written = self._written(tool, "model")
        level = self._level(tool.model, self.pipeline.spec.defaults.image_model, "profile")
        before = written if written is not None else old
        yield _Setting(own, "model", "image_model", level, before, self.target.pin if goes else before)
        words = self._words(tool, wires, old) if goes else dict[str, dict[str, str | None]]()
        for option in _OPTIONS:
            text = self._written(tool, option)
            shared = getattr(self.pipeline.spec.defaults, option, None) if option in _COMMON else None
            level = self._level(getattr(tool, option), shared, "unset")
            after = self._rewritten((*own, option), text, words.get(option, {}))
            yield _Setting(own, option, _COMMON.get(option), level, text, after)

    def _words(
        self, tool: ImageGeneration, wires: Sequence[Mapping[str, Any]], old: str
    ) -> Mapping[str, dict[str, str | None]]:
        """Return what each word that a tool may get becomes, by option; also those of a parameter's list."""
        if self.target.image is None:
            return {}
        translator = PictureTranslator(old, self.target.image, self.prices, self.answers, self.notes)
        found = {option: dict[str, str | None]() for option in _OPTIONS}
        for wire in wires:
            for option in _OPTIONS:
                for word in dict.fromkeys((*self._listed(tool, option), wire.get(option))):
                    if word is not None:
                        after = translator.translated({**wire, option: word})
                        found[option][str(word)] = after.get(option, str(word))
        return found

    def _listed(self, tool: ImageGeneration, option: str) -> Sequence[str]:
        """Return the words that the parameter of a template allows."""
        match = _TEMPLATE.fullmatch(str(self._written(tool, option) or ""))
        parameter = self.pipeline.spec.parameters.get(match[1]) if match else None
        return [str(word) for word in parameter.enum or ()] if parameter else []

    def _rewritten(self, where: Where, text: str | None, words: Mapping[str, str | None]) -> str | int | None:
        """Return what is to be written so that each word becomes its translation."""
        changed = {word: after for word, after in words.items() if after != word}
        if not changed:
            return text
        match = _TEMPLATE.fullmatch(text or "")
        if not match:
            after = next(iter(changed.values()))
            return int(after) if after and after.isdecimal() else after
        if None in changed.values():
            raise self._by_hand(where, f"{text} is left out for some rows")
        return f"{{{{ {json.dumps(words, ensure_ascii=False)}[{match[1]}] }}}}"

    def _written(self, tool: ImageGeneration, option: str) -> str | None:
        value = getattr(tool, option)
        if value is None and option in _COMMON:
            value = getattr(self.pipeline.spec.defaults, _COMMON[option])
        return None if value is None else str(value)

    def _model_of(self, where: Where, wires: Sequence[Mapping[str, Any]]) -> str:
        models = dict.fromkeys(str(wire["model"]) for wire in wires)
        if len(models) > 1:
            raise self._by_hand(where, f"the rows decide the model: {', '.join(models)}")
        return next(iter(models))

    @staticmethod
    def _level(own: object, common: object, otherwise: Level) -> Level:
        return "own" if own is not None else "defaults" if common is not None else otherwise

    def _through_parameters(self, changes: Iterable[Splice]) -> Iterator[Splice]:
        """Change a parameter's default instead of the template that names it, where it is a model's."""
        for change in changes:
            before = self._value_at(change.where)
            match = _TEMPLATE.fullmatch(before) if isinstance(before, str) else None
            if not match or change.where[-1] not in {"model", "image_model"}:
                yield change
            elif _PARAMETER.fullmatch(match[1]) and match[1] in self.pipeline.spec.parameters:
                yield Splice(("parameters", match[1], "default"), change.value)
            else:
                raise self._by_hand(change.where, f"{before} decides the model")

    def _value_at(self, where: Where) -> object:
        value: Any = self.pipeline.document.value
        for part in where:
            try:
                value = value[part]
            except (KeyError, IndexError, TypeError):
                return None
        return value

    def _by_hand(self, where: Where, reason: str) -> InvalidSpec:
        document = self.pipeline.document
        return InvalidSpec(
            str(document.path), document.line(where), reason, "change it by hand, then migrate"
        )


def _distinct(wires: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    seen: set[str] = set()
    for wire in wires:
        key = json.dumps(wire, sort_keys=True, default=str)
        if key not in seen:
            seen.add(key)
            yield wire
