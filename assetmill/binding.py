"""From a stage as written to a `StageCall`: templates rendered, inputs digested, options checked.

Reads local files (they are digested here, because their content decides the fingerprint) and nothing else.
"""

from __future__ import annotations

import datetime
import fnmatch
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from assetmill.calls import BoundInput, BoundKnowledge, ExpectedOutput, InputRole, StageCall
from assetmill.fingerprint import canonical, digest
from assetmill.localfiles import blob_of_file
from assetmill.records import AssetId, AssetRecord, BlobRef, StageRecord
from assetmill.spec.axes import AxisValue, slug
from assetmill.spec.checks import SAFE_NAME, variable_name
from assetmill.spec.image_models import parse_size
from assetmill.spec.knowledge import knowledge_files
from assetmill.spec.pipeline import InputSpec, LoadedPipeline, OutputSpec, StageSpec
from assetmill.spec.reading import Problems, Where
from assetmill.spec.templates import TemplateProblem, compile_template
from assetmill.spec.tools import FileSearch, ImageGeneration

DEFAULT_SIZE = "1024x1024"
# `auto` has no bound on what a picture costs, so the default is a word that has one.
DEFAULT_QUALITY = "medium"

Assets = Callable[[AssetId], AssetRecord | None]
Fetch = Callable[[str], Path]
Records = Mapping[str, StageRecord]


@dataclass(frozen=True)
class Defaults:
    """What the profile says about models. `provider` decides when a model counts as retired."""

    model: str
    image_model: str
    image_deployment: str | None = None
    provider: str = "azure"


@dataclass(frozen=True)
class Slot:
    """A stage's variant in its place. `upstream` holds, for each stage whose outputs it sees, their labels."""

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
        return f"{self.spec.name}[{self.variant}]" if self.values else self.spec.name


@dataclass
class Binder:
    """Binds the stages of one plan; files and knowledge sets are digested once."""

    pipeline: LoadedPipeline
    parameters: Mapping[str, Any]
    defaults: Defaults
    today: datetime.date
    assets: Assets
    fetch: Fetch | None
    slots: dict[str, Slot] = field(default_factory=dict[str, Slot])
    warnings: dict[str, None] = field(default_factory=dict[str, None])
    _files: dict[str, BlobRef] = field(default_factory=dict[str, BlobRef])
    _knowledge: dict[str, BoundKnowledge] = field(default_factory=dict[str, BoundKnowledge])
    _checked: set[tuple[Any, ...]] = field(default_factory=set[tuple[Any, ...]])

    def bind(self, slot: Slot, records: Records, problems: Problems) -> StageCall:
        """Return the call with everything known; what is wrong is noted as a problem."""
        return self._call(slot, records, problems, is_draft=False)

    def draft(self, slot: Slot, problems: Problems) -> StageCall:
        """Return the call without what only stages before it can tell; its own part is checked."""
        return self._call(slot, {}, problems, is_draft=True)

    def _call(self, slot: Slot, records: Records, problems: Problems, *, is_draft: bool) -> StageCall:
        stage = slot.spec
        pen = _Pen(self, slot, problems, is_draft)
        pen.variables.update(self.parameters)
        pen.variables.update({axis: value.value for axis, value in slot.values.items()})
        pen.variables["stages"] = {} if is_draft else self._stages(slot, records)
        inputs = tuple(self._inputs(slot, records, pen))
        pen.variables["inputs"] = [entry.name for entry in inputs]
        tools = tuple(self._tools(stage, pen))
        instructions = stage.instructions or self.pipeline.spec.defaults.instructions or ""
        return StageCall(
            pipeline=self.pipeline.name,
            stage=stage.name,
            variant=slot.variant,
            prompt=pen.write(("prompt",), stage.prompt).strip(),
            instructions=pen.write(("instructions",), instructions).strip(),
            model=stage.model or self.pipeline.spec.defaults.model or self.defaults.model,
            image_deployment=self._image_deployment(stage),
            tools=tools,
            inputs=inputs,
            knowledge=tuple(self._knowledge_sets(stage, problems)),
            outputs=tuple(self._outputs(slot, tools, pen)),
            text_format=_text_format(stage),
            tool_choice=stage.tool_choice,
            max_tool_calls=stage.max_tool_calls,
        )

    def _image_deployment(self, stage: StageSpec) -> str | None:
        if not stage.tool("image_generation"):
            return None
        ours = self.pipeline.spec.defaults.image_deployment
        return stage.image_deployment or ours or self.defaults.image_deployment

    def _stages(self, slot: Slot, records: Records) -> dict[str, Any]:
        seen: dict[str, Any] = {}
        for name, labels in slot.upstream.items():
            variants = [_as_variables(records[label], self.slots[label]) for label in labels]
            seen[variable_name(name)] = seen[name] = _gathered(variants, many=name in slot.gathers)
        return seen

    # Inputs ---------------------------------------------------------------------------------------------

    def _inputs(self, slot: Slot, records: Records, pen: _Pen) -> Iterator[BoundInput]:
        names: set[tuple[str, str]] = set()
        for number, entry in enumerate(slot.spec.inputs):
            where: Where = ("inputs", number)
            for bound in self._input(slot, entry, where, records, pen):
                if (bound.role, bound.name) in names:
                    pen.problem(where, f"two inputs are called {bound.name!r}", "give one of them a `name`")
                names.add((bound.role, bound.name))
                yield bound

    def _input(
        self, slot: Slot, entry: InputSpec, where: Where, records: Records, pen: _Pen
    ) -> Iterator[BoundInput]:
        name = pen.write((*where, "name"), entry.name) if entry.name else None
        if entry.from_ is not None:
            if not pen.is_draft:
                glob = pen.write((*where, "output"), entry.output)
                yield from self._from_upstream(slot, entry, where, glob, name, records, pen)
            return
        source = pen.write((*where, "source"), entry.file or entry.asset or entry.url or "")
        if not source or (pen.is_draft and "{{" in source):
            return
        if entry.asset is not None:
            if asset := self._asset(source, where, pen):
                yield _bound(name or asset.name, asset.blob, self._role(slot, entry, asset.blob, where, pen),
                             asset_id=asset.asset_id)  # fmt: skip
        elif path := self._path(source, entry, where, pen):
            if blob := self._blob(path, where, pen):
                yield _bound(
                    name or path.name, blob, self._role(slot, entry, blob, where, pen), path=str(path)
                )

    def _from_upstream(
        self,
        slot: Slot,
        entry: InputSpec,
        where: Where,
        glob: str,
        name: str | None,
        records: Records,
        pen: _Pen,
    ) -> Iterator[BoundInput]:
        found = [
            (label, asset)
            for label in slot.upstream[str(entry.from_)]
            for asset in records[label].outputs
            if asset.role == "output" and fnmatch.fnmatchcase(asset.name, glob)
        ]
        if not found:
            pen.problem(where, f"stage {entry.from_!r} has no output {glob!r}")
        names = [asset.name for _, asset in found]
        for label, asset in found:
            own = name if name and len(found) == 1 else asset.name
            if names.count(asset.name) > 1:
                own = f"{slug(self.slots[label].variant.replace('=', '-'))}-{asset.name}"
            role = self._role(slot, entry, asset.blob, where, pen)
            yield _bound(own, asset.blob, role, asset_id=asset.asset_id)

    def _asset(self, source: str, where: Where, pen: _Pen) -> AssetRecord | None:
        try:
            asset = self.assets(AssetId(source))
        except ValueError:
            asset = None
        if asset is None:
            pen.problem(where, f"no asset {source[:120]!r} in this store")
        return asset

    def _path(self, source: str, entry: InputSpec, where: Where, pen: _Pen) -> Path | None:
        if entry.url is None:
            return self.pipeline.find_file(source)
        if not source.startswith("https://"):
            pen.problem(where, f"not an https address: {source[:120]!r}")
        elif self.fetch is None:
            pen.problem(where, "an address cannot be fetched here", "give a `file:` or an `asset:`")
        else:
            return self.fetch(source)
        return None

    def _blob(self, path: Path, where: Where, pen: _Pen) -> BlobRef | None:
        key = str(path)
        if key not in self._files:
            try:
                self._files[key] = blob_of_file(path)
            except (OSError, ValueError) as error:
                pen.problem(where, f"cannot read {key!r}: {getattr(error, 'strerror', None) or error}")
                return None
        return self._files[key]

    def _role(self, slot: Slot, entry: InputSpec, blob: BlobRef, where: Where, pen: _Pen) -> InputRole:
        is_picture = blob.media_type in ("image/png", "image/jpeg", "image/webp", "image/gif")
        if entry.as_ in ("picture", "mask") and not is_picture:
            pen.problem(where, f"a {entry.as_} cannot be {blob.media_type}")
        if entry.as_:
            return entry.as_
        runs_code = slot.spec.tool("code_interpreter") is not None
        if is_picture and (slot.spec.tool("image_generation") or not runs_code):
            return "picture"
        if not runs_code:
            pen.problem(where, f"no tool reads {blob.media_type}", "add the tool code_interpreter")
        return "container_file"

    # Knowledge ------------------------------------------------------------------------------------------

    def _knowledge_sets(self, stage: StageSpec, problems: Problems) -> Iterator[BoundKnowledge]:
        for tool in stage.tools:
            if isinstance(tool, FileSearch):
                for name in tool.knowledge or tuple(self.pipeline.spec.knowledge):
                    if name not in self._knowledge:
                        self._knowledge[name] = self._knowledge_set(name, problems)
                    yield self._knowledge[name]

    def _knowledge_set(self, name: str, problems: Problems) -> BoundKnowledge:
        files: list[BoundInput] = []
        for path in knowledge_files(self.pipeline, name, self.pipeline.spec.knowledge[name], problems):
            try:
                blob = blob_of_file(path)
            except OSError as error:
                problems.add(("knowledge", name), f"cannot read {str(path)!r}: {error.strerror}")
                continue
            files.append(BoundInput(path.name, "container_file", blob, path=str(path)))
        pairs = [[file.name, file.blob.digest] for file in files]
        return BoundKnowledge(name, digest(canonical(pairs)), tuple(files))

    # Tools and outputs ----------------------------------------------------------------------------------

    def _tools(self, stage: StageSpec, pen: _Pen) -> Iterator[Mapping[str, Any]]:
        for number, tool in enumerate(stage.tools):
            if isinstance(tool, ImageGeneration):
                yield self._image_tool(stage, tool, ("tools", number), pen)
            elif isinstance(tool, FileSearch):
                yield {**tool.wire(), "knowledge": list(tool.knowledge or self.pipeline.spec.knowledge)}
            else:
                yield tool.wire()

    def _image_tool(
        self, stage: StageSpec, tool: ImageGeneration, where: Where, pen: _Pen
    ) -> Mapping[str, Any]:
        common = self.pipeline.spec.defaults
        wire = tool.wire()
        wire.setdefault("model", common.image_model or self.defaults.image_model)
        wire.setdefault("size", common.size or DEFAULT_SIZE)
        wire.setdefault("quality", common.quality or DEFAULT_QUALITY)
        for key, value in wire.items():
            if isinstance(value, str) and "{" in value:
                wire[key] = pen.write((*where, key), value)
        if "output_format" not in wire:
            wire["output_format"] = _format_of(stage, pen)
        self._check_image_tool(where, wire, pen)
        return wire

    def _check_image_tool(self, where: Where, wire: Mapping[str, Any], pen: _Pen) -> None:
        key = (pen.slot.number, *sorted((k, str(v)) for k, v in wire.items()))
        if key in self._checked or (pen.is_draft and any("{{" in str(v) for v in wire.values())):
            return
        self._checked.add(key)
        models = self.pipeline.image_models
        for option, message, hint in models.problems(wire, self.today, self.defaults.provider):
            pen.problem((*where, option), message, hint)
        if warning := models.warning(str(wire["model"]), self.today, self.defaults.provider):
            self.warnings[warning] = None

    def _outputs(
        self, slot: Slot, tools: tuple[Mapping[str, Any], ...], pen: _Pen
    ) -> Iterator[ExpectedOutput]:
        image = next((tool for tool in tools if tool["type"] == "image_generation"), None)
        runs_code = slot.spec.tool("code_interpreter") is not None
        only_image = image if not runs_code else None
        specs = slot.spec.outputs
        if not specs and only_image:
            specs = (OutputSpec(name=f"{slot.spec.name}.{only_image['output_format']}"),)
        for number, output in enumerate(specs):
            where: Where = ("outputs", number)
            expected = _expected(output, where, only_image, pen)
            if output.pattern is None and not image and output.kind != "text":
                expected = _expected(output, where, only_image, pen, pattern=_pattern(expected))
            if only_image and not pen.is_draft:
                _check_against_tool(expected, only_image, where, pen)
            yield expected


@dataclass
class _Pen:
    """Writes one slot's templates and notes its problems. A draft keeps what it cannot render yet."""

    binder: Binder
    slot: Slot
    problems: Problems
    is_draft: bool
    variables: dict[str, Any] = field(default_factory=dict[str, Any])

    def write(self, where: Where, source: str) -> str:
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
        self.problems.add(("stages", self.slot.number, *where), f"{self.slot.label}: {message}", hint)


def _bound(
    name: str, blob: BlobRef, role: InputRole, *, asset_id: AssetId | None = None, path: str | None = None
) -> BoundInput:
    safe = name if SAFE_NAME.fullmatch(name) else slug(name)
    return BoundInput(safe, role, blob, asset_id, path)


def _as_variables(record: StageRecord, slot: Slot) -> dict[str, Any]:
    keys = ("name", "kind", "width", "height")
    return {
        "text": record.text,
        "data": record.data,
        "outputs": [{k: getattr(a, k) for k in keys} for a in record.outputs if a.role == "output"],
        "variant": slot.variant,
        "axes": {axis: value.value for axis, value in slot.values.items()},
    }


def _gathered(variants: list[dict[str, Any]], *, many: bool) -> dict[str, Any]:
    return {
        "text": "\n\n".join(v["text"] for v in variants if v["text"]),
        "data": [v["data"] for v in variants] if many else variants[0]["data"],
        "outputs": [output for v in variants for output in v["outputs"]],
        "variants": variants,
    }


def _text_format(stage: StageSpec) -> dict[str, Any] | None:
    if stage.json_schema is None:
        return None
    schema = stage.json_schema
    required = sorted(map(str, schema.get("required", ())))
    is_strict = schema.get("additionalProperties") is False and required == sorted(schema["properties"])
    name = variable_name(stage.name)
    return {"type": "json_schema", "name": name, "schema": schema, "strict": is_strict}


def _format_of(stage: StageSpec, pen: _Pen) -> str:
    for number, output in enumerate(stage.outputs):
        if output.kind == "picture":
            named = output.format or Path(pen.write(("outputs", number, "name"), output.name)).suffix.lstrip(
                "."
            )
            word = named.lower().replace("jpg", "jpeg")
            return word if word in ("png", "jpeg", "webp") else "png"
    return "png"


def _expected(
    output: OutputSpec, where: Where, image: Mapping[str, Any] | None, pen: _Pen, pattern: str | None = None
) -> ExpectedOutput:
    name = pen.write((*where, "name"), output.name)
    if not pen.is_draft and not SAFE_NAME.fullmatch(name):
        pen.problem(
            (*where, "name"), f"{name[:120]!r} is not a safe file name", "letters, digits, `.`, `_`, `-`"
        )
    size = pen.write((*where, "size"), output.size or str((image or {}).get("size", "")))
    wide = parse_size(size)
    if output.size and not wide and "{" not in size:
        pen.problem((*where, "size"), f"{size!r} is not a size", "write WIDTHxHEIGHT, as 1200x630")
    word = (output.format or Path(name).suffix.lstrip(".")).lower()
    alpha = output.alpha
    if alpha is None and image and image.get("background") == "transparent":
        alpha = True
    return ExpectedOutput(
        kind=output.kind,
        name=name,
        count=output.count,
        pattern=pattern or pen.write((*where, "pattern"), output.pattern or "*"),
        format={"jpg": "jpeg"}.get(word, word) or None,
        width=wide[0] if wide else None,
        height=wide[1] if wide else None,
        has_alpha=alpha,
    )


def _pattern(output: ExpectedOutput) -> str:
    """Code is asked for files by name, so the name finds them."""
    if output.count == 1:
        return output.name
    path = Path(output.name)
    return f"{path.stem}*{path.suffix}"


def _check_against_tool(output: ExpectedOutput, tool: Mapping[str, Any], where: Where, pen: _Pen) -> None:
    size = f"{output.width}x{output.height}"
    if output.width and tool["size"] not in (size, "auto"):
        hint = "let a code_interpreter stage crop or resize it"
        pen.problem((*where, "size"), f"the tool draws {tool['size']}, not {size}", hint)
    if output.format in ("png", "jpeg", "webp") and output.format != tool["output_format"]:
        pen.problem((*where, "format"), f"the tool writes {tool['output_format']}, not {output.format}")


def check_columns(pipeline: LoadedPipeline, slot: Slot, problems: Problems) -> None:
    """Note attributes that a template takes of an axis value which does not have them."""
    for place, source in slot.spec.texts():
        if "{" not in source:
            continue
        template = compile_template(source)
        for axis, value in slot.values.items():
            known: set[str] = set(value.value) if isinstance(value.value, dict) else set()  # pyright: ignore[reportUnknownArgumentType]
            for word in sorted(template.attributes(axis) - known):
                if isinstance(value.value, dict):
                    message = f"axis {axis!r} has no column {word!r}"
                    problems.add(("stages", slot.number, *place), message, ", ".join(sorted(known)))
