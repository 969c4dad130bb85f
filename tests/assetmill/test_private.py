"""A home is its owner's alone, whoever made it and when."""

from __future__ import annotations

import subprocess
from pathlib import Path

from assetmill.cli.exports import write_whole
from assetmill.private import make_folder, make_home, open_private, write_private
from assetmill.store.opening import open_store


def open_paths(folder: Path) -> list[str]:
    """Return what others may read or enter, the folder itself included."""
    return [str(path) for path in (folder, *folder.rglob("*")) if path.stat().st_mode & 0o077]


def test_what_is_made_in_a_new_home_is_private(tmp_path: Path) -> None:
    home = tmp_path / "deep" / ".assetmill"
    store = open_store(f"file:{home / 'store'}", home=home)
    store.create("v1/a/b", b"x")
    store.put("v1/a/b", b"y")
    folder = make_folder(home / "out" / "card")
    write_whole(folder / "card.png", b"x")
    write_private(home / "prefect.json", b"x")
    with open_private(home / "log", "w") as log:
        log.write("x")
    assert open_paths(home) == []


def test_git_does_not_see_a_home(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    (make_home(tmp_path / ".assetmill") / "key.pem").touch()
    (tmp_path / "seen").touch()
    listed = subprocess.run(["git", "add", "-An"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert listed.stdout == "add 'seen'\n"


def test_a_home_of_an_older_version_is_tightened(tmp_path: Path) -> None:
    home = tmp_path / ".assetmill"
    (home / "emulator" / "tls").mkdir(parents=True)
    (home / "emulator" / "tls" / "server.pem").touch(0o644)
    (home / "store").mkdir()
    (home / "store" / "object").touch(0o644)
    assert open_paths(home)
    make_home(home)
    assert open_paths(home) == []
    (home / "store" / "later").touch(0o600)
    assert make_home(home) == home


def test_a_home_in_a_persons_own_folder_leaves_their_files_alone(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").touch(0o644)
    (tmp_path / "emulator").mkdir()
    (tmp_path / "emulator" / "ready.json").touch(0o644)
    before = tmp_path.stat().st_mode
    make_home(tmp_path)
    assert tmp_path.stat().st_mode == before
    assert (tmp_path / "holiday.jpg").stat().st_mode & 0o077
    assert not (tmp_path / ".gitignore").exists()
    assert open_paths(tmp_path / "emulator") == []


def test_a_link_out_of_a_home_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(0o755)
    (elsewhere / "theirs").touch(0o644)
    home = tmp_path / ".assetmill"
    home.mkdir()
    (home / "out").symlink_to(elsewhere)
    make_home(home)
    assert len(open_paths(elsewhere)) == 2


def test_a_store_in_a_shared_folder_stays_shared(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    store = open_store(f"file:{tmp_path / 'store'}", home=tmp_path / ".assetmill")
    store.create("v1/a", b"x")
    assert (tmp_path / "store" / "v1" / "a").stat().st_mode & 0o044
    assert not (tmp_path / ".assetmill").exists()
