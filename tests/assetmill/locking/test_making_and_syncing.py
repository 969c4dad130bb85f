"""From finished records to a lock, and from a lock to files: what is kept, and where nothing is written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from assetmill.errors import InvalidInput
from assetmill.locking.lockfile import format_lock
from assetmill.locking.making import lock_plan
from assetmill.locking.models import Lock, LockedFolder, PlanRef
from assetmill.locking.offline_plan import blob_of
from assetmill.locking.paths import path_problem, tidy_folder, write_file
from assetmill.locking.syncing import sync_files
from assetmill.records import BlobRef
from tests.lockyard import FILES, FOLDER, Yard, grow

REFERENCE = PlanRef(pipeline="posters", profile="local", parameters={})


@pytest.fixture(scope="module")
def yard(tmp_path_factory: pytest.TempPathFactory) -> Yard:
    yard = grow(tmp_path_factory.mktemp("yard"))
    yard.make()
    return yard


def test_locking_twice_gives_the_same_bytes(yard: Yard) -> None:
    once = yard.locked()
    assert format_lock(yard.locked(once)) == format_lock(once)


def test_the_words_that_prompts_read_are_locked_and_no_others(yard: Yard) -> None:
    lock = yard.locked()
    assert list(lock.stage) == [f"{FOLDER}:brief"]
    assert lock.stage[f"{FOLDER}:brief"].text.startswith("Calm colours")
    assert sorted(lock.asset) == [f"{FOLDER}/{name}" for name in FILES]


def test_a_stage_that_is_not_finished_names_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"5 of 5 stages .* \(brief, .*`assetmill update posters`"):
        grow(tmp_path).locked()


def test_only_some_stages_become_files(yard: Yard) -> None:
    lock = lock_plan(Lock(), FOLDER, yard.plan(), REFERENCE, only=["winter"])
    assert sorted(lock.in_tree()) == [f"{FOLDER}/beach-winter.png", f"{FOLDER}/forest-winter.png"]
    assert len(lock.asset) == 4
    with pytest.raises(InvalidInput, match="no stage 'summer'"):
        lock_plan(Lock(), FOLDER, yard.plan(), REFERENCE, only=["summer"])


def test_an_approval_stays_with_the_bytes_it_was_given_for(yard: Yard) -> None:
    path = f"{FOLDER}/beach.png"
    approved = lock_plan(Lock(), FOLDER, yard.plan(), REFERENCE, approved="Ada  L.\n")
    assert str(approved.asset[path].approved).startswith("Ada L., 20")
    again = lock_plan(approved, FOLDER, yard.plan(), REFERENCE)
    assert again.asset[path].approved == approved.asset[path].approved
    other = approved.asset[path].model_copy(update={"sha256": "0" * 64})
    changed = approved.changed(asset={**approved.asset, path: other})
    assert lock_plan(changed, FOLDER, yard.plan(), REFERENCE).asset[path].approved is None


def test_a_file_keeps_a_path_that_was_chosen_for_it(yard: Yard) -> None:
    lock = yard.locked()
    moved = {**lock.asset, f"{FOLDER}/shore.png": lock.asset[f"{FOLDER}/beach.png"]}
    del moved[f"{FOLDER}/beach.png"]
    assert f"{FOLDER}/shore.png" in yard.locked(lock.changed(asset=moved)).asset


def test_a_renamed_stage_gets_the_path_of_the_one_it_replaces(yard: Yard) -> None:
    lock = yard.locked()
    old = lock.asset[f"{FOLDER}/beach.png"].model_copy(update={"stage": "placard[place=beach]"})
    before = lock.changed(asset={**lock.asset, f"{FOLDER}/beach.png": old})
    assert sorted(yard.locked(before).asset) == sorted(lock.asset)


def test_other_folders_are_left_as_they_are(yard: Yard) -> None:
    other = Lock(folder={"docs/img": LockedFolder(plan=REFERENCE)})
    assert yard.locked(other).folder.keys() == {"docs/img", FOLDER}


class Bucket:
    """Finds every blob of a yard's store and notes what was asked for."""

    def __init__(self, yard: Yard) -> None:
        self.yard, self.asked = yard, list[str]()

    def __call__(self, profile: str, blob: BlobRef) -> bytes | None:
        self.asked.append(blob.digest)
        services = self.yard.services()
        try:
            return services.blobs.find(blob)
        finally:
            services.close()


def test_a_sync_brings_only_what_differs(yard: Yard, tmp_path: Path) -> None:
    lock, bucket = yard.locked(), Bucket(yard)
    assert sync_files(lock, tmp_path, bucket).written == tuple(f"{FOLDER}/{name}" for name in FILES)
    bucket.asked.clear()
    assert sync_files(lock, tmp_path, bucket).written == ()
    assert bucket.asked == []
    path = f"{FOLDER}/beach.png"
    (tmp_path / path).write_bytes(b"other")
    synced = sync_files(lock, tmp_path, bucket)
    assert (synced.written, synced.replaced) == ((path,), (path,))
    assert bucket.asked == [blob_of(lock.asset[path]).digest]
    assert sorted(os.listdir(tmp_path / FOLDER)) == list(FILES)


def test_bytes_that_no_store_has_are_reported_and_the_rest_is_brought(yard: Yard, tmp_path: Path) -> None:
    lock, bucket = yard.locked(), Bucket(yard)
    path = f"{FOLDER}/beach.png"
    lost = lock.asset[path].model_copy(update={"sha256": "0" * 64})
    synced = sync_files(lock.changed(asset={**lock.asset, path: lost}), tmp_path, bucket)
    assert synced.unknown == (path,)
    assert len(synced.written) == 3
    assert not (tmp_path / path).exists()


def test_nothing_is_written_through_a_linked_folder(yard: Yard, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    root = tmp_path / "tree"
    root.mkdir()
    (root / "public").symlink_to(outside)
    with pytest.raises(InvalidInput, match="is a link"):
        sync_files(yard.locked(), root, Bucket(yard))
    assert list(outside.iterdir()) == []


def test_a_link_in_the_place_of_a_file_is_replaced_and_not_followed(yard: Yard, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    root = tmp_path / "tree"
    (root / FOLDER).mkdir(parents=True)
    (root / FOLDER / "beach.png").symlink_to(victim)
    sync_files(yard.locked(), root, Bucket(yard))
    assert victim.read_text() == "precious"
    assert not (root / FOLDER / "beach.png").is_symlink()


@pytest.mark.parametrize(
    "path", ["../a.png", "/a.png", "a.png", "x/../../a.png", "x/.hidden", "x\\..\\a/b", ""]
)
def test_a_path_out_of_the_tree_is_never_written(path: str, tmp_path: Path) -> None:
    assert path_problem(path)
    with pytest.raises(InvalidInput):
        write_file(tmp_path / "tree", path, b"")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("folder", ["..", ".", "../x", "/tmp/x", "a/../..", ".git", "a b", "a/.b"])  # noqa: S108
def test_a_folder_out_of_the_tree_is_refused(folder: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput):
        tidy_folder(folder, tmp_path)


def test_a_folder_is_written_in_one_way(tmp_path: Path) -> None:
    assert tidy_folder("./public//img/", tmp_path) == "public/img"
    assert tidy_folder(str(tmp_path / "public"), tmp_path) == "public"
