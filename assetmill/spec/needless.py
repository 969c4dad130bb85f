"""Stages that rent a container for what is made here for nothing: crops, sizes and formats of one picture."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from assetmill.spec.file_kinds import FORMATS, suffix_of
from assetmill.spec.image_models import parse_size
from assetmill.spec.pipeline import InputSpec, LoadedPipeline, OutputSpec, StageSpec

_WORK = re.compile(
    r"\b(crop|resize|scale|fit|convert|shrink|thumbnail|pad|letterbox|rescale)\w*", re.IGNORECASE
)
_OTHER = re.compile(
    r"\b(chart|plot|graph|draw|text|title|caption|font|label|letter(?!box)|logo|overlay|watermark|compos|paste|merge|"
    r"montage|sheet|collage|count|compute|calculat|measure|detect|analy|table|csv|blur|sharpen|colou?r|grey|gray|"
    r"rotate|flip|mirror|shadow|border|frame|animat|describe|list|report|palette|transparen|background|"
    r"bright|contrast|saturat|tint|sepia|round|mask)\w*",
    re.IGNORECASE,
)
"""What a prompt speaks of that asks for more: then the stage is left alone."""

_CODE = re.compile(r"```|\bimport\b|\{%")
_PAD = re.compile(r"\b(pad|letterbox)\w*", re.IGNORECASE)
_DISTORT = re.compile(r"\b(stretch|distort|ignor\w* the aspect|exactly without crop)\w*", re.IGNORECASE)

REPLACED = (
    "prompt",
    "instructions",
    "tools",
    "inputs",
    "outputs",
    "model",
    "reasoning",
    "max_tool_calls",
    "lane",
)
"""The keys of an agent's stage that one with `make` does not have."""


class Needless(NamedTuple):
    """A stage that needs no agent: its number in the file, and what it would make, as a person writes it."""

    number: int
    stage: StageSpec
    entries: tuple[str, ...]


def needless_stages(pipeline: LoadedPipeline) -> Iterator[Needless]:
    """Yield the stages that only do what `make` can, in the order of the file."""
    for number, stage in enumerate(pipeline.spec.stages):
        if entries := _entries(stage):
            yield Needless(number, stage, entries)


def _entries(stage: StageSpec) -> tuple[str, ...]:
    """Return the entries that would do a stage's work; none where it is more than crops and sizes."""
    if not _only_cuts(stage):
        return ()
    source = _source(stage.inputs[0])
    found = [_entry(stage, output, source) for output in stage.outputs]
    return tuple(one for one in found if one) if source and all(found) else ()


def _only_cuts(stage: StageSpec) -> bool:
    if [tool.type for tool in stage.tools] != ["code_interpreter"] or len(stage.inputs) != 1:
        return False
    if stage.json_schema or stage.style or stage.reroll or stage.best_of > 1 or not stage.outputs:
        return False
    prompt = _without_names(stage)
    return bool(_WORK.search(prompt)) and not _OTHER.search(prompt) and not _CODE.search(prompt)


def _without_names(stage: StageSpec) -> str:
    """Return the prompt without the names of files, which may be any words."""
    return re.sub(r"[\w./-]+\.(png|jpe?g|webp|avif|gif)\b", " ", stage.prompt, flags=re.IGNORECASE)


def _source(entry: InputSpec) -> str:
    """Return the word by which entries know the input; "" where it is none that stands by itself."""
    is_plain = entry.from_ is not None and entry.output == "*" and entry.as_ is None
    return str(entry.from_) if is_plain else ""


def _entry(stage: StageSpec, output: OutputSpec, source: str) -> str:
    suffix = suffix_of(output.name)
    is_plain = (
        output.kind == "picture" and output.count == 1 and output.checks is None and output.alpha is None
    )
    if not is_plain or output.pattern or output.format or suffix not in FORMATS or "{" in output.name:
        return ""
    size = parse_size(output.size) if output.size else None
    if size is None:
        return "" if output.size or _asks_for_size(stage) else f"{{from: {source}, save: {output.name}}}"
    return f"{{from: {source}, resize: {size[0]}x{size[1]}, fit: {_fit(stage.prompt)}, save: {output.name}}}"


def _asks_for_size(stage: StageSpec) -> bool:
    return bool(re.search(r"\b(crop|resize|scale|fit|shrink|thumbnail|pad)|\d", stage.prompt, re.IGNORECASE))


def _fit(prompt: str) -> str:
    if _PAD.search(prompt):
        return "pad"
    return "exact" if _DISTORT.search(prompt) else "cover"
