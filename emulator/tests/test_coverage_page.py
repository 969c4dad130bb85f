from __future__ import annotations

from foundry_emulator.coverage import PAGE, coverage_page


def test_the_coverage_page_is_what_the_routes_say() -> None:
    assert PAGE.read_text("utf-8") == coverage_page(), "run python -m foundry_emulator.coverage"
