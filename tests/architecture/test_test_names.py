"""Test modules of folders that are no packages are imported by their names alone: each name is there once."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_no_two_test_modules_have_one_name() -> None:
    found = defaultdict[str, list[str]](list)
    for folder in ("tests", "emulator/tests"):
        for path in (ROOT / folder).rglob("test_*.py"):
            found[path.name].append(str(path.parent.relative_to(ROOT)))
    assert {name: where for name, where in found.items() if len(where) > 1} == {}
