"""Collecting from a directory that an enemy has filled."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from foundry_emulator.interpreter.sandbox import collecting


def test_new_and_changed_files_are_read_in_order(tmp_path: Path) -> None:
    (tmp_path / "same").write_bytes(b"same")
    (tmp_path / "changed").write_bytes(b"1")
    before = collecting.snapshot(tmp_path)
    (tmp_path / "changed").write_bytes(b"22")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "new").write_bytes(b"3")
    assert collecting.collect(tmp_path, before) == collecting.CollectedFiles(
        (("changed", b"22"), ("sub/new", b"3")), ()
    )


def test_file_put_in_place_of_another_counts_as_changed(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    before = collecting.snapshot(tmp_path)
    info = (tmp_path / "a").stat()
    (tmp_path / "b").write_bytes(b"2")
    os.utime(tmp_path / "b", ns=(info.st_atime_ns, info.st_mtime_ns))
    (tmp_path / "b").replace(tmp_path / "a")
    assert collecting.collect(tmp_path, before).files == (("a", b"2"),)


def test_what_is_not_a_plain_file_is_passed_over(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "closet").mkdir()
    (tmp_path / "closet" / "inner").write_bytes(b"secret")
    os.mkfifo(root / "pipe")
    (root / "link").symlink_to(tmp_path / "secret")
    (root / "way").symlink_to(tmp_path / "closet")
    os.link(tmp_path / "secret", root / "second")
    with (root / "giant").open("wb") as giant:
        giant.truncate(10 << 30)
    (root / os.fsdecode(b"bad-\xff")).write_bytes(b"x")
    crop = collecting.collect(root, {})
    assert crop.files == ()
    assert crop.skipped == (
        "'bad-\\udcff': its name is not text",
        "'giant': it is larger than 64 MiB",
        "'link': it is not a regular file",
        "'pipe': it is not a regular file",
        "'second': it has a second name",
        "'way': it is not a regular file",
    )


def test_number_of_files_is_limited(tmp_path: Path) -> None:
    for number in range(collecting.MAX_FILES + 1):
        (tmp_path / f"{number:02}").write_bytes(b"x")
    crop = collecting.collect(tmp_path, {})
    assert len(crop.files) == collecting.MAX_FILES
    assert crop.skipped == ("'50': more than 50 files",)


def test_total_size_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collecting, "MAX_TOTAL_BYTES", 1 << 20)
    for name in "abc":
        (tmp_path / name).write_bytes(bytes(400 << 10))
    crop = collecting.collect(tmp_path, {})
    assert [name for name, _ in crop.files] == ["a", "b"]
    assert crop.skipped == ("'c': more than 1 MiB of files",)


def test_tree_too_deep_is_removed_and_named(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*"d" * 20)
    deep.mkdir(parents=True)
    (deep / "file").touch()
    crop = collecting.collect(tmp_path, {})
    assert crop.skipped == (f"{'/'.join('d' * 17)!r}: it is too deep",)
    assert not tmp_path.joinpath(*"d" * 17).exists()


def test_tree_deeper_than_the_stack_is_removed(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    here = os.open(root, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    collecting.remove(root)
    assert not root.exists()


def test_footprint_counts_blocks_and_files(tmp_path: Path) -> None:
    (tmp_path / "full").write_bytes(b"x" * 8192)
    with (tmp_path / "hollow").open("wb") as hollow:
        hollow.truncate(1 << 30)
    size_bytes, count = collecting.footprint(tmp_path)
    assert count == 2
    assert 8192 <= size_bytes < 1 << 20


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_file_with_a_second_name_is_not_given_away(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "host").touch()
    os.link(tmp_path / "host", root / "trap")
    (root / "plain").touch()
    (root / "link").symlink_to(tmp_path / "host")
    collecting.hand_over(root, 1 << 30)
    assert (tmp_path / "host").stat().st_uid == 0
    assert (root / "plain").stat().st_uid == 1 << 30
    assert (root / "link").lstat().st_uid == 1 << 30
