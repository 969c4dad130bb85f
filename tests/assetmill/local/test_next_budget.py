"""The ceiling of a next pass: what was shown and confirmed, to the last row."""

from __future__ import annotations

import pytest

from assetmill.local.next_passes import as_budget


@pytest.mark.parametrize("usd", [0.0058731251, 0.0117462502, 1.0000004, 123.4567891])
def test_a_ceiling_leaves_room_for_its_last_row(usd: float) -> None:
    # Reservations are held against it to a thousandth of a millionth.
    assert usd <= float(as_budget(usd)) + 1e-9
    assert float(as_budget(usd)) < usd + 1.1e-6


def test_an_amount_that_needs_no_rounding_stays() -> None:
    assert as_budget(0.1 + 0.2) == "0.300000"
