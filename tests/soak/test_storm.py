"""A storm, short in every test run and for hours in `make soak`: nothing is lost, nothing is paid twice."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.soak.storm import storm

pytestmark = pytest.mark.server

SEED = int(os.environ.get("ASSETMILL_STORM_SEED", "1"))
MINUTES = float(os.environ.get("ASSETMILL_STORM_MINUTES", "120"))
ROUND_S = 300.0


@pytest.mark.soak  # Three and a half minutes on one core: too much of what every test run may take.
@pytest.mark.timeout(900)
def test_a_short_storm_loses_nothing_and_pays_once(tmp_path: Path) -> None:
    tally = storm(tmp_path, seed=1, minutes=0.0, round_s=20.0)
    assert tally.counts["kills"]["service"]
    assert tally.counts["checked"]["pictures"]


@pytest.mark.soak
@pytest.mark.timeout(MINUTES * 60 + 3600)
def test_a_long_storm_loses_nothing_and_pays_once(tmp_path: Path) -> None:
    storm(tmp_path, SEED, MINUTES, ROUND_S)
