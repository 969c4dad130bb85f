"""Which versions `make newest` tries, and how its table tells what changed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from benchmarks.newest import versions
from benchmarks.newest.__main__ import about, table
from benchmarks.newest.checks import CHECKS, Verdict, interrupted
from benchmarks.newest.versions import Candidates, World, candidates, worlds

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("released", "newest", "beyond"),
    [
        (["3.8.8", "3.8.9", "3.9.0", "3.10.0"], "3.8.9", "3.9.0"),
        (["3.10.0", "3.9.1", "3.9.0", "3.8.10", "3.8.9"], "3.8.10", "3.9.0"),
        (["3.8.8", "3.8.7", "3.9.0rc1"], "3.8.8", None),
    ],
)
def test_the_newest_allowed_and_the_first_beyond(
    released: list[str], newest: str, beyond: str | None
) -> None:
    found = candidates("3.8.8", SpecifierSet(">=3.8.8,<3.9"), released)
    assert (found.newest_allowed, found.first_beyond) == (newest, beyond)


def test_each_combination_is_tried_once() -> None:
    still = Candidates("1.0", "1.0", None)
    assert [world.name for world in worlds({"openai": still})] == ["pinned"]
    moved = Candidates("3.8", "3.8.9", "3.9")
    tried = worlds({"openai": still, "prefect": moved})
    assert [dict(world.versions) for world in tried] == [
        {"openai": "1.0", "prefect": "3.8"},
        {"openai": "1.0", "prefect": "3.8.9"},
        {"openai": "1.0", "prefect": "3.9"},
    ]
    assert tried[-1].name == "prefect 3.9, not allowed"


def test_the_pins_stand_within_the_ranges() -> None:
    pinned, allowed = versions.pins(ROOT / "constraints.txt"), versions.ranges(ROOT / "pyproject.toml")
    assert set(pinned) == set(versions.PACKAGES)
    assert all(pinned[name] in allowed[name] for name in versions.PACKAGES)


def test_the_table_marks_what_changed() -> None:
    base = dict.fromkeys(CHECKS, Verdict(True, "39 passed")) | {"installation": Verdict(True, "installed")}
    worse = base | {"samples": Verdict(False, "38 passed, 1 failed")}
    none = {"installation": Verdict(False, "not installable")}
    rows = table(
        [
            (World("pinned", {"openai": "1"}), base),
            (World("newest allowed", {"openai": "2"}), worse),
            (World("openai 3, not allowed", {"openai": "3"}), none),
        ]
    )
    assert rows[2].count("39 passed") == len(CHECKS)
    assert rows[3].startswith("| newest allowed: openai 2 |")
    assert "**38 passed, 1 failed** (pinned: 39 passed)" in rows[3]
    assert rows[3].count("**") == 2
    assert rows[4].count("**not installable**") == len(CHECKS)


def test_what_nobody_published_is_said() -> None:
    assert about({"openai": Candidates("1.0", "1.1", None)}) == [
        "openai: pinned 1.0, newest allowed 1.1, first not allowed none published"
    ]


def test_a_check_that_takes_too_long_ends_what_it_started() -> None:
    program = """
import signal
try:
    print("started", flush=True)
    signal.pause()
except KeyboardInterrupt:
    print("ended its servers")
"""
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "started\n"
        assert interrupted(process) == "ended its servers\n"
    assert process.returncode == 0
