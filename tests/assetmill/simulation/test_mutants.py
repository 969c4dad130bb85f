"""Every known mistake is caught within a bounded number of seeds, or the simulation proves nothing."""

from __future__ import annotations

import pytest

from tests.assetmill.simulation.mutants import MUTANTS, Mutant
from tests.assetmill.simulation.scenario import run_seed
from tests.assetmill.simulation.world import Violation

BOUND = 4_000


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", MUTANTS)
def test_the_simulation_catches(name: str) -> None:
    assert any(breaks(MUTANTS[name], seed) for seed in range(BOUND))


def breaks(mutant: Mutant, seed: int) -> bool:
    try:
        run_seed(
            seed, mutate=mutant.mutate, resends=mutant.resends, breach=mutant.breach, policy=mutant.policy
        )
    except Violation:
        return True
    return False
