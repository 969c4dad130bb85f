"""Only two files post: the engine, and the probe that a person asks for."""

from __future__ import annotations

from pathlib import Path

import assetmill

_SOURCES = Path(assetmill.__file__).parent


def test_only_the_engine_and_the_probe_post() -> None:
    posting = [path for path in _SOURCES.rglob("*.py") if ".create_response(" in path.read_text("utf-8")]
    assert sorted(path.name for path in posting) == ["engine.py", "probing.py"]


def test_only_the_probe_hangs_up_on_what_it_posts() -> None:
    leaving = [path for path in _SOURCES.rglob("*.py") if ".post_and_leave(" in path.read_text("utf-8")]
    assert [path.name for path in leaving] == ["probing.py"]
