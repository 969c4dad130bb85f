"""Every interleaving of the protocol's model; every variant that leaves a part out must fail."""

from __future__ import annotations

from dataclasses import replace

import pytest

from assetmill.agents.gateway import WAYS, Way
from tests.assetmill.simulation.model import Rules, Wrong, explore

BAD = {
    "no fence": Rules(deletes=False),
    "no settle time": Rules(settles=False),
    "no second list": Rules(lists_again=False),
    "no list at all": Rules(lists_at_all=False),
    "the SDK's retries are on": Rules(resends=True),
    "the SDK's retries are on, under hold": Rules(policy="hold", resends=True),
    "silence changes the lane": Rules(changes_lane_on_silence=True),
    "silence changes the lane, under hold": Rules(policy="hold", changes_lane_on_silence=True),
    "the post before the intent": Rules(intent_first=False),
    "the post before the intent, under hold": Rules(policy="hold", intent_first=False),
    "the commit before the blobs": Rules(blobs_first=False),
    "a deleted conversation accepts": Rules(deleted_refuse=False),
    "silence is a refusal": Rules(silence_refuses=True),
    "silence is a refusal, under hold": Rules(policy="hold", silence_refuses=True),
}
ON_THE_LINE = {
    "silence on the line counts early": Rules(waits_for_the_end=False),
    "what loses its line is gone, and fenced": Rules(outlives_its_line=False),
}
CASES = [
    *((name, rules, way) for name, rules in BAD.items() for way in WAYS),
    *((name, rules, way) for name, rules in ON_THE_LINE.items() for way in WAYS if way != "background"),
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("rules", "states"), [(Rules(policy="hold"), 850), (Rules(), 17_000)])
def test_one_worker_never_pays_twice_nor_loses_what_was_paid(rules: Rules, states: int, way: Way) -> None:
    assert explore(replace(rules, way=way), crashes=4, errors=4, drops=2) > states


@pytest.mark.parametrize("way", ["stream", "foreground"])
def test_under_hold_nothing_is_paid_twice_where_what_loses_its_line_is_gone(way: Way) -> None:
    assert explore(Rules(policy="hold", way=way, outlives_its_line=False), crashes=4, errors=4) > 850


@pytest.mark.parametrize(("variant", "rules", "way"), CASES)
def test_a_variant_that_leaves_something_out_fails(variant: str, rules: Rules, way: Way) -> None:
    with pytest.raises(Wrong):
        explore(replace(rules, way=way))


@pytest.mark.parametrize("way", WAYS)
def test_two_workers_under_hold(way: Way) -> None:
    assert explore(Rules(policy="hold", way=way), workers=2, crashes=2, errors=2) > 11_000


@pytest.mark.parametrize("way", WAYS)
def test_a_post_that_reads_the_conversation_again_fails_with_two_workers(way: Way) -> None:
    with pytest.raises(Wrong, match="paid twice"):
        explore(Rules(own_conversation=False, way=way), workers=2, crashes=0, errors=1, drops=0)


@pytest.mark.timeout(120)
def test_two_workers_under_fence() -> None:
    assert explore(Rules(), workers=2, crashes=1, errors=1, drops=1) > 170_000


@pytest.mark.timeout(120)
@pytest.mark.parametrize("way", ["stream", "foreground"])
def test_two_workers_under_fence_on_the_line(way: Way) -> None:
    assert explore(Rules(way=way), workers=2, crashes=1, errors=1, drops=0) > 80_000


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("workers", "faults"), [(2, 2), (3, 1)])
def test_more_workers_and_more_faults_under_fence(workers: int, faults: int, way: Way) -> None:
    assert explore(Rules(way=way), workers=workers, crashes=faults, errors=faults, drops=1) > 700_000
