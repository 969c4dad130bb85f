"""From a stage as written to a `StageCall`: templates rendered, inputs digested, options checked.

Reads local files (they are digested here, because their content decides the fingerprint) and nothing else.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from assetmill.errors import InvalidInput
from assetmill.fingerprint import Digest
from assetmill.plan.calls import EMULATED, REJECTED, BoundInput, BoundKnowledge, StageCall
from assetmill.plan.inputs import Inputs
from assetmill.plan.laning import LaneRules, obstacle
from assetmill.plan.outputs import acceptance, expected_outputs, picture_format
from assetmill.plan.rounds import Rejections, quoted
from assetmill.plan.slots import Pen, Slot, is_open
from assetmill.plan.styling import Styling
from assetmill.plan.variables import stage_variables
from assetmill.records import Lane, StageRecord
from assetmill.settings import Settings
from assetmill.spec.checks import REJECTION, variable_name
from assetmill.spec.functions import find_function
from assetmill.spec.image_models import direct_problems
from assetmill.spec.lifetimes import Lifetime, ToldEnd
from assetmill.spec.pipeline import LoadedPipeline, StageSpec
from assetmill.spec.reading import Problems, Where
from assetmill.spec.tools import DirectDrawing, FileSearch, Function, ImageGeneration

DEFAULT_SIZE = "1024x1024"
# `auto` has no bound on what a picture costs, so the default is a word that has one.
DEFAULT_QUALITY = "medium"


@dataclass(frozen=True)
class ProfileDefaults:
    """What the profile says about models. `provider` decides when a model counts as retired.

    `is_emulated`: what the emulator makes must never pass for what the real service would have made.
    """

    model: str
    image_model: str
    image_deployment: str | None = None
    provider: str = "azure"
    is_emulated: bool = False
    lanes: LaneRules = field(default_factory=LaneRules)
    told: Mapping[str, ToldEnd] = field(default_factory=dict[str, ToldEnd])
    """What the endpoint told of its models' ends, by the names that requests use."""

    @classmethod
    def of(
        cls, settings: Settings, told: Mapping[str, ToldEnd] | None = None, *, has_hour: bool = False
    ) -> ProfileDefaults:
        """Return what a profile says, with what its endpoint told.

        `has_hour`: what is planned is to be done by an hour, and cheaply.
        """
        foundry, is_emulated = settings.foundry, settings.uses_emulator
        return cls(
            foundry.model,
            foundry.image_model,
            foundry.image_deployment,
            foundry.provider,
            is_emulated=is_emulated,
            lanes=LaneRules.of(foundry, is_emulated=is_emulated, has_hour=has_hour),
            told=told or {},
        )

    def told_of(self, *names: str | None) -> ToldEnd | None:
        """Return what the endpoint told of the first of these that it said something of."""
        found = (self.told.get(name) for name in names if name)
        return next((one for one in found if one and one.says_something), None)


@dataclass
class Binder:
    """Binds the stages of one plan. `warnings` fills as models are met that are retired soon."""

    pipeline: LoadedPipeline
    parameters: Mapping[str, Any]
    defaults: ProfileDefaults
    today: datetime.date
    inputs: Inputs
    slots: Mapping[str, Slot]
    warnings: dict[str, None] = field(default_factory=dict[str, None])
    _checked: set[tuple[Any, ...]] = field(default_factory=set[tuple[Any, ...]])
    _sources: dict[str, Digest] = field(default_factory=dict[str, Digest])
    obstacles: dict[str, None] = field(default_factory=dict[str, None])
    """Why stages do not go in the lane that their default, or an hour, asks for."""

    def bind(
        self,
        slot: Slot,
        records: Mapping[str, StageRecord],
        problems: Problems,
        rejections: Rejections = (),
    ) -> StageCall:
        """Return the call with everything known; what is wrong is noted as a problem.

        `rejections` are the rounds before, where reviewers have rejected what was drawn.
        """
        pen = Pen(slot, problems, is_draft=False)
        pen.variables["stages"] = stage_variables(slot, records, self.slots)
        return self._call(pen, records, rejections)

    def draft(self, slot: Slot, problems: Problems) -> StageCall:
        """Return the call without what only stages before it can tell; its own part is checked."""
        return self._call(Pen(slot, problems, is_draft=True), {})

    def _call(self, pen: Pen, records: Mapping[str, StageRecord], rejections: Rejections = ()) -> StageCall:
        slot, stage = pen.slot, pen.slot.spec
        if stage.needs_approval:
            pen.variables[REJECTION] = {"reason": quoted(rejections[-1][1]) if rejections else ""}
        pen.variables.update(self.parameters)
        pen.variables.update({axis: value.value for axis, value in slot.values.items()})
        if stage.is_local:
            # It writes letters to measure them, which no other stage needs.
            from assetmill.plan.local_calls import local_call

            return local_call(self.pipeline.name, pen, self.inputs, records)
        inputs = tuple(self.inputs.bound(pen, records))
        pen.variables["inputs"] = [entry.name for entry in inputs]
        model = self._model(stage, pen)
        instructions, effort = self._for_agent(stage, model, pen)
        styled = self._styling.dress(pen.write(("prompt",), stage.prompt).strip(), pen, inputs)
        given = (*inputs, *styled.references)
        tools = tuple(self._tools(stage, pen, given))
        return StageCall(
            pipeline=self.pipeline.name,
            stage=stage.name,
            variant=slot.variant,
            prompt=styled.prompt,
            instructions=pen.write(("instructions",), instructions).strip(),
            model=model,
            image_deployment=self._image_deployment(stage),
            tools=tools,
            inputs=given,
            knowledge=tuple(self._knowledge(stage, pen.problems)),
            outputs=tuple(expected_outputs(pen, tools)),
            acceptance=acceptance(pen),
            text_format=_text_format(stage),
            tool_choice=stage.tool_choice,
            max_tool_calls=stage.max_tool_calls,
            effort=effort,
            lane=self._lane(stage, model, tools, pen),
            extra={
                **dict(self._extra(stage, pen)),
                **({"styles": styled.digests} if styled.digests else {}),
                **({REJECTED: [list(one) for one in rejections]} if rejections else {}),
            },
            folder=str(self._folder),
        )

    def _model(self, stage: StageSpec, pen: Pen) -> str:
        """Return the model deployment that is called: the agent's, or that of an image model itself."""
        tool = stage.tool("image_model")
        if not isinstance(tool, DirectDrawing):
            return stage.model or self.pipeline.spec.defaults.model or self.defaults.model
        where = ("tools", stage.tools.index(tool))
        if tool.deployment:
            return pen.write((*where, "deployment"), tool.deployment)
        return pen.write((*where, "model"), tool.model)

    def _for_agent(self, stage: StageSpec, model: str, pen: Pen) -> tuple[str, str | None]:
        """Return what only an agent is told: its instructions and its effort of reasoning."""
        common = self.pipeline.spec.defaults.instructions
        if not stage.tool("image_model"):
            return stage.instructions or common or "", self._effort(stage, model, pen)
        self.warnings[
            f"stage {stage.name!r} calls an image model itself: it is sent at most once, and if its reply is "
            "lost only a person can decide (docs/image-models.md)"
        ] = None
        if common:
            said = f"stage {stage.name!r} calls an image model itself: the pipeline's instructions go past it"
            self.warnings[said] = None
        return "", None

    def _effort(self, stage: StageSpec, model: str, pen: Pen) -> str | None:
        """Return the effort of reasoning; a model that is known not to reason is a problem."""
        known = self.pipeline.chat_models.get(model)
        self._warn_of_end(model, known.lifetime if known else None)
        reasoning = stage.reasoning or self.pipeline.spec.defaults.reasoning
        if reasoning is None:
            return None
        if known and not known.reasons:
            pen.problem(
                ("reasoning",), f"{model} does not reason", "leave reasoning out, or use another model"
            )
        return reasoning.effort

    def _lane(self, stage: StageSpec, model: str, tools: tuple[Mapping[str, Any], ...], pen: Pen) -> Lane:
        """Return the lane in which a stage may go; one that it names itself must be there for it."""
        rules = self.defaults.lanes
        common = self.pipeline.spec.defaults.lane or rules.lane
        wanted = stage.lane or common or ("flex" if rules.has_hour else "now")
        if wanted == "now":
            return wanted
        reason = obstacle(
            wanted,
            model,
            known=self.pipeline.chat_models.get(model),
            facts=self.pipeline.lanes,
            provider=self.defaults.provider,
            rules=rules,
            tools=tools,
        )
        if not reason:
            return wanted
        self.obstacles[reason] = None
        if stage.lane:
            pen.problem(("lane",), reason, "leave lane out, or write lane: now")
        elif wanted == "batch" and self.pipeline.spec.defaults.lane:
            pen.problems.add(("defaults", "lane"), reason, "write lane: flex, which stages take that can")
        elif wanted == "batch":
            pen.problem((), f"{reason}; profile: foundry.lane", 'write lane = "flex", or leave it out')
        elif common:
            self.warnings[f"{stage.name} goes in the normal lane: {reason}"] = None
        return "now"

    def _warn_of_end(self, model: str, lifetime: Lifetime | None) -> None:
        provider = self.defaults.provider
        if told := self.defaults.told_of(model):
            replacement = lifetime.replaced_by(provider) if lifetime else ""
            warning = told.warning("model", model, self.today, replacement)
        else:
            warning = lifetime.warning("model", model, self.today, provider) if lifetime else None
        if warning:
            self.warnings[warning] = None

    @cached_property
    def _styling(self) -> Styling:
        return Styling(self.pipeline, self.inputs)

    @property
    def _folder(self) -> Path:
        return self.pipeline.path.parent.absolute()

    def _extra(self, stage: StageSpec, pen: Pen) -> Iterator[tuple[str, Any]]:
        """Yield what decides beside the call's own fields: the service's kind, the code of its functions."""
        if self.defaults.is_emulated:
            yield EMULATED
        functions = {
            tool.function: self._source(tool.function, ("tools", number), pen)
            for number, tool in enumerate(stage.tools)
            if isinstance(tool, Function)
        }
        if functions:
            yield "functions", functions

    def _source(self, reference: str, where: Where, pen: Pen) -> Digest | None:
        """Return the digest of a function's module; one that is not there is a problem before any spend."""
        if reference not in self._sources:
            try:
                self._sources[reference] = find_function(reference, self._folder).digest
            except InvalidInput as error:
                pen.problem((*where, "function"), str(error), "write module:function")
        return self._sources.get(reference)

    def _image_deployment(self, stage: StageSpec) -> str | None:
        if not stage.tool("image_generation"):
            return None
        common = self.pipeline.spec.defaults.image_deployment
        return stage.image_deployment or common or self.defaults.image_deployment

    def _knowledge(self, stage: StageSpec, problems: Problems) -> Iterator[BoundKnowledge]:
        for tool in stage.tools:
            if isinstance(tool, FileSearch):
                for name in self._set_names(tool):
                    yield self.inputs.knowledge_set(name, problems)

    def _set_names(self, tool: FileSearch) -> tuple[str, ...]:
        return tool.knowledge or tuple(self.pipeline.spec.knowledge)

    def _tools(
        self, stage: StageSpec, pen: Pen, inputs: tuple[BoundInput, ...]
    ) -> Iterator[Mapping[str, Any]]:
        for number, tool in enumerate(stage.tools):
            if isinstance(tool, ImageGeneration):
                yield self._image_tool(tool, ("tools", number), pen)
            elif isinstance(tool, DirectDrawing):
                yield self._direct_tool(tool, ("tools", number), pen, inputs)
            elif isinstance(tool, FileSearch):
                yield {**tool.wire(), "knowledge": list(self._set_names(tool))}
            else:
                yield tool.wire()

    def _image_tool(self, tool: ImageGeneration, where: Where, pen: Pen) -> Mapping[str, Any]:
        common = self.pipeline.spec.defaults
        wire = tool.wire()
        wire.setdefault("model", common.image_model or self.defaults.image_model)
        wire.setdefault("size", common.size or DEFAULT_SIZE)
        wire.setdefault("quality", common.quality or DEFAULT_QUALITY)
        for key, value in wire.items():
            if isinstance(value, str):
                wire[key] = pen.write((*where, key), value)
        if "output_format" not in wire:
            wire["output_format"] = picture_format(pen)
        self._check_image_tool(where, wire, pen)
        return wire

    def _direct_tool(
        self, tool: DirectDrawing, where: Where, pen: Pen, inputs: tuple[BoundInput, ...]
    ) -> Mapping[str, Any]:
        """Return what an image model is asked for itself."""
        common, wire = self.pipeline.spec.defaults, tool.wire()
        for key, value in wire.items():
            wire[key] = pen.write((*where, key), value)
        model = self.pipeline.image_models.find(wire["model"])
        edits = bool(pen.slot.spec.inputs or inputs)
        if model is None or model.takes_size(edits=edits):
            wire.setdefault("size", pen.write((*where, "size"), common.size or DEFAULT_SIZE))
        if "output_format" not in wire:
            wire["output_format"] = picture_format(pen)
        self._check_image_tool(where, wire, pen)
        for option, message, hint in direct_problems(model, wire, edits=edits, pictures=len(inputs)):
            pen.problem((*where, option), message, hint)
        return wire

    def _check_image_tool(self, where: Where, wire: Mapping[str, Any], pen: Pen) -> None:
        values = {key: str(value) for key, value in wire.items()}
        key = (pen.slot.number, *sorted(values.items()))
        if key in self._checked or any(is_open(value) for value in values.values()):
            return
        self._checked.add(key)
        models, provider = self.pipeline.image_models, self.defaults.provider
        # The emulator serves what its project has: a day at the real service is told, and stops nothing.
        told = self.defaults.told_of(self._image_deployment(pen.slot.spec), values["model"])
        # What the endpoint told stops nothing either: it may have been told otherwise since.
        day = None if self.defaults.is_emulated or told else self.today
        for option, message, hint in models.problems(wire, day, provider):
            if place := self._default_place(pen.slot.spec, option):
                pen.problems.add(place, message, hint)
            else:
                pen.problem((*where, option), message, hint)
        if warning := models.warning(values["model"], self.today, provider, told):
            self.warnings[warning] = None
        model = models.find(values["model"])
        if model and model.complexity and "complexity" not in wire:
            said = f"{model.name} plans its pictures by the agent's effort: set complexity beside reasoning"
            self.warnings[said] = None

    def _default_place(self, stage: StageSpec, option: str) -> Where | None:
        """Return where the pipeline's defaults give an option of the tool that draws, if they do."""
        key = {"model": "image_model", "size": "size", "quality": "quality"}.get(option)
        given = key is not None and getattr(self.pipeline.spec.defaults, key) is not None
        return ("defaults", str(key)) if given and getattr(stage.drawing, option) is None else None


def _text_format(stage: StageSpec) -> dict[str, Any] | None:
    if stage.json_schema is None:
        return None
    schema = stage.json_schema
    required = sorted(map(str, schema.get("required", ())))
    is_strict = schema.get("additionalProperties") is False and required == sorted(schema["properties"])
    name = variable_name(stage.name)
    return {"type": "json_schema", "name": name, "schema": schema, "strict": is_strict}
