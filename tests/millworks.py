"""A small workshop for tests: a folder of configs, pipelines written in place, services on doubles."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path

from assetmill.errors import AssetmillError
from assetmill.plan.calls import StageCall
from assetmill.project import find_configs
from assetmill.records import RunManifest, StageRecord
from assetmill.runs.run import Run, begin_run
from assetmill.settings import Settings, load_settings
from assetmill.stage.engine import run_stage
from assetmill.stage.services import Services
from assetmill.store.backend import Backend
from tests.doubles import ScriptedGateway, always, image_item, png

PICTURE = """
    tools: [{type: image_generation, quality: low}]
    outputs: [{name: %s.png}]
"""

CHAIN = f"""
name: chain
description: A picture and an edit of it.
parameters:
  subject: {{title: Subject, default: a teal mug}}
stages:
  - name: first
    prompt: Draw {{{{ subject }}}}.{PICTURE % "first"}
  - name: second
    prompt: Draw it again.{PICTURE % "second"}
    inputs: [{{from: first}}]
"""


SQUARE = image_item(png(1024, 1024))


def painter() -> ScriptedGateway:
    """A service that draws the square picture that the pipelines here ask for."""
    return ScriptedGateway(always(SQUARE))


def wide(count: int, name: str = "wide") -> str:
    """A pipeline of that many stages that do not need each other."""
    stages = [
        f"  - name: s{n:03d}\n    prompt: Draw number {n}.{PICTURE % f's{n:03d}'}" for n in range(count)
    ]
    return f"name: {name}\nstages:\n" + "\n".join(stages)


def write_configs(folder: Path, **pipelines: str) -> Path:
    """Make a configs folder with the real data tables and these pipelines."""
    (folder / "pipelines").mkdir(parents=True)
    real = find_configs({})
    for name in ("chat_models.toml", "image_models.toml", "prices.toml", "profiles"):
        (folder / name).symlink_to(real / name)
    for name, text in pipelines.items():
        (folder / "pipelines" / f"{name}.yaml").write_text(text)
    return folder


def settings_in(folder: Path, **pipelines: str) -> Settings:
    """Settings of the local profile with everything below `folder`."""
    configs = write_configs(folder / "configs", **pipelines)
    return load_settings("local", {"ASSETMILL_HOME": str(folder / "home"), "ASSETMILL_CONFIGS": str(configs)})


def services_on(settings: Settings, backend: Backend, gateway: ScriptedGateway) -> Services:
    """Services whose agents are scripted."""
    return Services(settings, backend, lambda _settings, _wait: gateway)


def run_here(
    services: Services,
    pipeline: str,
    run_one: Callable[[StageCall, Services, Run], StageRecord] | None = None,
    **parameters: str,
) -> RunManifest:
    """Run a pipeline in this thread, one stage after the other, without Prefect."""
    run = begin_run(pipeline, parameters, services, str(uuid.uuid4()))
    for label in run.stages:
        call = run.begin(label)
        if call is None:
            continue
        try:
            run.end(label, run_one(call, services, run) if run_one else run_stage(call, services, run.run_id))
        except AssetmillError as error:
            run.end(label, error)
    return run.seal()
