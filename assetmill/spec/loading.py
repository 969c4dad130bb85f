"""From a pipeline's name to the pipeline, read and checked: the one way in."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import ValidationError

from assetmill.errors import InvalidSpec, NotFound
from assetmill.project import said_of_installed, warn_of_another_project
from assetmill.spec.checks import check_pipeline
from assetmill.spec.image_models import load_image_models
from assetmill.spec.pipeline import LoadedPipeline, PipelineSpec, spec_keys
from assetmill.spec.reading import Document, Problems, describe, nearest, read_yaml


def load_pipeline(name_or_path: str, configs: Path) -> LoadedPipeline:
    """Read and check a pipeline: a name under `configs/pipelines/`, or a path.

    Raises:
        NotFound: there is no such pipeline.
        InvalidSpec: the file does not hold a valid pipeline; every problem is named with its line.
    """
    return check_document(read_yaml(find_pipeline(name_or_path, configs)), configs)


def check_document(document: Document, configs: Path) -> LoadedPipeline:
    """Return the pipeline that a file's text describes, whether it is in the file yet or not.

    Raises:
        InvalidSpec: it is not valid; every problem is named with its line.
    """
    problems = Problems(document)
    spec = _validated(document, problems)
    loaded = LoadedPipeline(spec, document, load_image_models(configs), configs)
    check_pipeline(loaded, problems)
    problems.raise_if_any()
    return loaded


def find_pipeline(name_or_path: str, configs: Path) -> Path:
    """Return the file of a pipeline.

    Raises:
        NotFound: there is none; the message names the nearest.
    """
    folder = configs / "pipelines"
    is_path = name_or_path.endswith((".yaml", ".yml")) or "/" in name_or_path or "\\" in name_or_path
    if is_path:
        if os.path.exists(name_or_path):
            warn_of_another_project(Path(name_or_path), configs)
            return Path(name_or_path)
        raise NotFound("pipeline file", name_or_path)
    for suffix in (".yaml", ".yml"):
        if name_or_path and os.path.isfile(folder / f"{name_or_path}{suffix}"):
            return folder / f"{name_or_path}{suffix}"
    hint = nearest(name_or_path, pipeline_names(configs))
    raise NotFound("pipeline", name_or_path, f"{hint}{said_of_installed(configs)}")


def pipeline_names(configs: Path) -> tuple[str, ...]:
    """Return the names under `configs/pipelines/`, sorted."""
    return tuple(sorted(p.stem for p in (configs / "pipelines").glob("*.y*ml")))


def _validated(document: Document, problems: Problems) -> PipelineSpec:
    if not isinstance(document.value, dict):
        raise InvalidSpec(str(document.path), 1, "not a pipeline", "begin with `name:` and `stages:`")
    try:
        # Sections that are there are built with the whole; each default would build a validator of its own.
        return PipelineSpec.model_validate({"defaults": {}, **document.value})
    except ValidationError as error:
        describe(error.errors(include_url=False), problems, spec_keys())
        problems.raise_if_any()
        raise
