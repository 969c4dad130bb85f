"""Who in a project uses which model, and the line of ours that names it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from assetmill.locking.lockfile import NAME, read_lock
from assetmill.locking.offline_plan import pipeline_of
from assetmill.settings import Settings, config_file, load_settings
from assetmill.spec.loading import load_pipeline, pipeline_names
from assetmill.spec.pipeline import LoadedPipeline, StageSpec
from assetmill.spec.reading import Where
from assetmill.spec.tools import DirectDrawing, ImageGeneration

UseKind = Literal["profile", "pipeline", "schedule", "lock"]
_ONE_PARAMETER = re.compile(r"\{\{\s*([a-z][a-z0-9_]*)\s*\}\}")


class Use(NamedTuple):
    """Something of ours that uses a model. `place` is what must change to use another."""

    kind: UseKind
    name: str
    model: str
    place: str


def uses_of(settings: Settings, root: Path) -> tuple[Use, ...]:
    """Return every use of a model in a project: its profiles, pipelines, schedules and locked folders.

    A pipeline that names no model follows the profile.

    Raises:
        InvalidInput: a profile, a pipeline or the lock is not valid.
    """
    found: list[Use] = []
    folder = config_file(settings.configs, "profiles")
    for path in sorted(folder.glob("*.toml")):
        found += _profile_uses(load_settings(path.stem, {"ASSETMILL_CONFIGS": str(settings.configs)}))
    for name in pipeline_names(settings.configs):
        pipeline = load_pipeline(name, settings.configs)
        found += _pipeline_uses("pipeline", name, pipeline, settings)
        for number, schedule in enumerate(pipeline.spec.schedules, start=1):
            called = f"{name}/{schedule.name or number}"
            found += _pipeline_uses("schedule", called, pipeline, settings)
    return tuple(dict.fromkeys([*found, *_lock_uses(settings, root)]))


def direct_models(settings: Settings) -> tuple[str, ...]:
    """Return the image models that pipelines call themselves, each once.

    Raises:
        InvalidInput: a pipeline is not valid.
    """
    found = [
        _written_out(pipeline, tool.model, ("stages",))[0]
        for pipeline in (load_pipeline(name, settings.configs) for name in pipeline_names(settings.configs))
        for stage in pipeline.spec.stages
        for tool in stage.tools
        if isinstance(tool, DirectDrawing)
    ]
    return tuple(dict.fromkeys(found))


def _profile_uses(settings: Settings) -> Iterator[Use]:
    foundry = settings.foundry
    for key in ("model", "image_model"):
        place = f"profile {settings.profile}: foundry.{key}"
        yield Use("profile", settings.profile, getattr(foundry, key), place)


def _lock_uses(settings: Settings, root: Path) -> Iterator[Use]:
    path = root / NAME
    if not path.is_file():
        return
    for folder, locked in read_lock(path).folder.items():
        profile = settings
        if locked.plan.profile != settings.profile:
            profile = load_settings(locked.plan.profile, {"ASSETMILL_CONFIGS": str(settings.configs)})
        pipeline = load_pipeline(pipeline_of(locked, root), settings.configs)
        yield from _pipeline_uses("lock", folder, pipeline, profile)


def _pipeline_uses(kind: UseKind, name: str, pipeline: LoadedPipeline, settings: Settings) -> Iterator[Use]:
    for model, where, key in _named(pipeline):
        if model is None:
            place = f"profile {settings.profile}: foundry.{key}"
            yield Use(kind, name, getattr(settings.foundry, key), place)
            continue
        known, at = _written_out(pipeline, model, where)
        line, key_path = pipeline.document.line(at) or 1, ".".join(map(str, at))
        yield Use(kind, name, known, f"{pipeline.path}:{line} {key_path}")


def _named(pipeline: LoadedPipeline) -> Iterator[tuple[str | None, Where, str]]:
    """Yield every model that stages call, with its place; None where the profile decides."""
    common = pipeline.spec.defaults
    for number, stage in enumerate(pipeline.spec.stages):
        place: Where = ("stages", number, "model") if stage.model else ("defaults", "model")
        if not stage.tool("image_model") and not stage.is_local:
            yield stage.model or common.model, place, "model"
        for at, tool in enumerate(stage.tools):
            if isinstance(tool, DirectDrawing):
                yield tool.model, ("stages", number, "tools", at, "model"), "image_model"
            if isinstance(tool, ImageGeneration):
                own: Where = ("stages", number, "tools", at, "model")
                yield (
                    tool.model or common.image_model,
                    own if tool.model else ("defaults", "image_model"),
                    ("image_model"),
                )
        yield from _judges(number, stage)


def _judges(number: int, stage: StageSpec) -> Iterator[tuple[str | None, Where, str]]:
    for at, output in enumerate(stage.outputs):
        judge = output.checks.judge if output.checks else None
        place: Where = ("stages", number, "outputs", at, "checks", "judge")
        if judge and judge.model:
            yield judge.model, (*place, "model"), "model"
        for row, model in enumerate(judge.judges or () if judge else ()):
            yield model, (*place, "judges", row), "model"


def _written_out(pipeline: LoadedPipeline, model: str, where: Where) -> tuple[str, Where]:
    """Return the model that a template means with the parameters' defaults, and what would change it."""
    match = _ONE_PARAMETER.fullmatch(model.strip())
    parameter = pipeline.spec.parameters.get(match[1]) if match else None
    if match and parameter and parameter.default is not None:
        return str(parameter.default), ("parameters", match[1], "default")
    return model, where
