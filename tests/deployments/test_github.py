"""The workflow and the action for GitHub, judged by actionlint and zizmor; GitHub itself is not here."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
GITHUB = ROOT / "deployments" / "github"
FILES = {
    "assets.yml": ".github/workflows/assets.yml",
    "caller.yml": ".github/workflows/pictures.yml",
    "check/action.yml": "deployments/github/check/action.yml",
}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """The files where they have to lie in a repository of their own."""
    for source, target in FILES.items():
        (tmp_path / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(GITHUB / source, tmp_path / target)
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    return tmp_path


def linter(name: str) -> str:
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed: it is a development dependency")
    return found


def lint(command: list[str], folder: Path) -> tuple[int, str]:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_actionlint_finds_nothing(repository: Path) -> None:
    code, said = lint([linter("actionlint"), "-no-color"], repository)
    assert (code, said) == (0, "")


def test_zizmor_finds_nothing(repository: Path) -> None:
    code, said = lint([linter("zizmor"), "--offline", "--no-progress", "."], repository)
    assert code == 0, said
    assert all(
        f"completed ./{target}" in said or f"completed {target}" in said for target in FILES.values()
    ), said


@pytest.mark.parametrize("tool", ["actionlint", "zizmor"])
def test_the_linters_see_what_is_wrong(repository: Path, tool: str) -> None:
    """A linter that was started wrongly finds nothing either."""
    path = repository / ".github/workflows/assets.yml"
    text = path.read_text().replace("persist-credentials: false", "persist-credential: false")
    path.write_text(
        text.replace('run: test "$STATUS" = clean', "run: test ${{ github.event.issue.title }} = clean")
    )
    options = {"actionlint": ["-no-color"], "zizmor": ["--offline", "--no-progress", "."]}
    assert lint([linter(tool), *options[tool]], repository)[0] != 0


def documents() -> dict[str, Any]:
    return {name: yaml.safe_load((GITHUB / name).read_text()) for name in FILES}


def test_every_action_of_others_is_pinned_by_its_commit() -> None:
    for name in FILES:
        for line in re.findall(r"uses: (.+)", (GITHUB / name).read_text()):
            assert line.startswith("$/") or re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v[\d.]+", line), (
                line
            )


def test_only_the_update_may_write_and_nothing_holds_a_secret() -> None:
    jobs = documents()["assets.yml"]["jobs"]
    rights = {name: job["permissions"] for name, job in jobs.items()}
    assert rights == {
        "check": {"contents": "read"},
        "comment": {"pull-requests": "write"},
        "update": {"contents": "write", "id-token": "write"},
    }
    assert "environment" in jobs["update"]
    assert not any("secrets." in (GITHUB / name).read_text() for name in FILES)


def test_no_script_holds_an_expression() -> None:
    """What others may name (a branch, a title) must not become code."""
    found: list[str] = []
    for document in documents().values():
        jobs = [*document.get("jobs", {}).values(), document.get("runs", {})]
        found += [step["run"] for job in jobs for step in job.get("steps", ()) if "run" in step]
    assert len(found) >= 6
    assert not any("${{" in script for script in found)


def test_the_commands_of_the_workflow_exist() -> None:
    from assetmill.cli.main import cli

    text = "".join((GITHUB / name).read_text() for name in FILES)
    used = set(re.findall(r'assetmill"? (check|diff|update|lock|sync)\b', text))
    assert used == {"check", "diff", "update"}
    for name in used:
        command = cli.commands.get(name) or cli.get_command(None, name)  # pyright: ignore[reportArgumentType]
        assert command is not None
        known = {option for parameter in command.params for option in parameter.opts}
        for call in re.findall(rf'assetmill"? {name}\b((?:[^\n]|\\\n|\n +--)*)', text):
            assert set(re.findall(r"(--[a-z-]+)", call)) <= known, call
