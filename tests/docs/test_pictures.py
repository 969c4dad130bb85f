"""Every picture of a page is one that is made here as its page says, or says why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.drawing import DRAWN, KEPT, apart, draw_all, new_tree
from tests.pages import ROOT

FORMS = {".png", ".webp", ".jpg", ".jpeg", ".gif", ".svg", ".avif"}
MOST_APART = 4.0
"""A date or an encoder's version stays below it; another lamp or a missing tile does not."""


def test_every_picture_of_a_page_is_drawn_or_says_why_not() -> None:
    there = {str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*") if path.suffix in FORMS}
    assert there == {*DRAWN, *KEPT}
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    assert [name for name in sorted(there) if f"{Path(name).name})" not in text] == []


def test_pictures_that_differ_are_told_apart() -> None:
    wall, lamp = (
        (ROOT / name).read_bytes() for name in ("docs/gallery-wall.webp", "docs/gallery-picture.webp")
    )
    assert apart(wall, wall) == 0
    assert apart(wall, lamp) > 4 * MOST_APART


@pytest.mark.soak
@pytest.mark.server
@pytest.mark.timeout(900)
def test_the_pages_show_what_is_made_today(tmp_path: Path) -> None:
    """Drawn anew by `python -m tests.docs.drawing`, to be looked at before it is kept."""
    shell = new_tree(tmp_path)
    try:
        made = draw_all(shell)
    finally:
        shell("assetmill stop")
    assert set(made) == set(DRAWN)
    far = {name: apart(data, (ROOT / name).read_bytes()) for name, data in made.items()}
    assert {name: round(found, 1) for name, found in far.items() if found > MOST_APART} == {}
