"""A sandbox at every tier that this machine has; a tier that is not there is skipped with its reason."""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path
from typing import Literal

import pytest
from foundry_emulator.interpreter.code import Sandbox
from foundry_emulator.interpreter.sandbox import canary
from foundry_emulator.interpreter.sandbox.cage import Cage

TierName = Literal["strong", "landlock"]


@cache
def absence(tier: TierName) -> str | None:
    if tier == "strong" and shutil.which("bwrap") is None:
        return "bubblewrap is not installed"
    return canary.why_not(Cage(tier, shutil.which("bwrap")))


def sandbox_of(tier: TierName, tmp_path: Path) -> Sandbox:
    reason = absence(tier)
    if reason is not None:
        pytest.skip(f"{tier}: {reason}")
    return Sandbox(tier, bubblewrap=shutil.which("bwrap"), reasons=(), fonts=tmp_path / "fonts.json")


@pytest.fixture(params=["strong", "landlock"])
def sandbox(request: pytest.FixtureRequest, tmp_path: Path) -> Sandbox:
    return sandbox_of(request.param, tmp_path)


@pytest.fixture
def plain_sandbox(tmp_path: Path) -> Sandbox:
    """The tier that needs no package."""
    return sandbox_of("landlock", tmp_path)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    place = tmp_path / "data"
    place.mkdir()
    return place
