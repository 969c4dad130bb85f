"""Reviews as people give them, and as CI asks for them where no store and no private key is."""

from __future__ import annotations

import shutil

import pytest

from assetmill.locking.lockfile import read_lock, write_lock
from assetmill.locking.models import Lock
from tests.assetmill.cli.terminal import Terminal
from tests.lockyard import FOLDER, Yard

HERO = f"{FOLDER}/beach.png"


@pytest.fixture
def reviewed(locked: Yard, assetmill: Terminal) -> Yard:
    """A locked tree whose files ada and grace have approved."""
    for name in ("ada", "grace"):
        assert assetmill("reviewers", "add", name, "--group", "brand") == 0, assetmill.err
        assert assetmill("lock", "posters", "--approve", name) == 0, assetmill.err
    return locked


def without_store(yard: Yard) -> None:
    """What a clone elsewhere has: the tree, and nothing of the home."""
    shutil.rmtree(yard.settings.home)


def changed(yard: Yard, path: str, **fields: object) -> Lock:
    lock = read_lock(yard.lock_path)
    asset = lock.asset[path].model_copy(update=fields)
    return lock.changed(asset={**lock.asset, path: asset})


def test_approvals_hold_where_neither_store_nor_key_is(reviewed: Yard, assetmill: Terminal) -> None:
    without_store(reviewed)
    assert assetmill("check", "--approvals", "2") == 0, assetmill.out
    assert assetmill("check", "--approvals", "3") == 1
    assert "approved by ada, grace; 3 are needed" in assetmill.out


def test_a_word_is_given_shown_and_taken_back(reviewed: Yard, assetmill: Terminal) -> None:
    assert assetmill("review", HERO, "reject", "--by", "grace") == 2
    assert "say why" in assetmill.err
    assert assetmill("review", HERO, "reject", "--by", "grace", "--reason", "the logo is cut off") == 0
    assert "rejected by grace" in assetmill.out
    assert "the logo is cut off" in assetmill.out
    assert assetmill("check", "--approved") == 0
    assert assetmill("lock", "posters") == 0
    assert assetmill("check", "--approved") == 1
    assert f"unapproved {HERO}: rejected by grace" in assetmill.out
    assert assetmill("review", HERO, "withdraw", "--by", "grace") == 0
    assert assetmill("lock", "posters") == 0
    assert assetmill("check", "--approved") == 0
    assert assetmill("check", "--approvals", "2") == 1
    told = assetmill.document("review", HERO)
    assert [one["kind"] for one in told["reviews"]] == ["approved", "approved", "rejected", "withdrawn"]
    assert (told["stand"], told["approved_by"]) == ("approved", ["ada"])


def test_new_bytes_are_not_approved(reviewed: Yard, assetmill: Terminal) -> None:
    reviewed.edit("configs/pipelines/posters.yaml", "Draw {{ subject }}", "Paint {{ subject }}")
    reviewed.make()
    assert assetmill("lock", "posters") == 0
    assert assetmill("sync") == 0
    assert assetmill("check", "--approved") == 1
    assert assetmill.out.count("approved by nobody") == 4


def test_approvals_of_another_file_are_told(reviewed: Yard, assetmill: Terminal) -> None:
    lock = read_lock(reviewed.lock_path)
    other = lock.asset[f"{FOLDER}/forest.png"].reviews
    write_lock(reviewed.lock_path, changed(reviewed, HERO, reviews=other))
    assert assetmill("check", "--approved") == 1
    assert "said it of another picture" in assetmill.out


def test_a_name_that_was_approved_for_another_is_none(reviewed: Yard, assetmill: Terminal) -> None:
    write_lock(reviewed.lock_path, changed(reviewed, HERO, output="other.png"))
    assert assetmill("check", "--approved") == 1
    assert f"unapproved {HERO}: approved by nobody" in assetmill.out


def test_without_their_envelopes_files_are_unapproved(reviewed: Yard, assetmill: Terminal) -> None:
    write_lock(reviewed.lock_path, changed(reviewed, HERO, reviews=[], approved="ada, 2026-01-01"))
    assert assetmill("check", "--approved") == 1


def test_a_stranger_cannot_approve(reviewed: Yard, assetmill: Terminal) -> None:
    assert assetmill("lock", "posters", "--approve", "eve") == 2
    assert "no reviewer 'eve'" in assetmill.err
    assert assetmill("review", HERO, "approve") == 2
    assert "--by" in assetmill.err


def test_who_left_the_project_approves_no_more(reviewed: Yard, assetmill: Terminal) -> None:
    path = reviewed.settings.configs / "reviewers.toml"
    path.write_text(path.read_text().split('\n["grace"]')[0] + "\n")
    assert assetmill("check", "--approved") == 1
    assert "'grace' is no reviewer of this project" in assetmill.out


def test_reviewers_are_listed(reviewed: Yard, assetmill: Terminal) -> None:
    told = assetmill.document("reviewers")["reviewers"]
    assert [(one["name"], one["groups"], one["is_here"]) for one in told] == [
        ("ada", ["brand"], True),
        ("grace", ["brand"], True),
    ]
    without_store(reviewed)
    assert not any(one["is_here"] for one in assetmill.document("reviewers")["reviewers"])


def test_a_project_without_reviewers_locks_as_before(locked: Yard, assetmill: Terminal) -> None:
    before = locked.lock_path.read_bytes()
    assert assetmill("lock", "posters") == 0
    assert locked.lock_path.read_bytes() == before
    assert b"reviews" not in before
