"""Runs the scripts of the GitHub workflow as GitHub's runner does; the files themselves are data."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
GITHUB = ROOT / "deployments" / "github"
FILES = {
    "assets.yml": ".github/workflows/assets.yml",
    "caller.yml": ".github/workflows/pictures.yml",
    "check/action.yml": ".github/actions/assetmill-check/action.yml",
}


def documents() -> dict[str, Any]:
    return {name: yaml.safe_load((GITHUB / name).read_text()) for name in FILES}


def script(name: str, job: str, step: str) -> str:
    document = documents()[name]
    steps = document["runs"]["steps"] if job == "runs" else document["jobs"][job]["steps"]
    return next(entry["run"] for entry in steps if entry.get("name") == step)


class Runner:
    """Runs a step's script as GitHub's runner does, with variables that look like its own."""

    def __init__(self, folder: Path, tree: Path) -> None:
        self.folder, self.tree = folder, tree
        (folder / "assetmill" / "bin").mkdir(parents=True)
        (folder / "bin").mkdir()
        (folder / "assetmill/bin/assetmill").symlink_to(Path(sys.executable).with_name("assetmill"))
        self.environ = {
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
            "HOME": str(folder),
            "RUNNER_TEMP": str(folder),
            "GITHUB_OUTPUT": str(folder / "output"),
            "GITHUB_STEP_SUMMARY": str(folder / "summary"),
            **{f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
        }

    def __call__(self, text: str, **variables: str) -> subprocess.CompletedProcess[str]:
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", text]
        environ = {**self.environ, **variables}
        return subprocess.run(
            command, cwd=self.tree, env=environ, capture_output=True, text=True, check=False
        )

    def check(self, base: str = "HEAD^1") -> dict[str, str]:
        """Run the action's check and return what it puts out."""
        for name in ("output", "summary"):
            (self.folder / name).write_text("")
        shutil.rmtree(self.folder / "assetmill-report", ignore_errors=True)
        text = script("check/action.yml", "runs", "Compare the tree with its lock")
        done = self(text, LOCK="assets.lock", BASE=base)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        self.log = done.stdout.splitlines()
        return dict(line.split("=", 1) for line in (self.folder / "output").read_text().splitlines())

    @property
    def comment(self) -> str:
        return (self.folder / "assetmill-report" / "comment.md").read_text()
