"""The workflow and the action for GitHub, judged by actionlint and zizmor; GitHub itself is not here."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deployments.github_runner import FILES, GITHUB, ROOT, Runner, documents, script
from tests.lockyard import FOLDER, Yard, copied, git, grow

STRICTEST = ("--offline", "--no-progress", "--persona=auditor")


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
    code, said = lint([linter("zizmor"), *STRICTEST, "."], repository)
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
    options = {"actionlint": ["-no-color"], "zizmor": [*STRICTEST, "."]}
    assert lint([linter(tool), *options[tool]], repository)[0] != 0


@pytest.mark.parametrize("tool", ["actionlint", "zizmor"])
def test_the_workflows_of_this_repository_pass_the_same_linters(tool: str) -> None:
    paths = sorted(map(str, (ROOT / ".github").rglob("*.yml")))
    workflows = [path for path in paths if "/workflows/" in path]
    options = {"actionlint": ["-no-color", *workflows], "zizmor": [*STRICTEST, *paths]}
    code, said = lint([linter(tool), *options[tool]], ROOT)
    assert (code, len(workflows) >= 2) == (0, True), said


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
    held = {name: [step for step in job["steps"] if "secrets." in str(step)] for name, job in jobs.items()}
    assert {name: len(steps) for name, steps in held.items()} == {"check": 0, "comment": 1, "update": 0}


def test_no_script_holds_an_expression() -> None:
    """What others may name (a branch, a title) must not become code."""
    found: list[str] = []
    for document in documents().values():
        jobs = [*document.get("jobs", {}).values(), document.get("runs", {})]
        found += [step["run"] for job in jobs for step in job.get("steps", ()) if "run" in step]
    assert len(found) >= 8
    assert not any("${{" in script for script in found)


def test_the_commands_of_the_workflow_exist() -> None:
    from assetmill.cli.main import cli

    text = "".join((GITHUB / name).read_text() for name in FILES)
    used = set(re.findall(r'assetmill"? (check|diff|update|lock|sync)\b', text))
    assert used == {"check", "diff", "sync", "update"}
    for name in used:
        command = cli.commands.get(name) or cli.get_command(None, name)  # pyright: ignore[reportArgumentType]
        assert command is not None
        known = {option for parameter in command.params for option in parameter.opts}
        for call in re.findall(rf'assetmill"? {name}\b((?:[^\n]|\\\n|\n +--)*)', text):
            assert set(re.findall(r"(--[a-z-]+)", call)) <= known, call


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Yard:
    yard = grow(tmp_path_factory.mktemp("yard"))
    yard.make()
    yard.write(yard.locked())
    git(yard.root, "init", "-q")
    git(yard.root, "add", "-A")
    git(yard.root, "commit", "-q", "-m", "posters")
    return yard


@pytest.fixture
def runner(made: Yard, tmp_path: Path) -> Runner:
    yard = copied(made, tmp_path / "yard")
    return Runner(tmp_path / "runner", yard.root)


def change(runner: Runner, path: str, text: str) -> None:
    (runner.tree / path).write_text(text)
    git(runner.tree, "add", "-A")
    git(runner.tree, "commit", "-q", "-m", "change")


PIPELINE = "configs/pipelines/posters.yaml"


def test_the_action_tells_a_clean_tree_from_a_stale_one(runner: Runner) -> None:
    assert runner.check("HEAD")["status"] == "clean"
    pipeline = (runner.tree / PIPELINE).read_text()
    change(runner, PIPELINE, pipeline.replace("Make it winter.", "Make it spring."))
    found = runner.check()
    assert found == {"status": "differs", "report": str(runner.folder / "assetmill-report")}
    assert "makes what is stale: about $" in runner.comment
    assert "No asset changed." in runner.comment
    assert (runner.folder / "summary").read_text() == runner.comment
    assert not (runner.tree / ".assetmill").exists()


@pytest.mark.parametrize(
    ("path", "text", "said"),
    [
        ("assets.lock", "<<<<<<< ours\n", "has a merge conflict"),
        ("assets.lock", "", "has no"),
        (PIPELINE, "name: posters\nstages: 5\n", "posters.yaml"),
    ],
)
def test_the_action_says_what_cannot_be_read(runner: Runner, path: str, text: str, said: str) -> None:
    change(runner, path, text)
    assert runner.check()["status"] == "invalid"
    assert said in runner.comment


def test_a_lock_of_the_base_that_cannot_be_read_hides_nothing(runner: Runner) -> None:
    good = (runner.tree / "assets.lock").read_text()
    change(runner, "assets.lock", "<<<<<<< ours\n")
    change(runner, "assets.lock", good)
    assert runner.check()["status"] == "clean"
    assert "as `assets.lock` says" in runner.comment


def test_a_check_that_does_not_end_is_not_taken_for_one_that_differs(runner: Runner) -> None:
    program = runner.folder / "assetmill/bin/assetmill"
    program.unlink()
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    assert runner.check()["status"] == "invalid"
    assert "did not end" in runner.comment


def test_nothing_in_the_tree_is_run_and_no_name_in_it_is_a_command(runner: Runner) -> None:
    for name in ("venv", "subprocess", "assetmill", "click", "sitecustomize"):
        (runner.tree / f"{name}.py").write_text("open('ran', 'w').write('x')\n")
    install = script("check/action.yml", "runs", "Install assetmill apart from the repository")
    made = install.replace("-I -m venv", "-I -m venv --without-pip").split(
        '"$RUNNER_TEMP/assetmill/bin/pip"'
    )[0]
    assert runner(made, RUNNER_TEMP=str(runner.folder / "other")).returncode == 0
    assert (runner.folder / "other/assetmill/bin/python").exists()
    lock = (runner.tree / "assets.lock").read_text()
    hostile = lock.replace('stage = "winter[place=beach]"', 'stage = "x\\n::set-output name=status::clean"')
    change(runner, "assets.lock", hostile)
    assert runner.check()["status"] == "differs"
    stop, resume = runner.log[0], runner.log[-1]
    assert stop == f"::stop-commands::{resume.strip(':')}"
    assert len(resume) > 30
    assert not any(line.startswith("::") for line in runner.log[1:-1])
    assert not (runner.tree / "ran").exists()


GH = """#!/bin/sh
printf '%s\\n' "$*" >>"$HOME/calls"
"""


def test_an_update_stops_when_the_branch_has_moved_and_commits_what_it_made(
    runner: Runner, tmp_path: Path
) -> None:
    (runner.folder / "bin/gh").write_text(GH)
    (runner.folder / "bin/gh").chmod(0o755)
    git(tmp_path, "clone", "-q", "--bare", str(runner.tree), str(tmp_path / "origin.git"))
    git(runner.tree, "remote", "add", "origin", str(tmp_path / "origin.git"))
    moved = script("assets.yml", "update", "Stop before anything is spent when the branch has moved")
    commit = script("assets.yml", "update", "Commit the files and the lock")
    assert runner(moved, BRANCH="main").returncode == 0
    (runner.tree / FOLDER / "beach.png").unlink()
    (runner.tree / FOLDER / "new.png").write_bytes(b"new")
    done = runner(commit, BRANCH="main")
    assert done.returncode == 0, done.stderr
    names = git(tmp_path / "origin.git", "ls-tree", "-r", "--name-only", "main")
    assert (f"{FOLDER}/new.png" in names, f"{FOLDER}/beach.png" in names) == (True, False)
    assert runner(commit, BRANCH="main").returncode == 0
    git(runner.tree, "reset", "-q", "--hard", "HEAD^")
    done = runner(moved, BRANCH="main")
    assert (done.returncode, "put the label on it again" in done.stdout) == (1, True)
