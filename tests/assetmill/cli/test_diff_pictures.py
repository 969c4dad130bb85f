"""Pictures for a comment: what is written, what Markdown shows of it, and how much a comment has room for."""

from __future__ import annotations

import io
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from markdown_it import MarkdownIt
from PIL import Image

from assetmill.cli.diff_page import Report, markdown, report
from assetmill.cli.diff_pictures import PAGE, write_pictures
from assetmill.errors import InvalidInput
from assetmill.fingerprint import digest
from assetmill.locking.differences import Change
from assetmill.locking.models import LockedAsset
from tests.assetmill.checks.pictures import encoded, scene

GITHUB_TAKES_BYTES = 10 * 1024 * 1024
GITHUB_TAKES_CHARS = 65_536
ADDRESS = "https://github.com/user-attachments/assets/01234567-89ab-cdef-0123-456789abcdef"
HOSTILE = "![x](http://evil.example/a.png) <script>alert(1)</script> | `@all` #1 $(rm -rf ~) --attach \n## x"


def asset(data: bytes) -> LockedAsset:
    return LockedAsset(
        stage="poster",
        output="poster.png",
        kind="picture",
        media_type="image/png",
        asset_id=f"ast_00000000_{'a' * 52}_00",
        deciding={},
        fingerprint="a" * 52,
        stage_cost_usd=0.02,
        size_bytes=len(data),
        sha256=digest(data).removeprefix("sha256:"),
    )


def changes(sides: Mapping[str, tuple[bytes, bytes]]) -> Report:
    def find(path: str, wanted: LockedAsset) -> bytes | None:
        return next(data for data in sides[path] if asset(data) == wanted)

    rows = [
        Change("changed", path, asset(old), asset(new), ("prompt",)) for path, (old, new) in sides.items()
    ]
    return report(tuple(rows), (), find)


class Seen(HTMLParser):
    """What a reader of the rendered Markdown meets."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(MarkdownIt("commonmark", {"html": True}).enable("table").render(page))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def test_each_changed_picture_shows_before_after_and_where(tmp_path: Path) -> None:
    found = changes({"public/a.png": (encoded(scene(1)), encoded(scene(2)))})
    (tmp_path / "009-before.webp").write_bytes(b"of an earlier call")
    assert write_pictures(tmp_path, found) == 3
    names = ["001-before.webp", "001-after.webp", "001-change.webp"]
    assert sorted(one.name for one in tmp_path.iterdir()) == sorted([*names, PAGE])
    for name in names:
        with Image.open(tmp_path / name) as picture:
            assert picture.size == (320, 240)
    seen = Seen((tmp_path / PAGE).read_text())
    assert [one["src"] for one in seen.named("img")] == names
    assert "open" in seen.named("details")[0]
    row = found.rows[0]
    assert f"public/a.png changed, SSIM {row.ssim}, {row.percent} of the pixels" in seen.words
    assert f"| {row.ssim} | {row.percent} |" in markdown(found)


def test_sixty_changed_pictures_fit_into_one_comment_most_of_them_folded(tmp_path: Path) -> None:
    pair = encoded(scene(1, (64, 48))), encoded(scene(2, (64, 48)))
    found = changes({f"public/{number:02}.png": pair for number in range(60)})
    assert write_pictures(tmp_path, found) == 180
    page = (tmp_path / PAGE).read_text()
    folds = Seen(page).named("details")
    assert [("open" in one) for one in folds] == [True] * 6 + [False] * 54
    whole = markdown(found) + page
    for one in tmp_path.glob("*.webp"):
        whole = whole.replace(f"({one.name})", f"({ADDRESS})")
    assert whole.count(ADDRESS) == 180
    assert len(whole) < GITHUB_TAKES_CHARS


def test_what_does_not_fit_is_counted(tmp_path: Path) -> None:
    pair = encoded(scene(1, (16, 16))), encoded(scene(2, (16, 16)))
    found = changes({f"public/{number:03}.png": pair for number in range(130)})
    count = write_pictures(tmp_path, found)
    assert 120 < count < 300
    assert f"and {130 - count // 3} more pictures." in (tmp_path / PAGE).read_text()


def test_pictures_of_thirty_megabytes_become_small_ones(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (2300, 4400, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "PNG", compress_level=0)
    data = buffer.getvalue()
    assert len(data) > 30_000_000
    added = Change("added", "big.png", None, asset(data), ())
    assert write_pictures(tmp_path, report((added,), (), lambda _, __: data)) == 1
    assert (tmp_path / "001-after.webp").stat().st_size < GITHUB_TAKES_BYTES / 10


def test_a_hostile_name_is_shown_as_it_is_and_is_no_file_name(tmp_path: Path) -> None:
    write_pictures(tmp_path, changes({HOSTILE: (encoded(scene(1)), encoded(scene(2)))}))
    seen = Seen((tmp_path / PAGE).read_text())
    assert " ".join(HOSTILE.split()) in seen.words
    assert {str(one["src"]).partition("-")[0] for one in seen.named("img")} == {"001"}
    assert not seen.named("script")
    assert not seen.named("h2")
    assert {one.name.partition("-")[0] for one in tmp_path.iterdir()} == {"001", PAGE}


def test_without_pictures_the_page_is_empty_and_a_bad_folder_is_named(tmp_path: Path) -> None:
    assert write_pictures(tmp_path, changes({"a.txt": (b"one", b"two")})) == 0
    assert (tmp_path / PAGE).read_text() == ""
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInput, match="cannot write pictures into"):
        write_pictures(tmp_path / "file" / "below", changes({}))
