"""A folder becomes a project that works at once, and nothing in it is overwritten."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest

from assetmill.cli.main import call
from assetmill.project import Borrowed

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of somebody's, with nothing of ours in the environment."""
    for name in ("ASSETMILL_CONFIGS", "ASSETMILL_HOME", "ASSETMILL_ROOT", "ASSETMILL_STORE_URL"):
        monkeypatch.delenv(name, raising=False)
    place = tmp_path / "project"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


def test_the_first_pipeline_plans_with_what_is_the_projects_own(folder: Path, capsys: Captured) -> None:
    assert call(["init", "lighthouse", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["next"] == "assetmill run lighthouse"
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} == {
        *told["written"]
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error", Borrowed)
        assert call(["plan", "lighthouse"]) == 0
        assert call(["lint", "lighthouse"]) == 0
    told = capsys.readouterr().out
    assert "1 to run" in told
    assert "nothing to remark" in told


def test_nothing_is_overwritten(folder: Path, capsys: Captured) -> None:
    mine = folder / "configs" / "pipelines" / "first.yaml"
    mine.parent.mkdir(parents=True)
    mine.write_text("name: first\n")
    (folder / ".gitignore").write_text("dist/")
    assert call(["init"]) == 0
    assert "kept   configs/pipelines/first.yaml" in capsys.readouterr().out
    assert mine.read_text() == "name: first\n"
    assert (folder / ".gitignore").read_text() == "dist/\n.assetmill/\n"
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert call(["init"]) == 0
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_inside_a_project_none_is_begun(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    assert call(["init"]) == 0
    (folder / "below").mkdir()
    monkeypatch.chdir(folder / "below")
    assert call(["init"]) == 2
    assert f"this is inside the project {folder}" in capsys.readouterr().err
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("name", ["../out", "Two words", "", "-x.yaml", "a/b"])
def test_a_name_that_is_none_writes_nothing(folder: Path, name: str, capsys: Captured) -> None:
    assert call(["init", "--", name]) == 2
    assert "is no name for a pipeline" in capsys.readouterr().err
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("place", ["configs", "configs/pipelines"])
def test_a_folder_that_may_not_be_written_is_told(folder: Path, place: str, capsys: Captured) -> None:
    (folder / place).parent.mkdir(exist_ok=True)
    (folder / place).write_text("a file")
    assert call(["init"]) == 2
    assert "cannot write" in capsys.readouterr().err
