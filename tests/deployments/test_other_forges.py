"""The pipelines for GitLab and Azure DevOps: they parse, and call what there is; the forges are not here."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from assetmill.cli.main import cli
from tests.pages import ROOT

GITLAB = ROOT / "deployments/gitlab/assets.gitlab-ci.yml"
AZURE = ROOT / "deployments/azure-devops/assets.yml"
FAKE = """#!/bin/sh
printf '%s\\n' "$*" >>"$HOME/calls"
case "$*" in
  *uploads*) echo '{"id":3,"alt":"x","url":"/uploads/0123/001-before.webp","full_path":"/-/p"}' ;;
  "api user"*) echo '{"id":7,"username":"assets"}' ;;
  *--paginate*) cat "$HOME/notes" ;;
  *"--output tsv"*) echo 41 ;;
esac
"""


def scripts(path: Path) -> dict[str, str]:
    document: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    if path == GITLAB:
        return {name: "\n".join(job["script"]) for name, job in document.items()}
    steps = [step for job in document["jobs"] for step in job["steps"]]
    return {step["displayName"]: step["bash"] for step in steps if "bash" in step}


SCRIPTS = {(path.parent.name, name): text for path in (GITLAB, AZURE) for name, text in scripts(path).items()}


@pytest.mark.parametrize("key", SCRIPTS, ids="-".join)
def test_every_script_parses_and_calls_commands_that_exist(key: tuple[str, str]) -> None:
    text = SCRIPTS[key]
    subprocess.run(["bash", "-n"], input=text, text=True, check=True, timeout=30)
    if shutil.which("shellcheck"):
        done = subprocess.run(
            ["shellcheck", "--shell=bash", "--severity=warning", "-"],
            input=text, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert done.stdout == ""
    calls = re.findall(r'assetmill"? (check|diff|update|sync|lock)\b((?:[^\n\\|]|\\\n)*)', text)
    for name, rest in calls:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        known = {option for parameter in command.params for option in parameter.opts}
        assert set(re.findall(r"(?<!\S)--[a-z][a-z-]*", rest)) <= known


def test_each_pipeline_checks_and_compares() -> None:
    for folder in ("gitlab", "azure-devops"):
        text = "\n".join(text for (where, _), text in SCRIPTS.items() if where == folder)
        assert re.search(r"assetmill\"? check --markdown", text)
        assert re.search(r"assetmill\"? diff --base", text)
        assert "--require-hashes --only-binary :all:" in text


@pytest.fixture
def report(tmp_path: Path) -> Path:
    (tmp_path / "bin").mkdir()
    for name in ("glab", "az"):
        (tmp_path / "bin" / name).write_text(FAKE)
        (tmp_path / "bin" / name).chmod(0o755)
    folder = tmp_path / "report"
    (folder / "pictures").mkdir(parents=True)
    (folder / "comment.md").write_text("### assetmill check $(touch hostile)\n")
    (folder / "pictures/001-before.webp").write_bytes(b"RIFF")
    (folder / "pictures/pictures.md").write_text("![Before](001-before.webp)\n")
    (tmp_path / "notes").write_text("")
    return folder


def run(text: str, folder: Path, home: Path, **variables: str) -> list[str]:
    environ = {"PATH": f"{home / 'bin'}:/usr/bin:/bin", "HOME": str(home), **variables}
    subprocess.run(["bash", "-eo", "pipefail", "-c", text], cwd=folder, env=environ, check=True, timeout=60)
    assert not list(home.rglob("hostile"))
    return (home / "calls").read_text().splitlines()


@pytest.mark.parametrize("begins", ["<", "\\u003c"])
def test_a_note_on_gitlab_shows_the_pictures_and_is_written_anew(
    report: Path, tmp_path: Path, begins: str
) -> None:
    def notes(*calls: str) -> list[str]:
        return [call for call in calls if "/notes" in call and "--paginate" not in call]

    text = SCRIPTS["gitlab", "assets comment"]
    variables = {"CI_PROJECT_ID": "5", "CI_MERGE_REQUEST_IID": "6"}
    calls = run(text, tmp_path, tmp_path, **variables)
    assert "api --method POST projects/5/uploads --form file=@pictures/001-before.webp" in calls
    # The note's text is one word of the call: its last line has the next option behind it.
    assert "![Before](/uploads/0123/001-before.webp) --silent" in calls
    assert notes(*calls)[0].startswith(
        "api --method POST projects/5/merge_requests/6/notes --raw-field body="
    )
    ours = f'{{"id":91,"body":"{begins}!-- assetmill --","author":{{"id":7,"username":"assets"}}}}'
    others = '{"id":90,"body":"<!-- assetmill --","author":{"id":8,"username":"somebody"}}'
    (tmp_path / "notes").write_text(f"{others}\n{ours}\n")
    (tmp_path / "calls").unlink()
    calls = run(text, tmp_path, tmp_path, **variables)
    assert notes(*calls)[0].startswith("api --method PUT projects/5/merge_requests/6/notes/91 ")


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq, which the agents of Azure have, is not installed")
def test_a_thread_on_azure_links_to_the_pictures_and_the_one_before_goes(
    report: Path, tmp_path: Path
) -> None:
    (tmp_path / "assets-report").symlink_to(report)
    calls = run(
        SCRIPTS["azure-devops", "Write the comment anew"], tmp_path, tmp_path,
        PIPELINE_WORKSPACE=str(tmp_path), SYSTEM_ACCESSTOKEN="t", SYSTEM_COLLECTIONURI="https://example.com/o/",
        SYSTEM_TEAMPROJECT="p", BUILD_REPOSITORY_ID="r", BUILD_BUILDID="9",
        SYSTEM_PULLREQUEST_PULLREQUESTID="6",
    )  # fmt: skip
    thread = json.loads((report / "thread.json").read_text())
    assert thread["comments"][0]["content"].startswith("<!-- assetmill -->\n### assetmill check")
    assert (
        "(https://example.com/o/p/_build/results?buildId=9&view=artifacts)"
        in thread["comments"][0]["content"]
    )
    assert ["POST" in call for call in calls] == [False, True, False]
    assert "threadId=41 commentId=1 --http-method DELETE" in calls[-1]
