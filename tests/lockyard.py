"""A git tree with a pipeline, what it made, and its lock: the yard in which locks are tried."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from assetmill.agents.gateway import ResponseRequest
from assetmill.locking.lockfile import NAME, write_lock
from assetmill.locking.making import lock_plan
from assetmill.locking.models import Lock, PlanRef
from assetmill.locking.syncing import sync_files
from assetmill.plan.plan import Plan
from assetmill.records import BlobRef
from assetmill.runs.planning import plan_pipeline
from assetmill.settings import Settings, load_settings
from assetmill.stage.services import Services
from assetmill.store.opening import open_store
from tests.doubles import Body, ScriptedGateway, image_item, message_item, png
from tests.millworks import run_here, services_on, write_configs

POSTERS = """
name: posters
parameters:
  subject: {default: a teal mug}
knowledge:
  brand: [brand.md]
axes:
  place: {values: [beach, forest]}
stages:
  - name: brief
    prompt: What does the brand say about {{ subject }}?
    tools: [{type: file_search, knowledge: [brand]}]
  - name: poster
    prompt: "{{ stages.brief.text }} Draw {{ subject }} on a {{ place }}."
    tools: [{type: image_generation, quality: low}]
    inputs: [{file: logo.png, as: picture}]
    outputs: [{name: "{{ place }}.png"}]
  - name: winter
    prompt: Make it winter.
    tools: [{type: image_generation, quality: low}]
    for_each: place
    inputs: [{from: poster}]
    outputs: [{name: "{{ place }}-winter.png"}]
"""
FOLDER = "public/posters"
FILES = ("beach-winter.png", "beach.png", "forest-winter.png", "forest.png")


def draws_by_request() -> ScriptedGateway:
    """A service whose answers follow from what it is asked: other words, another picture."""
    return ScriptedGateway(_answer)


def _answer(request: ResponseRequest) -> Sequence[Body]:
    asked = hashlib.sha256(repr(request.input).encode()).hexdigest()
    if request.image_deployment:
        return [image_item(png(1024, 1024, f"#{asked[:6]}"))]
    return [message_item(f"Calm colours ({asked[:4]}).")]


@dataclass
class Yard:
    """The tree at `root`; the store lies beside it, as it would lie in a bucket."""

    root: Path
    settings: Settings

    @property
    def lock_path(self) -> Path:
        return self.root / NAME

    @property
    def pipeline(self) -> Path:
        return self.root / "configs" / "pipelines" / "posters.yaml"

    def services(self) -> Services:
        return services_on(self.settings, open_store(self.settings.store_url), draws_by_request())

    def make(self) -> None:
        """Run the pipeline as far as it is not made."""
        services = self.services()
        try:
            assert run_here(services, "posters").status == "completed"
        finally:
            services.close()

    def plan(self, **parameters: str) -> Plan:
        services = self.services()
        try:
            return plan_pipeline("posters", parameters, self.settings, services.ledger)
        finally:
            services.close()

    def locked(self, before: Lock | None = None, **parameters: str) -> Lock:
        reference = PlanRef(pipeline="posters", profile="local", parameters=dict(parameters))
        return lock_plan(before or Lock(), FOLDER, self.plan(**parameters), reference)

    def write(self, lock: Lock) -> None:
        """Write a lock and bring its files."""
        write_lock(self.lock_path, lock)
        services = self.services()

        def find(_: str, blob: BlobRef) -> bytes | None:
            return services.blobs.find(blob)

        try:
            assert not sync_files(lock, self.root, find).unknown
        finally:
            services.close()

    def edit(self, path: str, old: str, new: str) -> None:
        file = self.root / path
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))


def grow(folder: Path) -> Yard:
    """Make a tree with its inputs; nothing is made or locked yet."""
    root = folder / "tree"
    configs = write_configs(root / "configs", posters=POSTERS)
    (configs / "pipelines" / "brand.md").write_text("# Brand\nCalm colours.\n")
    (configs / "pipelines" / "logo.png").write_bytes(png(32, 32, "navy"))
    return _yard(folder)


def copied(yard: Yard, folder: Path) -> Yard:
    """Return a copy of a tree with the store beside it, which a test may change."""
    shutil.copytree(yard.root.parent, folder, symlinks=True, dirs_exist_ok=True)
    return _yard(folder)


def _yard(folder: Path) -> Yard:
    root = folder / "tree"
    environ = {"ASSETMILL_HOME": str(folder / "home"), "ASSETMILL_CONFIGS": str(root / "configs")}
    return Yard(root, load_settings("local", environ))


def git(root: Path, *arguments: str) -> str:
    """Run git with a name of its own and no settings from outside."""
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(root.parent),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@example.com",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@example.com",
    }
    command = ["git", "-C", str(root), "-c", "init.defaultBranch=main", *arguments]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
