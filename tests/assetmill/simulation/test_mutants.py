"""Every known mistake is caught within a bounded number of seeds, or the simulation proves nothing."""

from __future__ import annotations

import itertools

import pytest

from assetmill.agents.gateway import WAYS
from tests.assetmill.simulation.mutants import MUTANTS, Mutant
from tests.assetmill.simulation.scenario import Posting, run_seed
from tests.assetmill.simulation.world import Violation

BOUND = 12_000
KINDS: tuple[Posting, ...] = (*WAYS, "direct")
CASES = [
    (name, posting)
    for name, mutant in MUTANTS.items()
    for posting in KINDS
    if (posting in mutant.postings if mutant.postings else posting != "direct" or mutant.may_be_direct)
]


FOUND_LATE: dict[tuple[str, Posting], int] = {
    ("the post reads the conversation again", "foreground"): 8836,
    ("silence on the line counts early", "stream"): 2539,
    ("every turn adopts the first response", "background"): 1207,
}
"""Seeds that catch what few do: tried first, to spare a minute of searching, while they still do."""


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("name", "posting"), CASES)
def test_the_simulation_catches(name: str, posting: Posting) -> None:
    first = FOUND_LATE.get((name, posting), 0)
    assert any(breaks(MUTANTS[name], seed, posting) for seed in itertools.chain([first], range(BOUND)))


def breaks(mutant: Mutant, seed: int, posting: Posting) -> bool:
    try:
        run_seed(
            seed,
            mutate=mutant.mutate,
            resends=mutant.resends,
            answers=mutant.answers,
            is_fooled=True,
            policy=mutant.policy,
            posting=posting,
        )
    except Violation:
        return True
    return False
