"""Tests that share servers run in one process: else each process starts servers of its own, all at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
import pytest

pytestmark = pytest.mark.xdist_group("servers")


@pytest.mark.parametrize("number", range(4))
def test_worker(worker_id, number):
    with open("workers", "a") as told:
        print(worker_id, file=told)
"""


@pytest.mark.timeout(90)
def test_a_group_is_kept_together(tmp_path: Path) -> None:
    for name in ("test_one.py", "test_other.py"):
        (tmp_path / name).write_text(TESTS)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-n",
        "2",
        "--dist",
        "loadgroup",
        "-p",
        "no:cacheprovider",
    ]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=60)
    told = (tmp_path / "workers").read_text().split()
    assert len(told) == 8
    assert len(set(told)) == 1
