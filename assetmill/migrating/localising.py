"""A pipeline's stages that need no agent rewritten so that they are made here; comments stay."""

from __future__ import annotations

from assetmill.migrating.splicing import with_lines
from assetmill.spec.loading import check_document
from assetmill.spec.needless import REPLACED, needless_stages
from assetmill.spec.pipeline import LoadedPipeline
from assetmill.spec.reading import parse_yaml


def localised(pipeline: LoadedPipeline) -> bytes:
    """Return the pipeline's file with every stage that needs no agent made here instead.

    Raises:
        InvalidSpec: a place that cannot be changed without a person, with its line.
    """
    document = pipeline.document
    # From the last one on: the places of those before stay.
    for one in reversed(list(needless_stages(pipeline))):
        lines = ("make:", *(f"  - {entry}" for entry in one.entries))
        source = with_lines(document, ("stages", one.number), REPLACED, lines)
        document = parse_yaml(document.path, source)
    check_document(document, pipeline.configs)
    return document.source
