"""Every file and folder that a page names is there: a newcomer opens what the map says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path.relative_to(ROOT)
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("deployments/**/*.md"),
                 *ROOT.glob("emulator/*.md")]
    if path.name != "CHANGELOG.md"
)  # fmt: skip
_ROOMS = "assetmill|flows|tasks|configs|deployments|emulator|tests|benchmarks|docs"
_NAMED = re.compile(rf"`((?:{_ROOMS})/[A-Za-z0-9_./-]+?)/?`")
_ARROW = re.compile(rf"^\s*->\s+((?:{_ROOMS})/[A-Za-z0-9_./-]+)", re.MULTILINE)
_LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_what_a_page_names_is_there(page: Path) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    named = {ROOT / name for pattern in (_NAMED, _ARROW) for name in pattern.findall(text)}
    linked = {(ROOT / page).parent / name for name in _LINK.findall(text)}
    assert sorted(str(path) for path in named | linked if not path.exists()) == []


def test_the_map_names_every_room() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rooms = {path.name for path in (ROOT / "assetmill").iterdir() if (path / "__init__.py").is_file()}
    assert {room for room in rooms if f"`{room}/`" not in text} == set()
