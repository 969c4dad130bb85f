"""Every command of docs/ci.md, in its order, with the embedded services."""

from __future__ import annotations

import json

import pytest

from tests.lockyard import git
from tests.pages import Shell, blocks

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("prefect"), pytest.mark.timeout(300)]


def test_the_page_keeps_its_word(shell: Shell) -> None:
    start, change, update, look = blocks("docs/ci.md", "bash")
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
