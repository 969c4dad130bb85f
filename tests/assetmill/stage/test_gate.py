"""When no stage may begin to spend any more, and for which stages that holds."""

from __future__ import annotations

import pytest

from assetmill.errors import AccountBlocked, QuotaExhausted, Rejected
from assetmill.stage.gate import Gate

BLOCKED = AccountBlocked("unusual behavior", "Forbidden", 403)


@pytest.mark.parametrize(
    ("closes_on_block", "error", "closes"),
    [
        (True, BLOCKED, True),
        (False, BLOCKED, False),
        (True, Rejected("bad size", "invalid", 400), False),
        (False, QuotaExhausted("no money", "insufficient_quota", 429), True),
    ],
)
def test_it_closes_for_what_concerns_the_whole_account(
    closes_on_block: bool, error: Exception, closes: bool
) -> None:
    gate = Gate(closes_on_block=closes_on_block)
    gate.learn(error)
    assert bool(gate.refusal(0.0)) is closes


def test_it_closes_at_the_hour_and_not_before() -> None:
    gate = Gate(until=100.0)
    assert gate.refusal(99.9) == ""
    assert gate.refusal(100.0) == "the hour by which it was to be done has passed"
    assert Gate().refusal(1e12) == ""


def test_a_model_that_is_gone_closes_it_for_those_that_call_all_of_it() -> None:
    gate = Gate()
    gate.retire(frozenset({"chat", "pictures"}), "both are gone")
    assert gate.retirement(frozenset({"chat", "pictures"})) == "both are gone"
    assert gate.retirement(frozenset({"chat", "pictures", "more"})) == "both are gone"
    assert gate.retirement(frozenset({"chat"})) == ""
