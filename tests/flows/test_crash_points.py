"""A real SIGKILL at every effect of the money protocol, against the emulator, whose bill is the witness.

For every point: run, die there, run again. The second run has the commit, its bytes are in the store, and the
bill has one picture per stage; or it says that it is in doubt, exactly where the list below says so.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from assetmill.stage.failpoints import names
from tests.flows.crash_bench import (
    CASES,
    DIRECT_DOUBT,
    DIRECT_POINTS,
    DOUBT,
    LOST,
    REFUSED,
    Bench,
    open_bench,
)

pytestmark = [pytest.mark.server, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with open_bench(tmp_path_factory.mktemp("home")) as made:
        yield made


def live_twice(bench: Bench, kind: str, point: str, policy: str) -> tuple[str, int]:
    """Die at a point and run again; return how that ended and how many pictures were billed in all."""
    bench.control.faults(*([REFUSED] if kind == "refused" else [LOST] if kind == "lost" else []))
    before, case = len(bench.pictures()), bench.case()
    assert bench.run(kind, case, policy, point) == "SIGKILL"
    ended = bench.run(kind, case, policy)
    return ended, len(bench.pictures()) - before


def test_every_failpoint_is_tried() -> None:
    tried = {point.partition(":")[0] for _, point in CASES}
    assert tried | set(DIRECT_POINTS) == set(names())


@pytest.mark.parametrize(("kind", "point"), CASES)
def test_a_run_that_died_there_is_finished_by_the_next_one(bench: Bench, kind: str, point: str) -> None:
    stages = 2 if kind == "tools" else 1
    ended, pictures = live_twice(bench, kind, point, "hold")
    if point in DOUBT[kind]:
        paid = 1 if kind == "turns" else 0  # the first turn drew the picture; only the second is open
        assert (ended, pictures) == ("doubt", paid)
    else:
        assert (ended, pictures) == ("commit", stages)


@pytest.mark.parametrize(("kind", "point"), [(k, p) for k, p in CASES if k != "turns" and p in DOUBT[k]])
def test_a_fence_leaves_no_doubt(bench: Bench, kind: str, point: str) -> None:
    assert live_twice(bench, kind, point, "fence") == ("commit", 1)


@pytest.mark.parametrize("policy", ["hold", "fence"])
@pytest.mark.parametrize("point", DIRECT_POINTS)
def test_a_direct_call_that_died_is_finished_or_in_doubt_and_paid_once(
    bench: Bench, point: str, policy: str
) -> None:
    ended, pictures = live_twice(bench, "direct", point, policy)
    if point in DIRECT_DOUBT:
        # Nothing can be asked again, and nothing be fenced: whatever the policy, a person decides.
        assert (ended, pictures) == ("doubt", DIRECT_DOUBT[point])
    else:
        assert (ended, pictures) == ("commit", 1)
