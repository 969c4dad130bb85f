"""The views of the gallery on the pages are those of today: no pipeline makes them, so no lock tells."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.drawing import VIEWS, apart, draw_all, new_tree
from tests.pages import ROOT

MOST_APART = 4.0
"""A date or an encoder's version stays below it; another button or a missing tile does not."""


def test_views_that_differ_are_told_apart() -> None:
    wall, lamp = ((ROOT / name).read_bytes() for name in VIEWS)
    assert apart(wall, wall) == 0
    assert apart(wall, lamp) > 4 * MOST_APART


@pytest.mark.soak
@pytest.mark.server
@pytest.mark.timeout(900)
def test_the_pages_show_the_gallery_of_today(tmp_path: Path) -> None:
    """Taken anew by `python -m tests.docs.drawing`, to be looked at before it is kept."""
    shell = new_tree(tmp_path)
    try:
        made = draw_all(shell)
    finally:
        shell("assetmill stop")
    far = {
        name: apart(made[name], (ROOT / name).read_bytes(), height=height) for name, height in VIEWS.items()
    }
    assert {name: round(found, 1) for name, found in far.items() if found > MOST_APART} == {}
