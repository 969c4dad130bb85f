"""A lock that git merged where both branches changed the same assets."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from assetmill.errors import InvalidSpec
from assetmill.locking.lockfile import ask_for_union, mend_lock, parse_lock, read_lock, write_lock
from assetmill.locking.models import Lock, LockedFolder
from tests.assetmill.locking.test_lockfile import lock_of
from tests.lockyard import git


def merged(tree: Path, base: Lock, ours: Lock, theirs: Lock, style: str = "merge") -> Path:
    """Merge two changes of a lock, whatever comes of it."""
    path = tree / "assets.lock"
    steps = (((), base), (("-b", "other"), theirs), (("main",), ours))
    for way, lock in steps:
        if way:
            git(tree, "checkout", "-q", *way)
        write_lock(path, lock)
        git(tree, "add", "-A")
        git(tree, "commit", "-q", "--allow-empty", "-m", "change")
    command = ["git", "-C", str(tree), "-c", f"merge.conflictStyle={style}", "merge", "-q", "other"]
    subprocess.run(command, capture_output=True, check=False)
    return path


def changed(lock: Lock, path: str, digit: str) -> Lock:
    """Return a lock in which an asset was made anew."""
    fresh = lock.asset[path].model_copy(
        update={"sha256": digit * 64, "fingerprint": "abcdef"[int(digit)] * 52}
    )
    return lock.changed(asset={**lock.asset, path: fresh})


BASE = lock_of("a.png", "b.png", "c.png")


@pytest.mark.parametrize("style", ["union", "merge", "diff3", "zdiff3"])
def test_what_both_sides_changed_is_taken_out_and_nothing_else(tree: Path, style: str) -> None:
    if style == "union":
        assert ask_for_union(tree / "assets.lock")
    ours = changed(changed(BASE, "public/a.png", "1"), "public/c.png", "1")
    theirs = changed(changed(BASE, "public/a.png", "2"), "public/b.png", "2")
    path = merged(tree, BASE, ours, theirs, "merge" if style == "union" else style)
    with pytest.raises(InvalidSpec, match="keep one of the blocks, or let `assetmill update`"):
        read_lock(path)
    lock, missing = mend_lock(path)
    assert missing == ('[asset."public/a.png"]',)
    assert lock.asset == {
        "public/b.png": theirs.asset["public/b.png"],
        "public/c.png": ours.asset["public/c.png"],
    }


@pytest.mark.parametrize("style", ["merge", "diff3"])
def test_assets_that_two_branches_added_are_all_kept(tree: Path, style: str) -> None:
    ours, theirs = lock_of("a.png", "b.png", "c.png", "d.png"), lock_of("a.png", "b.png", "c.png", "e.png")
    lock, missing = mend_lock(merged(tree, BASE, ours, theirs, style))
    assert (sorted(lock.asset), missing) == (sorted({**ours.asset, **theirs.asset}), ())


def test_one_asset_that_both_branches_added_is_looked_up_again(tree: Path) -> None:
    added = lock_of("a.png", "b.png", "c.png", "d.png")
    ours, theirs = (changed(added, "public/d.png", digit) for digit in "12")
    lock, missing = mend_lock(merged(tree, BASE, ours, theirs))
    assert (lock, missing) == (BASE, ('[asset."public/d.png"]',))


def test_a_folder_that_both_sides_changed_is_left_to_a_person(tree: Path) -> None:
    block = BASE.folder["public"]
    sides: list[Lock] = []
    for subject in ("cup", "jug"):
        plan = block.plan.model_copy(update={"parameters": {"subject": subject}})
        sides.append(BASE.changed(folder={"public": LockedFolder(plan=plan)}))
    with pytest.raises(InvalidSpec, match="keep one of the blocks"):
        mend_lock(merged(tree, BASE, sides[0], sides[1]))


def test_other_damage_is_not_mended(tmp_path: Path) -> None:
    path = tmp_path / "assets.lock"
    write_lock(path, BASE)
    assert mend_lock(path) == (BASE, ())
    path.write_text(path.read_text().replace("size_bytes = 12", "size_bytes = -1", 1))
    with pytest.raises(InvalidSpec, match="size_bytes"):
        mend_lock(path)
    assert parse_lock(b"version = 1") == Lock()
