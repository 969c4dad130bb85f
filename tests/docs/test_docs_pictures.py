"""No picture of the documentation grows old unseen: what pipelines made is locked like anybody's pictures."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from assetmill.cli.main import call
from assetmill.locking.lockfile import NAME, read_lock
from tests.pages import ROOT

_PICTURES = {".png", ".webp", ".jpg", ".jpeg", ".gif", ".svg", ".avif"}
_MADE_BY_HAND = {
    "docs/gallery-picture.webp": "a browser's view of the review page",
    "docs/gallery-wall.webp": "a browser's view of the wall",
    "docs/decisions/0016-text-engines.png": "what was compared on the day of the decision",
}
"""Pictures that no pipeline makes, and what they are."""


def test_every_picture_is_locked_or_known_to_be_made_by_hand() -> None:
    pages = [path for path in (ROOT / "docs").rglob("*") if path.suffix in _PICTURES]
    shown = {str(path.resolve().relative_to(ROOT)) for path in pages}
    assert shown == {*read_lock(ROOT / NAME).in_tree(), *_MADE_BY_HAND}


def test_a_changed_prompt_and_a_changed_byte_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(ROOT / NAME, tmp_path)
    for folder in ("configs", "docs"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    monkeypatch.chdir(tmp_path)
    assert call(["check"]) == 0, capsys.readouterr().out
    pipeline = Path("configs/pipelines/product-launch.yaml")
    pipeline.write_text(pipeline.read_text().replace("after sunset", "before sunrise"))
    for path in read_lock(Path(NAME)).in_tree():
        with Path(path).open("r+b") as file:
            file.seek(-1, os.SEEK_END)
            file.write(b"?")
    capsys.readouterr()
    assert call(["check"]) == 1
    said = capsys.readouterr().out
    assert "stale      docs/product-launch: dusk: prompt changed" in said
    assert "altered    docs/product-launch/contact-sheet.png" in said
