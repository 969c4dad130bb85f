"""Warnings about prompts and judges: things that are valid, cost money, and rarely give what was meant.

Of prompts only those of stages that draw are looked at. Templates are read as written: `{{ product }}` counts
as something said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from assetmill.errors import InvalidSpec, NotFound
from assetmill.spec import prompt_words as words
from assetmill.spec.image_models import parse_size
from assetmill.spec.judge_remarks import judge_remarks
from assetmill.spec.pipeline import LoadedPipeline, StageSpec
from assetmill.spec.reading import Where
from assetmill.spec.styles import LoadedStyle, load_style
from assetmill.spec.tools import ImageGeneration


@dataclass(frozen=True)
class Remark:
    """One remark on a prompt; `line` is None when the file's place is not known."""

    path: str
    line: int | None
    message: str
    hint: str

    def __str__(self) -> str:
        where = f"{self.path}:{self.line}" if self.line else self.path
        return f"{where}: {self.message} ({self.hint})"


def lint(pipeline: LoadedPipeline) -> tuple[Remark, ...]:
    """Return what is doubtful about a pipeline's prompts and judges, in the order of the file."""
    found = [
        remark
        for number, stage in enumerate(pipeline.spec.stages)
        if isinstance(tool := stage.tool("image_generation"), ImageGeneration)
        for remark in _Linter(pipeline, number, stage, tool).warnings()
    ]
    path = str(pipeline.path)
    found += [Remark(path, line, message, hint) for line, message, hint in judge_remarks(pipeline)]
    return tuple(sorted(found, key=lambda remark: remark.line or 0))


class _Linter:
    """One stage's prompt beside its image tool."""

    def __init__(
        self, pipeline: LoadedPipeline, number: int, stage: StageSpec, tool: ImageGeneration
    ) -> None:
        self.pipeline, self.stage, self.tool = pipeline, stage, tool
        self.where: Where = ("stages", number)
        self.kits = list(self._kits())
        self.draws_alone = stage.tool("code_interpreter") is None
        self.has_pictures = any(entry.as_ != "container_file" for entry in stage.inputs)
        self.edits = tool.action == "edit" or (tool.action != "generate" and self.has_pictures)

    def _kits(self) -> Iterator[LoadedStyle]:
        for name in self.stage.style:
            try:
                yield load_style(name, self.pipeline.configs)
            except (NotFound, InvalidSpec):
                continue  # templated, or reported as an error when the file is loaded

    def warnings(self) -> Iterator[Remark]:
        yield from self._subject_and_style()
        yield from self._shape()
        yield from self._sizes()
        yield from self._background()
        yield from self._format()
        yield from self._action()
        yield from self._lettering()

    def _warn(self, message: str, hint: str, offset: int | None = None) -> Remark:
        where = (*self.where, "prompt")
        line, prompt = self.pipeline.document.line(where), self.stage.prompt
        if line and offset is not None and "\n" in prompt.rstrip("\n"):
            line += 1 + prompt[:offset].count("\n")
        return Remark(str(self.pipeline.path), line, f"stage {self.stage.name!r}: {message}", hint)

    def _find(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Return the first place in the prompt that says so, and does not say the opposite."""
        prompt = self.stage.prompt
        hits = pattern.finditer(prompt)
        return next(
            (hit for hit in hits if not words.NOT.search(prompt[max(0, hit.start() - 60) : hit.start()])),
            None,
        )

    def _subject_and_style(self) -> Iterator[Remark]:
        prompt = self.stage.prompt
        said_words = {
            word.lower() for word in words.WORD.findall(words.STYLE.sub(" ", words.TEMPLATE.sub(" ", prompt)))
        }
        says_what = (
            bool(said_words - words.EMPTY)
            or "{{" in prompt
            or any("subject" in k.kit.parts() for k in self.kits)
        )
        if not says_what:
            yield self._warn("the prompt does not say what to show", "name the subject")
        said = f"{prompt} {self.stage.instructions or self.pipeline.spec.defaults.instructions or ''}"
        has_style = bool(words.STYLE.search(said)) or bool(self.stage.style)
        if not has_style and not self.edits:
            yield self._warn("the prompt does not say in which style", "name a kit: `style: flat-vector`")

    @property
    def _drawn_size(self) -> tuple[int, int] | None:
        return parse_size(self.tool.size or self.pipeline.spec.defaults.size or "1024x1024")

    def _shape(self) -> Iterator[Remark]:
        if self._drawn_size is None:
            return
        width, height = self._drawn_size
        drawn = "square" if width == height else "wide" if width > height else "tall"
        for pattern, shape in words.SHAPES:
            if shape != drawn and self.draws_alone and (hit := self._find(pattern)):
                message = f"the prompt asks for {hit[0]!r}, the tool draws {width}x{height}"
                yield self._warn(message, f"give the tool a {shape} `size`", hit.start())
                return

    def _sizes(self) -> Iterator[Remark]:
        if self._drawn_size is None or not self.draws_alone:
            return
        for hit in words.SIZE.finditer(self.stage.prompt):
            if (int(hit[1]), int(hit[2])) != self._drawn_size:
                drawn = "x".join(map(str, self._drawn_size))
                hint = "give the tool that `size`, or let a code_interpreter stage crop it"
                yield self._warn(f"the prompt says {hit[0]}, the tool draws {drawn}", hint, hit.start())

    def _background(self) -> Iterator[Remark]:
        hit = self._find(words.CLEAR)
        if hit is None:
            return
        if self.tool.output_format == "jpeg" or any(
            o.name.endswith((".jpg", ".jpeg")) for o in self.stage.outputs
        ):
            message = "the prompt wants a transparent background, jpeg has none"
            yield self._warn(message, "use output_format png or webp", hit.start())
        elif self.tool.background != "transparent":
            message = "the prompt wants a transparent background, the tool is not told"
            yield self._warn(message, "add `background: transparent` to the tool", hit.start())

    def _format(self) -> Iterator[Remark]:
        hit = self._find(words.FORMAT)
        if hit is None or not self.draws_alone:
            return
        asked = hit[1].lower().replace("jpg", "jpeg")
        named = {output.name.rpartition(".")[2].replace("jpg", "jpeg") for output in self.stage.outputs}
        drawn = (
            {self.tool.output_format}
            if self.tool.output_format
            else named & {"png", "jpeg", "webp"} or {"png"}
        )
        if asked not in drawn:
            message = f"the prompt asks for {asked}, the tool writes {', '.join(sorted(map(str, drawn)))}"
            yield self._warn(message, "the tool's `output_format` decides, not the prompt", hit.start())

    def _action(self) -> Iterator[Remark]:
        edit = re.match(r"\W*(edit|retouch|recolou?r)\b", self.stage.prompt, re.IGNORECASE)
        if edit and self.tool.action == "generate":
            yield self._warn("the prompt edits, the tool's action is generate", "use `action: edit`", 0)
        elif edit and not self.stage.inputs:
            yield self._warn("the prompt edits, but the stage is given no picture", "add it to `inputs:`", 0)
        elif self.tool.action == "edit" and not self.stage.inputs:
            yield self._warn("the tool's action is edit, but there is no picture", "add it to `inputs:`")

    def _lettering(self) -> Iterator[Remark]:
        for hit in words.LETTERING.finditer(self.stage.prompt):
            is_long = "{{" in hit[2] or len(hit[2].split()) > words.LONG_TEXT_WORDS
            if is_long and not words.NOT.search(self.stage.prompt[max(0, hit.start() - 60) : hit.start()]):
                hint = (
                    "lay it over in a code_interpreter stage: it is spelt right and can be changed for free"
                )
                yield self._warn(f"the picture is to hold the text {hit[2][:60]!r}", hint, hit.start(2))
