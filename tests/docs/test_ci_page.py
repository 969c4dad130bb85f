"""Every command of docs/ci.md, in its order, with the embedded services."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from assetmill.settings import find_configs
from tests.lockyard import git

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("prefect"), pytest.mark.timeout(300)]

PAGE = Path(__file__).parents[2] / "docs" / "ci.md"


def blocks() -> list[str]:
    return re.findall(r"^```bash\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


class Shell:
    """Runs blocks of the page in a repository."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        kept = {"PATH", "LANG", "TMPDIR", "DO_NOT_TRACK"}
        self.environ = {name: value for name, value in os.environ.items() if name in kept}
        self.environ |= {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(folder.parent),
            "ASSETMILL_IDLE_TIMEOUT_S": "120",
            **{f"GIT_{who}_NAME": "Ada" for who in ("AUTHOR", "COMMITTER")},
            **{f"GIT_{who}_EMAIL": "ada@example.com" for who in ("AUTHOR", "COMMITTER")},
        }

    def __call__(self, script: str) -> str:
        command = ["bash", "-euo", "pipefail", "-c", script]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{script}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        return done.stdout


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    root = tmp_path / "tree"
    shutil.copytree(find_configs({}), root / "configs")
    (root / ".gitignore").write_text(".assetmill/\n")
    # Three pages are as good as five, and quicker.
    index = root / "configs" / "data" / "docs-index.md"
    index.write_text("\n".join(index.read_text().splitlines()[:-2]) + "\n")
    git(root, "init", "-q")
    shell = Shell(root)
    yield shell
    shell("assetmill stop")


def test_the_page_keeps_its_word(shell: Shell) -> None:
    start, change, update, look = blocks()
    pages = 3
    assert f"clean: {pages} files as locked" in shell(start)
    said = shell(change)
    assert "exit code 1" in said
    assert "prompt changed (configs/pipelines/og-images.yaml:" in said
    assert {p["kind"] for p in json.loads((shell.folder / "outcome.json").read_text())["problems"]} == {
        "stale"
    }
    assert f"clean: {pages} files as locked" in shell(update).splitlines()
    said = shell(look)
    assert f"{pages} changed; made for $" in said
    assert said.rstrip().endswith(f"clean: {pages} files as locked")
    assert (shell.folder / "diff.html").read_text().count('src="data:image/webp') == 3 * pages
    assert shell("assetmill update") == f"public/og: unchanged\n0 written, {pages} unchanged\n"
    assert git(shell.folder, "status", "--porcelain", "assets.lock", "public") == ""
