"""Commands in a subfolder work on the project, and say which that is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.assetmill.cli.terminal import Terminal
from tests.millworks import CHAIN, write_configs


@pytest.fixture
def below(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's subfolder, in which commands are typed."""
    write_configs(tmp_path / "configs", chain=CHAIN)
    folder = tmp_path / "public" / "pictures"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("elsewhere", [None, "kept elsewhere"])
def test_v_says_which_project_is_used_and_a_home_of_ones_own_wins(
    below: Path, elsewhere: str | None, assetmill: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = below.parents[1]
    if elsewhere:
        monkeypatch.setenv("ASSETMILL_HOME", str(root / elsewhere))
    assert assetmill("plan", "chain", "-v") == 0, assetmill.err
    told = dict(line.split(maxsplit=1) for line in assetmill.err.splitlines() if " " in line)
    assert told["project"].startswith(f"{root} ")
    assert "configs/pipelines" in told["project"]
    assert told["configs"] == str(root / "configs")
    assert told["home"] == str(root / (elsewhere or ".assetmill"))


def test_doctor_says_which_project_is_used(
    below: Path, assetmill: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without a store nobody is asked anything.
    monkeypatch.setenv("ASSETMILL_STORE_URL", "file:/dev/null/store")
    assert assetmill("doctor", "--json") == 2
    findings = {one["check"]: one["message"] for one in json.loads(assetmill.out)["findings"]}
    assert findings["project"].startswith(f"{below.parents[1]} ")
    assert str(below.parents[1] / ".assetmill") in findings["profile"]
