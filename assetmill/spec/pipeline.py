"""What a person writes: the pipeline file as models, and the file as loaded and checked.

Paths in a pipeline file are relative to the file itself; one that is not there is looked for in the working
directory. Templates see the parameters and axes by name, `stages.NAME.text|data|outputs|variants` of the
stages before, and `inputs`, the names of the stage's own input files.
"""

# No postponed annotations here: pydantic would compile and evaluate the text of each at every start.

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, cast, get_args

from pydantic import BaseModel, Field, model_validator

from assetmill.fingerprint import Digest, digest
from assetmill.records import Lane
from assetmill.spec.axes import Axis, AxisSpec
from assetmill.spec.base import SpecModel
from assetmill.spec.chat_models import ChatModel, LaneFacts, load_chat_models, load_lanes
from assetmill.spec.file_kinds import kind_of_name, suffix_of
from assetmill.spec.image_models import ImageModels
from assetmill.spec.later import later
from assetmill.spec.parameters import ParameterSpec
from assetmill.spec.reading import Document, Where
from assetmill.spec.short_forms import TEXT, TEXTS, OneOrMore, ShortForms
from assetmill.spec.tools import TOOLS, AnyTool, DirectDrawing, ImageGeneration, Names

if TYPE_CHECKING:
    from assetmill.spec.approvals import ApprovalTerms
    from assetmill.spec.making import MakeSpec
    from assetmill.spec.output_checks import ChecksSpec
    from assetmill.spec.schedules import Concurrency, ScheduleSpec
else:
    ApprovalTerms = later("assetmill.spec.approvals", "ApprovalTerms")
    MakeSpec = later("assetmill.spec.making", "MakeSpec")
    ChecksSpec = later("assetmill.spec.output_checks", "ChecksSpec")
    Concurrency = later("assetmill.spec.schedules", "Concurrency")
    ScheduleSpec = later("assetmill.spec.schedules", "ScheduleSpec")

NAME = r"^[a-z][a-z0-9_-]{0,62}$"
IDENTIFIER = r"^[a-z][a-z0-9_]{0,62}$"


Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


class ReasoningSpec(SpecModel):
    """How much a model that reasons thinks before it answers: `reasoning: low`."""

    effort: Effort


def _as_effort(value: Any) -> Any:
    return {"effort": value} if isinstance(value, str) else value


Reasoning = Annotated[ReasoningSpec | None, ShortForms(_as_effort, {"enum": list(get_args(Effort))})]


class Defaults(SpecModel):
    """What stages use when they do not say otherwise; the profile fills in what is missing here."""

    model: str | None = None
    reasoning: Reasoning = None
    image_model: str | None = None
    image_deployment: str | None = None
    quality: str | None = None
    size: str | None = None
    instructions: str | None = None
    lane: Lane | None = None


class InputSpec(SpecModel):
    """Something a stage is given: exactly one of `from`, `asset`, `file` and `url`.

    `output` is a glob over the names of the upstream stage's outputs. `as` is how the stage sees it; left
    out, pictures go to the image tool when there is one, and everything else to code interpreter.
    """

    from_: str | None = Field(default=None, alias="from")
    output: str = "*"
    asset: str | None = None
    file: str | None = None
    url: str | None = None
    as_: Literal["picture", "mask", "container_file"] | None = Field(default=None, alias="as")
    name: str | None = None

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        if sum(source is not None for source in (self.from_, self.asset, self.file, self.url)) != 1:
            raise ValueError("give exactly one of from, asset, file, url")
        return self


class OutputSpec(SpecModel):
    """What a stage must produce. `pattern` is a glob over the names of the files that the service made.

    A kind that is left out follows from the name's suffix, or from the format.
    """

    kind: Literal["picture", "chart", "document", "data", "text"] = "picture"
    name: str
    count: int = Field(default=1, ge=1, le=64)
    pattern: str | None = None
    format: str | None = None
    size: str | None = None
    alpha: bool | None = None
    checks: ChecksSpec | None = None
    approval: ApprovalTerms = None

    @model_validator(mode="before")
    @classmethod
    def _has_a_kind(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        given = cast(dict[str, Any], value)
        name, word = given.get("name"), given.get("format")
        if "kind" in given or not isinstance(name, str):
            return given
        said = name if suffix_of(name) or not isinstance(word, str) else f"{name}.{word}"
        return {"kind": kind_of_name(said), **given}

    @model_validator(mode="after")
    def _has_what_is_checked(self) -> Self:
        if self.checks and self.checks.needs_picture and self.kind not in {"picture", "chart"}:
            raise ValueError(f"of {self.kind} only max_bytes can be checked")
        return self


def _axes_by_name(value: Any) -> Any:
    if isinstance(value, str):
        return {value: None}
    return {str(name): None for name in value} if isinstance(value, list) else value  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]


_OF_AGENTS = (
    "prompt", "style", "instructions", "tools", "outputs", "json_schema", "model", "reasoning",
    "image_deployment", "tool_choice", "max_tool_calls", "lane",
)  # fmt: skip
"""What only a stage has that asks an agent."""


class StageSpec(SpecModel):
    """One agent call and the assets it must produce; or with `make` what is made here, for nothing."""

    name: str = Field(pattern=NAME)
    prompt: str = ""
    make: Annotated[tuple[MakeSpec, ...], OneOrMore(Mapping)] = ()
    edition: str | int | None = None
    style: Names = ()
    description: str | None = None
    instructions: str | None = None
    tools: tuple[AnyTool, ...] = ()
    inputs: tuple[InputSpec, ...] = ()
    outputs: tuple[OutputSpec, ...] = ()
    needs: Names = ()
    for_each: Annotated[dict[str, Axis | None], ShortForms(_axes_by_name, TEXT, TEXTS)] = Field(
        default_factory=dict[str, AxisSpec | None]
    )
    json_schema: dict[str, Any] | None = Field(default=None, alias="schema")
    model: str | None = None
    reasoning: Reasoning = None
    image_deployment: str | None = None
    tool_choice: str | None = None
    max_tool_calls: int | None = Field(default=None, ge=1, le=1000)
    lane: Lane | None = None
    reroll: int = Field(default=0, ge=0, le=20)
    best_of: int = Field(default=1, ge=1, le=16)
    approval: ApprovalTerms = None

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> Self:
        if not self.make and not self.prompt:
            raise ValueError("give a prompt for an agent, or make: what is made here")
        given = [name for name in _OF_AGENTS if self.make and name in self.model_fields_set]
        if given or (self.make and (self.reroll or self.best_of > 1)):
            word = {"json_schema": "schema"}.get(given[0], given[0]) if given else "best_of and reroll"
            raise ValueError(f"{word} is for an agent, and this stage makes its files here: leave one out")
        if self.edition is not None and not self.make:
            raise ValueError("edition is of a stage with make: a new one makes it again")
        return self

    @property
    def is_local(self) -> bool:
        """Whether it is carried out here, without any service."""
        return bool(self.make)

    @cached_property
    def given(self) -> tuple[InputSpec, ...]:
        """Its inputs; those of a local stage also as what its entries name stages before."""
        if not self.make:
            return self.inputs
        own = {word for entry in self.inputs for word in input_words(entry)}
        named = dict.fromkeys(
            source
            for number, entry in enumerate(self.make)
            for source in entry.sources
            if source[0] not in own and not any(source[0] in one.results for one in self.make[:number])
        )
        return (*self.inputs, *(InputSpec.model_validate({"from": w, "output": g}) for w, g in named))

    def tool(self, kind: str) -> AnyTool | None:
        """Return the first tool of that type."""
        return next((tool for tool in self.tools if tool.type == kind), None)

    @property
    def needs_approval(self) -> bool:
        """Whether reviewers must approve some of what it makes."""
        return self.approval is not None or any(output.approval for output in self.outputs)

    @property
    def has_draws(self) -> bool:
        """Whether what it makes is the choice among draws."""
        return self.best_of > 1 or self.reroll > 0 or any(output.checks for output in self.outputs)

    @property
    def drawing(self) -> AnyTool | None:
        """The tool that draws: an agent's, or the call of an image model itself."""
        return self.tool("image_generation") or self.tool("image_model")

    def texts(self) -> Iterator[tuple[Where, str]]:
        """Yield every text that may be a template, with its place under the stage."""
        if self.prompt:
            yield ("prompt",), self.prompt
        for number, kit in enumerate(self.style):
            yield ("style", number), kit
        if self.instructions:
            yield ("instructions",), self.instructions
        for number, tool in enumerate(self.tools):
            if isinstance(tool, ImageGeneration | DirectDrawing):
                yield from _texts(("tools", number), tool)
        for number, entry in enumerate(self.inputs):
            yield from _texts(("inputs", number), entry)
        for number, output in enumerate(self.outputs):
            yield from _texts(("outputs", number), output)
            if output.checks:
                yield from output.checks.texts(("outputs", number, "checks"))
        for number, made in enumerate(self.make):
            yield from made.texts(("make", number))


def input_words(entry: InputSpec) -> tuple[str, ...]:
    """Return by which words a local stage's entries know an input."""
    if entry.name:
        return (entry.name,)
    if entry.from_:
        return (entry.from_,)
    name = (entry.file or entry.url or entry.asset or "").rpartition("/")[2]
    return name, name.rpartition(".")[0] or name


def _texts(where: Where, model: BaseModel) -> Iterator[tuple[Where, str]]:
    for key, value in model:
        if isinstance(value, str) and "{" in value:
            yield (*where, key.rstrip("_")), value


class PipelineSpec(SpecModel):
    """A pipeline file."""

    name: str = Field(pattern=NAME)
    description: str = ""
    parameters: dict[str, ParameterSpec] = Field(default_factory=dict[str, ParameterSpec])
    knowledge: dict[str, Names] = Field(default_factory=dict[str, Names])
    defaults: Defaults = Field(default_factory=Defaults)
    axes: dict[str, Axis] = Field(default_factory=dict[str, AxisSpec])
    schedules: tuple[ScheduleSpec, ...] = ()
    concurrency: Concurrency = None
    stages: tuple[StageSpec, ...] = Field(min_length=1)

    @property
    def needs_approval(self) -> bool:
        """Whether reviewers must approve some of what it makes."""
        return any(stage.needs_approval for stage in self.stages)

    @property
    def hears_reviewers(self) -> bool:
        """Whether a reviewer's word can say what is taken of what it makes."""
        return any(stage.needs_approval or stage.has_draws for stage in self.stages)


@dataclass(frozen=True)
class LoadedPipeline:
    """A checked pipeline file, with what is needed to plan it and to point at its lines."""

    spec: PipelineSpec
    document: Document
    image_models: ImageModels
    configs: Path = Path("configs")

    @property
    def name(self) -> str:
        """The pipeline's name."""
        return self.spec.name

    @property
    def path(self) -> Path:
        """The file."""
        return self.document.path

    @cached_property
    def digest(self) -> Digest:
        """The digest of the file's bytes."""
        return digest(self.document.source)

    @cached_property
    def chat_models(self) -> Mapping[str, ChatModel]:
        """The table of chat models."""
        return load_chat_models(self.configs)

    @cached_property
    def lanes(self) -> Mapping[str, LaneFacts]:
        """What is known of the lanes beside the normal one."""
        return load_lanes(self.configs)

    @cached_property
    def compares_pictures(self) -> bool:
        """Whether a stage's pictures are held against all others of the run."""
        asked = (output.checks for stage in self.spec.stages for output in stage.outputs)
        return any(one and one.not_duplicate and one.not_duplicate.among == "run" for one in asked)

    @cached_property
    def axes(self) -> Mapping[str, tuple[AxisSpec, Where]]:
        """Every axis by name, with the place that defines it: the pipeline's own and those of its stages."""
        found: dict[str, tuple[AxisSpec, Where]] = {n: (a, ("axes", n)) for n, a in self.spec.axes.items()}
        for number, stage in enumerate(self.spec.stages):
            for name, axis in stage.for_each.items():
                if axis is not None:
                    found.setdefault(name, (axis, ("stages", number, "for_each", name)))
        return found

    def find_file(self, written: str) -> Path:
        """Return the file that a path in the pipeline file means."""
        beside = self.path.parent / written
        # os.path answers for names that no file system takes; Path.exists raises.
        return beside if os.path.exists(beside) or not os.path.exists(written) else Path(written)


def spec_keys() -> Mapping[str, frozenset[str]]:
    """Return the words that each part of a pipeline file knows, by the part's name."""
    from assetmill.spec.approvals import ApprovalSpec
    from assetmill.spec.making import MakeSpec
    from assetmill.spec.output_checks import ChecksSpec, DuplicateCheck, JudgeCheck, PaletteCheck, TextCheck
    from assetmill.spec.schedules import BatchSpec, ConcurrencySpec, ScheduleSpec

    models: dict[str, type[BaseModel]] = {
        "": PipelineSpec, "stages": StageSpec, "inputs": InputSpec, "outputs": OutputSpec,
        "schedules": ScheduleSpec, "batch": BatchSpec, "concurrency": ConcurrencySpec,
        "defaults": Defaults, "parameters": ParameterSpec, "axes": AxisSpec, "for_each": AxisSpec,
        "checks": ChecksSpec, "not_duplicate": DuplicateCheck, "palette": PaletteCheck, "text": TextCheck,
        "make": MakeSpec, "judge": JudgeCheck, "approval": ApprovalSpec, "reasoning": ReasoningSpec, **TOOLS,
    }  # fmt: skip
    keys = {part: frozenset(f.alias or n for n, f in m.model_fields.items()) for part, m in models.items()}
    return {**keys, "tools": frozenset(TOOLS)}
