"""Two commands at once in one tree: both changes stay, or one is told."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from assetmill import holding
from assetmill.holding import GUARD, held
from assetmill.locking.lockfile import read_lock
from tests.lockyard import Yard

PAIRS = 6


def together(yard: Yard, *commands: tuple[str, ...]) -> None:
    """Run commands at the same time, each in a process of its own, and ask that all succeed."""
    environ = {
        **os.environ,
        "ASSETMILL_HOME": str(yard.settings.home),
        "ASSETMILL_CONFIGS": str(yard.root / "configs"),
    }
    program = [sys.executable, "-m", "assetmill.cli.main"]
    started = [
        subprocess.Popen(
            [*program, *command],
            cwd=yard.root,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for command in commands
    ]
    said = [process.communicate(timeout=120)[0] for process in started]
    assert [process.returncode for process in started] == [0 for _ in commands], said


@pytest.mark.timeout(240)
@pytest.mark.parametrize("command", ["lock", "update"])
def test_neither_of_two_folders_is_lost(yard: Yard, command: str) -> None:
    folders = [(f"public/{n}a", f"public/{n}b") for n in range(PAIRS // 2)]
    for pair in folders:
        together(yard, *((command, "posters", "--out", folder) for folder in pair))
        assert set(pair) <= set(read_lock(yard.lock_path).folder), pair
    assert len(read_lock(yard.lock_path).folder) == PAIRS
    assert (yard.root / ".gitattributes").read_text().count("assets.lock") == 1


@pytest.mark.timeout(240)
def test_a_folder_that_is_dropped_beside_one_that_is_added(yard: Yard) -> None:
    together(yard, ("lock", "posters", "--out", "public/old"))
    together(yard, ("lock", "--drop", "public/old"), ("lock", "posters", "--out", "public/new"))
    assert set(read_lock(yard.lock_path).folder) == {"public/new"}


def test_a_held_folder_is_nobody_elses_and_a_dead_holder_lets_go(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from assetmill.holding import held\n"
        "with held(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    handle = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        other.kill()
    os.close(handle)
    with held(tmp_path):
        assert list(tmp_path.iterdir()) == []


def test_where_folders_know_no_locks_a_file_stands_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = fcntl.flock

    def as_on_nfs(handle: int, how: int) -> None:
        if os.path.isdir(f"/proc/self/fd/{handle}"):
            raise OSError(errno.EBADF, "not on a folder")
        real(handle, how)

    monkeypatch.setattr(holding.fcntl, "flock", as_on_nfs)
    with held(tmp_path), (tmp_path / GUARD).open() as guard, pytest.raises(BlockingIOError):
        real(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with (tmp_path / GUARD).open() as guard:
        real(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
