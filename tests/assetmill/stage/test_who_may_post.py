"""Only two files post: the engine, and the probe that a person asks for."""

from __future__ import annotations

from pathlib import Path

import assetmill

_SOURCES = Path(assetmill.__file__).parent


def test_only_the_engine_and_the_probe_post() -> None:
    assert _callers(".create_response(") == ["engine.py", "probing.py"]


def test_only_the_engine_asks_an_image_model_itself() -> None:
    # The gateway passes the call on to the module with the routes.
    assert _callers(".draw(") == ["engine.py", "foundry.py"]


def test_only_the_probe_hangs_up_on_what_it_posts() -> None:
    assert _callers(".post_and_leave(") == ["probing.py"]


def _callers(call: str) -> list[str]:
    return sorted(path.name for path in _SOURCES.rglob("*.py") if call in path.read_text("utf-8"))
