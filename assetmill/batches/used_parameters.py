"""Which parameters of a row decide what: its variants, and each of its stages."""

from __future__ import annotations

from assetmill.spec.checks import template_of
from assetmill.spec.pipeline import LoadedPipeline, StageSpec


def used_parameters(pipeline: LoadedPipeline, stage: StageSpec) -> tuple[str, ...]:
    """Return the parameters that a stage's own texts name."""
    common = pipeline.spec.defaults
    texts = [source for _, source in stage.texts()]
    texts += [text for text in (common.instructions, common.size, common.quality) if text]
    named = _named(texts)
    return tuple(name for name in pipeline.spec.parameters if name in named)


def axis_parameters(pipeline: LoadedPipeline) -> tuple[str, ...]:
    """Return the parameters that decide which variants there are."""
    axes = [axis for axis, _ in pipeline.axes.values()]
    named = _named([axis.rows for axis in axes if axis.rows])
    named |= {axis.parameter for axis in axes if axis.parameter}
    return tuple(name for name in pipeline.spec.parameters if name in named)


def _named(texts: list[str]) -> set[str]:
    return {name for text in texts if (template := template_of(text)) for name in template.names}
