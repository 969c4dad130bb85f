"""A project with one pipeline, and what a migration of it would do."""

from __future__ import annotations

import datetime
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from assetmill.migrating.proposal import Proposal, Proposing
from assetmill.migrating.questions import Answers
from assetmill.migrating.target import find_target
from assetmill.project import find_configs
from assetmill.settings import Settings, load_settings
from assetmill.spec.loading import pipeline_names

TODAY = datetime.date(2026, 11, 28)


class Project:
    """A folder with configs of its own, and no store."""

    def __init__(self, root: Path, profile: str = "") -> None:
        self.root, self.configs = root, root / "configs"
        shutil.copytree(find_configs({}), self.configs, ignore=shutil.ignore_patterns("pipelines"))
        (self.configs / "pipelines").mkdir()
        text = (
            profile or '[foundry]\nimage_model = "gpt-image-1.5"  # until December\nmodel = "gpt-5.6-luna"\n'
        )
        self.profile = self.configs / "profiles" / "local.toml"
        self.profile.write_text(text)
        self.answers = Answers()

    def write(self, name: str, text: str) -> Path:
        path = self.configs / "pipelines" / f"{name}.yaml"
        path.write_text(f"name: {name}\n{text}")
        return path

    @property
    def settings(self) -> Settings:
        places = {"ASSETMILL_HOME": str(self.root / "home"), "ASSETMILL_CONFIGS": str(self.configs)}
        return load_settings("local", places)

    def propose(
        self,
        to: str,
        *names: str,
        answers: Mapping[str, str] | None = None,
        sample: int = 6,
        only_from: str | None = None,
        deployment: str | None = None,
        root: Path | None = None,
    ) -> Proposal:
        self.answers = Answers(answers or {})
        target = find_target(to, self.configs, only_from=only_from, deployment=deployment)
        asking = Proposing(
            self.settings, None, target, self.answers, root or self.root, TODAY, whole=not names
        )
        return asking.propose(names or pipeline_names(self.configs), {}, sample)

    def changes(self, proposal: Proposal) -> list[str]:
        """The lines that go and come, over all files."""
        return [
            line
            for file in proposal.files
            for line in file.diff(file.path.name)[2:]
            if line.startswith(("+", "-"))
        ]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)
