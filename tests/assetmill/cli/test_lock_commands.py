"""lock, check, sync and update as a person and as CI type them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from assetmill.fingerprint import digest
from assetmill.records import RunId, RunManifest, StageEntry
from tests.assetmill.cli.terminal import Terminal
from tests.lockyard import FILES, FOLDER, Yard, git

PATHS = [f"{FOLDER}/{name}" for name in FILES]


def change_by_hand(yard: Yard) -> None:
    """Make the pictures anew with another prompt, as an update would."""
    yard.edit("configs/pipelines/posters.yaml", "Draw {{ subject }}", "Paint {{ subject }}")
    yard.make()


def test_lock_sync_and_check_agree(locked: Yard, assetmill: Terminal) -> None:
    assert assetmill("check") == 0
    assert assetmill.out == "clean: 4 files as locked\n"
    assert ".gitattributes" in git(locked.root, "ls-files")
    assert assetmill("sync") == 0
    assert assetmill.out == "0 written, 4 unchanged\n"


def test_locking_needs_no_second_telling(locked: Yard, assetmill: Terminal) -> None:
    before = locked.lock_path.read_bytes()
    assert assetmill("lock", "posters") == 0
    assert "no file changed" in assetmill.out
    assert locked.lock_path.read_bytes() == before


def test_parameters_are_kept_as_the_pipeline_types_them(yard: Yard, assetmill: Terminal) -> None:
    assert assetmill("lock", "posters", "-p", "subject=a teal mug") == 0
    assert 'parameters = {subject = "a teal mug"}' in yard.lock_path.read_text()
    assert '[folder."assets/posters"]' in yard.lock_path.read_text()


def test_what_changed_is_counted_in_files_of_the_tree(locked: Yard, assetmill: Terminal) -> None:
    assert assetmill("lock", "posters", "--only", "winter") == 0
    assert f"{FOLDER} has 2 files of posters; 2 removed" in assetmill.out
    assert assetmill("lock", "posters", "--only", "poster") == 0
    assert "2 new, 2 removed" in assetmill.out


def test_a_pipeline_named_by_its_path_is_found_from_the_lock(yard: Yard, assetmill: Terminal) -> None:
    assert assetmill("lock", "./configs/pipelines/posters.yaml") == 0, assetmill.err
    assert 'pipeline = "configs/pipelines/posters.yaml"' in yard.lock_path.read_text()
    assert assetmill("check", "--no-files") == 0
    assert assetmill("lock", "posters") == 0
    assert yard.lock_path.read_text().count("[folder.") == 1


def test_a_lock_of_what_is_not_made_spends_nothing(locked: Yard, assetmill: Terminal) -> None:
    before = locked.lock_path.read_bytes()
    locked.edit("configs/pipelines/posters.yaml", "Make it winter.", "Make it spring.")
    assert assetmill("lock", "posters") == 2
    assert "`assetmill update posters` makes them" in assetmill.err
    assert locked.lock_path.read_bytes() == before


def test_a_folder_of_another_pipeline_is_not_taken(locked: Yard, assetmill: Terminal) -> None:
    other = locked.pipeline.with_name("others.yaml")
    other.write_text(locked.pipeline.read_text().replace("name: posters", "name: others"))
    assert assetmill("lock", "others", "--out", FOLDER) == 2
    assert f"{FOLDER} belongs to posters" in assetmill.err


def test_check_tells_programs_what_changed(locked: Yard, assetmill: Terminal) -> None:
    locked.edit("configs/pipelines/brand.md", "Calm", "Loud")
    (locked.root / FOLDER / "beach.png").unlink()
    assert assetmill("check", "--json") == 1
    found = assetmill.document()
    assert (found["status"], found["files"]) == ("differs", 4)
    first, last = found["problems"][0], found["problems"][-1]
    assert (first["kind"], first["stage"], first["changed"]) == ("stale", "brief", ["knowledge.brand"])
    assert (last["kind"], last["paths"]) == ("missing", [f"{FOLDER}/beach.png"])
    assert assetmill("check") == 1
    assert assetmill("check", "--no-files") == 1


def test_check_writes_a_comment_that_names_cannot_break(
    locked: Yard, assetmill: Terminal, tmp_path: Path
) -> None:
    locked.edit("configs/pipelines/posters.yaml", "[beach, forest]", '["beach", "a|b`<img src=x>@all"]')
    (locked.root / PATHS[0]).unlink()
    assert assetmill("check", "--markdown", str(tmp_path / "comment.md")) == 2
    rows = [line for line in (tmp_path / "comment.md").read_text().splitlines() if line.startswith("| ")]
    assert len(rows) == 3
    assert all(row.count("|") == 5 for row in rows)
    assert not any(sign in rows[1] for sign in ("<img", "@all", "`b"))


def test_check_says_in_a_comment_that_the_lock_cannot_be_read(
    locked: Yard, assetmill: Terminal, tmp_path: Path
) -> None:
    locked.lock_path.write_text("<<<<<<< @all\n")
    assert assetmill("check", "--markdown", str(tmp_path / "comment.md")) == 2
    assert "has a merge conflict" in (tmp_path / "comment.md").read_text()


def test_check_says_in_a_comment_what_an_update_costs(
    locked: Yard, assetmill: Terminal, tmp_path: Path
) -> None:
    locked.edit("configs/pipelines/posters.yaml", "Make it winter.", "Make it spring.")
    assert assetmill("check", "--markdown", str(tmp_path / "comment.md")) == 1
    assert "makes what is stale: about $" in (tmp_path / "comment.md").read_text()


def test_a_pipeline_that_is_not_valid_ends_the_check_with_two(locked: Yard, assetmill: Terminal) -> None:
    locked.pipeline.write_text("stages: 5\n")
    assert assetmill("check") == 2
    assert "posters.yaml" in assetmill.out


def test_a_hostile_lock_stops_every_command(locked: Yard, assetmill: Terminal) -> None:
    text = locked.lock_path.read_text()
    locked.lock_path.write_text(text.replace(f'[asset."{PATHS[0]}"]', '[asset."../../evil.png"]'))
    for command in ("check", "sync", "update", "diff"):
        assert assetmill(command) == 2, command
        assert "assets.lock:" in assetmill.err
    assert not (locked.root.parent / "evil.png").exists()


def test_an_update_of_what_is_as_locked_starts_nothing(locked: Yard, assetmill: Terminal) -> None:
    (locked.root / FOLDER / "beach.png").unlink()
    assert assetmill("update") == 0
    assert assetmill.out.splitlines()[0] == f"{FOLDER}: unchanged"
    assert (locked.root / FOLDER / "beach.png").exists()
    assert not (locked.settings.home / "prefect").exists()


def test_an_update_does_not_pay_for_what_another_store_has(
    locked: Yard, assetmill: Terminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    locked.edit("configs/pipelines/posters.yaml", "Make it winter.", "Make it spring.")
    monkeypatch.setenv("ASSETMILL_HOME", str(tmp_path / "empty"))
    assert assetmill("update") == 2
    assert "are as locked, but the store" in assetmill.err
    assert "--pay-again" in assetmill.err


def test_an_update_whose_run_waits_for_a_word_says_of_which_stage(
    locked: Yard, assetmill: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = StageEntry(stage="poster", variant="beach", status="in_doubt", error="sent or not")
    ended = RunManifest(
        run_id=RunId("run_01"),
        pipeline="posters",
        parameters={},
        profile="local",
        spec_digest=digest(b""),
        status="failed",
        stages=(entry,),
        spent_usd=0.0,
        started_at=1.0,
        finished_at=2.0,
    )

    def run(*_: object) -> RunManifest:
        return ended

    monkeypatch.setattr("assetmill.cli.update._run", run)
    locked.edit("configs/pipelines/posters.yaml", "Draw {{ subject }}", "Paint {{ subject }}")
    assert assetmill("update", "--json") == 1
    (folder,) = assetmill.document()["folders"]
    assert (folder["run_id"], folder["stages"][0]["label"]) == ("run_01", "poster[beach]")
    assert folder["stages"][0]["status"] == "in_doubt"
    assert "the run failed (run_01); the lock is as before" in assetmill.err


def test_an_update_with_options_needs_a_pipeline(locked: Yard, assetmill: Terminal) -> None:
    assert assetmill("update", "--out", "x") == 2
    assert assetmill("update", "posters", "--budget", "-1") == 2


def test_an_update_takes_what_others_made_meanwhile(locked: Yard, assetmill: Terminal) -> None:
    """Nothing is left to pay: a diff with the newest records, then the lock and its files."""
    change_by_hand(locked)
    shown = assetmill.document("diff", "--made")
    assert [change["path"] for change in shown["changes"]] == PATHS
    assert assetmill("lock", "posters") == 0
    assert assetmill("sync") == 0
    assert assetmill("check") == 0


def drop_forest(yard: Yard, assetmill: Terminal) -> None:
    """Make without a variant, so that two files leave the lock."""
    yard.edit("configs/pipelines/posters.yaml", "[beach, forest]", "[beach]")
    yard.make()
    assert assetmill("lock", "posters") == 0, assetmill.err


FOREST = [f"{FOLDER}/forest-winter.png", f"{FOLDER}/forest.png"]


@pytest.mark.parametrize("is_committed", [False, True])
def test_files_that_left_the_lock_are_told_about_and_pruned_on_request(
    locked: Yard, assetmill: Terminal, is_committed: bool
) -> None:
    drop_forest(locked, assetmill)
    if is_committed:
        git(locked.root, "commit", "-q", "-m", "no forest", "assets.lock")
    (locked.root / FOLDER / "mine.png").write_bytes(b"mine")
    assert assetmill("sync") == 0
    assert assetmill.out.splitlines() == [
        "0 written, 2 unchanged",
        *(f"left     {path} is no longer in the lock" for path in FOREST),
        "next: assetmill sync --prune    removes what left the lock",
    ]
    assert all((locked.root / path).exists() for path in FOREST)
    assert assetmill.document("sync")["left"] == FOREST
    assert assetmill.document("sync", "--prune")["removed"] == FOREST
    assert sorted(p.name for p in (locked.root / FOLDER).iterdir()) == [
        "beach-winter.png",
        "beach.png",
        "mine.png",
    ]
    assert assetmill("sync", "--prune") == 0
    assert assetmill.out == "0 written, 2 unchanged\n"


def test_a_file_in_the_place_of_another_is_said_to_replace_it(locked: Yard, assetmill: Terminal) -> None:
    (locked.root / PATHS[0]).write_bytes(b"drawn by hand")
    (locked.root / PATHS[1]).unlink()
    assert assetmill("sync") == 0
    assert assetmill.out.splitlines()[:2] == [f"replaced {PATHS[0]}", f"wrote    {PATHS[1]}"]


def test_a_linked_lock_is_about_the_tree_in_which_the_link_lies(
    locked: Yard, assetmill: Terminal, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    locked.lock_path.rename(outside / "assets.lock")
    locked.lock_path.symlink_to(outside / "assets.lock")
    (locked.root / PATHS[0]).unlink()
    assert assetmill("sync") == 0
    assert (locked.root / PATHS[0]).exists()
    assert assetmill("update") == 0
    assert [path.name for path in outside.iterdir()] == ["assets.lock"]


def test_a_file_that_somebody_changed_is_not_pruned(locked: Yard, assetmill: Terminal) -> None:
    drop_forest(locked, assetmill)
    (locked.root / FOREST[0]).write_bytes(b"painted over")
    assert assetmill("sync", "--prune") == 0
    assert f"removed  {FOREST[1]}" in assetmill.out
    assert f"left     {FOREST[0]} is no longer in the lock, and is not as it was locked" in assetmill.out
    assert (locked.root / FOREST[0]).read_bytes() == b"painted over"


def test_nothing_is_pruned_through_a_link(locked: Yard, assetmill: Terminal, tmp_path: Path) -> None:
    drop_forest(locked, assetmill)
    (locked.root / FOLDER).rename(tmp_path / "elsewhere")
    (locked.root / FOLDER).symlink_to(tmp_path / "elsewhere")
    assert assetmill("sync", "--prune") == 2
    assert "is a link" in assetmill.err
    assert sorted(p.name for p in (tmp_path / "elsewhere").iterdir()) == sorted(FILES)


def test_nothing_is_pruned_while_a_file_is_missing(
    locked: Yard, assetmill: Terminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    drop_forest(locked, assetmill)
    (locked.root / PATHS[0]).unlink()
    monkeypatch.setenv("ASSETMILL_HOME", str(tmp_path / "empty"))
    assert assetmill("sync", "--prune") == 1
    assert all((locked.root / path).exists() for path in FOREST)


def test_pruning_needs_the_lock_that_git_has(locked: Yard, assetmill: Terminal) -> None:
    shutil.rmtree(locked.root / ".git")
    assert assetmill("sync") == 0
    assert assetmill("sync", "--prune") == 2
    assert "not in a git work tree" in assetmill.err


def test_a_pipeline_that_is_gone_is_dropped_from_the_lock(locked: Yard, assetmill: Terminal) -> None:
    locked.pipeline.unlink()
    assert assetmill("check") == 2
    assert f"`assetmill lock --drop {FOLDER}` takes its files out" in assetmill.out
    assert assetmill("lock", "--drop", "public") == 2
    assert f"the lock has {FOLDER}" in assetmill.err
    assert assetmill("lock", "--drop", FOLDER, "--approve", "Ada") == 2
    assert assetmill("lock", "--drop", f"./{FOLDER}/") == 0
    assert assetmill("check") == 0
    assert assetmill("sync", "--prune") == 0
    assert list((locked.root / FOLDER).iterdir()) == []


def test_the_lock_of_another_folder_is_judged_by_its_own_configs(
    locked: Yard, assetmill: Terminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(locked.root / "configs", other / "configs")
    monkeypatch.chdir(other)
    locked.edit("configs/pipelines/posters.yaml", "Make it winter.", "Make it spring.")
    path = str(locked.lock_path)
    assert assetmill("check", "--lock", path) == 1
    assert "winter[place=beach]: prompt changed" in assetmill.out
    locked.edit("configs/pipelines/posters.yaml", "Make it spring.", "Make it winter.")
    assert assetmill("check", "--lock", path) == 0
    assert "ASSETMILL_CONFIGS" not in os.environ


@pytest.mark.parametrize("command", [("lock", "posters"), ("update",)])
def test_what_a_merge_left_is_mended_from_the_store(
    locked: Yard, assetmill: Terminal, command: tuple[str, ...]
) -> None:
    before = locked.lock_path.read_text()
    start = before.index("sha256 = ")
    end = before.index("\n", start)
    sides = f"<<<<<<< HEAD\n{before[start:end]}\n=======\nsha256 = {'0' * 64!r}\n>>>>>>> other"
    locked.lock_path.write_text(before[:start] + sides + before[end:])
    for other in ("check", "sync", "diff"):
        assert assetmill(other) == 2
        assert "let `assetmill update` look them up again" in assetmill.err
    assert assetmill(*command) == 0, assetmill.err
    assert "both sides of a merge changed 1 of its blocks" in assetmill.err
    assert locked.lock_path.read_text() == before
    assert not (locked.settings.home / "prefect").exists()


CUT_OFF = """
import builtins, os, socket, sys

def refused(*_, **__):
    raise AssertionError("the check opened a socket")

socket.socket = socket.create_connection = refused
before = set(os.listdir())
from assetmill.cli.main import call
code = call(sys.argv[1:])
heavy = {"prefect", "azure", "boto3", "botocore", "PIL", "obstore", "openai", "numpy"} & set(sys.modules)
assert not heavy, heavy
assert set(os.listdir()) == before, "the check wrote something"
sys.exit(code)
"""


@pytest.fixture
def clone(locked: Yard, tmp_path: Path) -> Path:
    git(tmp_path, "clone", "-q", str(locked.root), str(tmp_path / "clone"))
    return tmp_path / "clone"


def cut_off_check(clone: Path) -> tuple[int, list[str]]:
    """Check with no network, no variables and nothing but the clone."""
    command = [sys.executable, "-I", "-c", CUT_OFF, "check"]
    done = subprocess.run(command, cwd=clone, env={}, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout.splitlines()


def test_a_fresh_clone_with_the_network_cut_is_judged_rightly(clone: Path) -> None:
    assert cut_off_check(clone) == (0, ["clean: 4 files as locked"])
    (clone / PATHS[0]).unlink()
    assert cut_off_check(clone)[1][0] == f"missing    {PATHS[0]}"
    git(clone, "checkout", "-q", PATHS[0])
    brand = clone / "configs/pipelines/brand.md"
    brand.write_text(brand.read_text().replace("Calm", "Loud"))
    code, lines = cut_off_check(clone)
    assert (code, lines[0]) == (
        1,
        f"stale      {FOLDER}: brief: knowledge.brand changed (configs/pipelines/posters.yaml:6)",
    )
    assert "5 stale; 4 files locked; an update costs about $" in lines[-2]
