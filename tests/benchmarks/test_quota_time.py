"""How long work takes under a quota: near the ideal, known or not, alone or shared; hardly any refused."""

from __future__ import annotations

import pytest

from benchmarks import quota


@pytest.mark.parametrize("a_minute", [6, 60])
@pytest.mark.parametrize("kind", quota.TARGETS)
def test_a_quota_is_used_up(kind: str, a_minute: int) -> None:
    found = quota.measure(kind, a_minute)
    assert found.ratio <= quota.TARGETS[kind]
    # What was on its way at the first refusal, and one that asks for more now and then.
    unavoidable = a_minute + 10 + 3 * quota.MINUTES if kind.startswith("unknown") else 0
    assert found.refused <= unavoidable
