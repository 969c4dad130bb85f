"""Names that the program uses, and the directories they stand for where nothing can be mounted."""

# ruff: noqa: S108  # nothing is opened here

from __future__ import annotations

from pathlib import PurePath

import pytest
from foundry_emulator.interpreter.sandbox.inside.paths import Names

NAMES = Names("/tmp/w", "/home/t", kept=("/tmp/venv",))


@pytest.mark.parametrize(
    ("said", "real"),
    [
        ("/mnt/data", "/tmp/w"),
        ("/mnt/data/", "/tmp/w"),
        ("/mnt/data/a/b", "/tmp/w/a/b"),
        ("/mnt//data/./a", "/tmp/w/a"),
        (b"/mnt/data/\xff", b"/tmp/w/\xff"),
        (PurePath("/mnt/data/a"), "/tmp/w/a"),
        ("/mnt/data2", "/mnt/data2"),
        ("/mnt/data/../x", "/mnt/data/../x"),
        ("/tmp/x", "/home/t/x"),
        ("/tmp/venvx", "/home/t/venvx"),
        ("/tmp/venv/lib/x", "/tmp/venv/lib/x"),
        ("/tmp/w/a", "/tmp/w/a"),
        ("mnt/data", "mnt/data"),
        ("", ""),
        (3, 3),
        (None, None),
    ],
)
def test_name_is_translated(said: object, real: object) -> None:
    assert NAMES.real(said) == real


def test_kernel_name_is_translated_back() -> None:
    assert [NAMES.said(path) for path in ("/tmp/w", "/tmp/w/a", "/home/t", "/usr")] == [
        "/mnt/data",
        "/mnt/data/a",
        "/tmp",
        "/usr",
    ]
