"""A test has the same ID in every process: else one that collects a second later ends the whole run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HOUSES = Path(__file__).parents[2] / "tests", Path(__file__).parents[2] / "emulator" / "tests"
TESTS = """
import os

import pytest


@pytest.mark.parametrize("made", [os.urandom(200), os.urandom(200).hex(), "short"])
def test_something(made):
    assert made
"""


@pytest.mark.timeout(90)
@pytest.mark.parametrize("house", HOUSES, ids=("assetmill", "emulator"))
def test_values_that_differ_from_process_to_process_are_in_no_id(house: Path, tmp_path: Path) -> None:
    (tmp_path / "test_made.py").write_text(TESTS)
    (tmp_path / "conftest.py").write_text((house / "conftest.py").read_text())
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert "3 passed" in done.stdout, done.stdout
