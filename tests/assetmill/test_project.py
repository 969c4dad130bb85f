"""Where a project begins, from any of its folders, and what stops the way up."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from assetmill.errors import NotFound
from assetmill.project import (
    MARKS,
    Borrowed,
    config_file,
    find_configs,
    find_root,
    find_upwards,
    home_folder,
    project_file,
    project_root,
)
from assetmill.settings import load_settings
from assetmill.spec.loading import find_pipeline

REAL = find_configs({})


def mark(folder: Path, name: str) -> None:
    place = folder / name
    place.parent.mkdir(parents=True, exist_ok=True)
    if "." in place.name[1:]:
        place.touch()
    else:
        place.mkdir()


@pytest.mark.parametrize("name", MARKS)
def test_each_mark_makes_a_root_for_all_folders_below(tmp_path: Path, name: str) -> None:
    mark(tmp_path / "p", name)
    below = tmp_path / "p" / "a" / "b"
    below.mkdir(parents=True)
    found = find_root(below)
    assert (found.path, found.mark) == (tmp_path / "p", name)
    assert name in found.told()


def test_the_nearest_root_wins_and_none_is_the_folder_itself(tmp_path: Path) -> None:
    inner = tmp_path / "inner" / "sub"
    inner.mkdir(parents=True)
    assert find_root(inner).path == inner
    mark(tmp_path, "assetmill.toml")
    assert find_root(inner).path == tmp_path
    mark(tmp_path / "inner", "assets.lock")
    assert find_root(inner).path == tmp_path / "inner"


def test_nothing_above_a_home_directory_is_a_root(tmp_path: Path) -> None:
    user, below = tmp_path / "ada", tmp_path / "ada" / "work"
    below.mkdir(parents=True)
    mark(tmp_path, "assetmill.toml")
    assert find_root(below, user).path == below
    mark(user, "assetmill.toml")
    assert find_root(below, user).path == user


def test_what_a_home_directory_keeps_of_us_makes_no_root_of_it(tmp_path: Path) -> None:
    below = tmp_path / "work"
    below.mkdir()
    mark(tmp_path, ".assetmill")
    assert find_root(below, tmp_path).path == below
    assert find_root(tmp_path, tmp_path).path == tmp_path


def test_a_folder_that_everybody_may_write_to_is_no_root(tmp_path: Path) -> None:
    below = tmp_path / "shared" / "mine"
    below.mkdir(parents=True)
    mark(tmp_path / "shared", "assetmill.toml")
    (tmp_path / "shared").chmod(0o1777)
    assert find_root(below).path == below
    assert find_root(tmp_path / "shared").path == tmp_path / "shared"


def test_a_folder_of_another_person_is_no_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    below = tmp_path / "theirs" / "mine"
    below.mkdir(parents=True)
    mark(tmp_path / "theirs", "assetmill.toml")
    real = Path.stat

    def owned(self: Path, **options: bool) -> os.stat_result:
        found = list(real(self, **options))
        found[stat.ST_UID] += self == tmp_path / "theirs"
        return os.stat_result(found)

    monkeypatch.setattr(Path, "stat", owned)
    assert find_root(below).path == below


def test_another_file_system_is_no_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    below = tmp_path / "host" / "mounted"
    below.mkdir(parents=True)
    mark(tmp_path / "host", "assetmill.toml")
    real = Path.stat

    def mounted(self: Path, **options: bool) -> os.stat_result:
        found = list(real(self, **options))
        found[stat.ST_DEV] += self == below
        return os.stat_result(found)

    monkeypatch.setattr(Path, "stat", mounted)
    assert find_root(below).path == below


def test_a_file_is_found_as_far_up_as_a_root(tmp_path: Path) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    assert find_upwards("assets.lock", below, tmp_path) is None
    mark(tmp_path, "assets.lock")
    assert find_upwards("assets.lock", below, tmp_path) == tmp_path / "assets.lock"
    assert find_upwards("assets.lock", below, tmp_path / "a") is None


def test_home_configs_and_lock_follow_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    below = tmp_path / "docs"
    below.mkdir()
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "profiles").symlink_to(REAL / "profiles")
    (tmp_path / "configs" / "pipelines").mkdir()
    monkeypatch.chdir(below)
    settings = load_settings("local", {})
    assert (settings.home, settings.configs) == (tmp_path / ".assetmill", tmp_path / "configs")
    assert project_file("assets.lock", {}) == tmp_path / "assets.lock"
    assert home_folder({"ASSETMILL_HOME": "kept"}) == below / "kept"
    assert project_root({"ASSETMILL_ROOT": str(below)}).path == below


def test_configs_without_profiles_borrow_the_installations_and_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "configs" / "pipelines").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    with pytest.warns(Borrowed, match=r"no profiles, prices\.toml, image_models\.toml: those of the inst"):
        settings = load_settings("local", {})
    assert settings.configs == tmp_path / "configs"
    assert config_file(settings.configs, "prices.toml") == REAL / "prices.toml"


def test_a_pipeline_of_another_project_is_not_priced_here_unseen(tmp_path: Path) -> None:
    other = tmp_path / "other" / "configs"
    (other / "pipelines").mkdir(parents=True)
    path = other / "pipelines" / "card.yaml"
    path.touch()
    assert find_pipeline(str(path), REAL) == path
    (other / "prices.toml").touch()
    assert find_pipeline(str(path), other) == path
    with pytest.warns(Borrowed, match=r"prices\.toml of .* are used, not of .*other"):
        find_pipeline(str(path), REAL)


def test_a_pipeline_that_is_missed_in_the_wrong_folder_says_whose_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotFound, match=r"those of the installation: .* has none; go to your project"):
        find_pipeline("mine", find_configs({}))
    (tmp_path / "configs" / "pipelines").mkdir(parents=True)
    with pytest.raises(NotFound) as missed:
        find_pipeline("mine", find_configs({}))
    assert "installation" not in str(missed.value)
