"""diff as a person and as CI type it: on the terminal, as a page, as a comment."""

from __future__ import annotations

import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.assetmill.cli.terminal import Terminal
from tests.lockyard import FILES, FOLDER, Yard

PATHS = [f"{FOLDER}/{name}" for name in FILES]


def change_by_hand(yard: Yard) -> None:
    """Make the pictures anew with another prompt, as an update would."""
    yard.edit("configs/pipelines/posters.yaml", "Draw {{ subject }}", "Paint {{ subject }}")
    yard.make()


class Page(HTMLParser):
    """What a browser would find."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture
def changed(locked: Yard, assetmill: Terminal) -> Yard:
    change_by_hand(locked)
    assert assetmill("lock", "posters") == 0
    assert assetmill("sync") == 0
    return locked


def test_diff_compares_with_the_lock_that_git_has(changed: Yard, assetmill: Terminal, tmp_path: Path) -> None:
    markdown = tmp_path / "diff.md"
    shown = assetmill.document("diff", "--markdown", str(markdown))
    first = shown["changes"][1]
    assert (first["path"], first["change"]) == (PATHS[1], "changed")
    assert first["fields"] == ["prompt"]
    assert first["ssim"] < 1
    assert first["changed"] == 1.0
    assert f"| <code>{PATHS[1]}</code> | changed | 0." in markdown.read_text()
    assert assetmill("diff", "--base", "nowhere") == 2


def test_diff_needs_no_store_where_the_files_are_committed(
    changed: Yard, assetmill: Terminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ASSETMILL_HOME", str(tmp_path / "empty"))
    assert all(change["ssim"] is not None for change in assetmill.document("diff")["changes"])
    assert not (tmp_path / "empty").exists()


def test_diff_goes_on_without_a_store(
    changed: Yard, assetmill: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    (changed.root / PATHS[0]).unlink()
    monkeypatch.setenv("ASSETMILL_STORE_URL", "s3://nowhere/x")
    shown = assetmill.document("diff")["changes"]
    assert [change["ssim"] is None for change in shown] == [True, False, False, False]
    assert assetmill.err.count("is left out: ") == 1
    assert assetmill("diff", "--no-store") == 0
    assert "inputs.beach.png (prompt); the bytes of after were not found" in assetmill.out
    assert assetmill.err == ""


def test_diff_finds_what_git_lfs_keeps(
    changed: Yard, assetmill: Terminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = changed.root / PATHS[0]
    data = path.read_bytes()
    sha = hashlib.sha256(data).hexdigest()
    kept = changed.root / ".git/lfs/objects" / sha[:2] / sha[2:4] / sha
    kept.parent.mkdir(parents=True)
    kept.write_bytes(data)
    path.write_text(f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha}\nsize {len(data)}\n")
    assert all(change["ssim"] is not None for change in assetmill.document("diff", "--no-store")["changes"])


def test_bytes_that_were_made_anew_without_a_reason_have_none(locked: Yard, assetmill: Terminal) -> None:
    text = locked.lock_path.read_text()
    start = text.index("sha256 = ") + len('sha256 = "')
    locked.lock_path.write_text(text[:start] + "0" * 64 + text[start + 64 :])
    assert [change["fields"] for change in assetmill.document("diff")["changes"]] == [[]]
    (locked.root / PATHS[0]).write_bytes(b"put there by hand")
    forged = hashlib.sha256(b"put there by hand").hexdigest()
    sized = re.sub(
        r"size_bytes = \d+\nsha256 = .{66}", f'size_bytes = 17\nsha256 = "{forged}"', text, count=1
    )
    locked.lock_path.write_text(sized)
    assert assetmill("check") == 0
    assert assetmill("diff", "--no-store") == 0
    assert "other bytes, though nothing that decides them changed" in assetmill.out


def test_the_page_loads_and_runs_nothing(changed: Yard, assetmill: Terminal, tmp_path: Path) -> None:
    path = tmp_path / "diff.html"
    assert assetmill("diff", "--html", str(path)) == 0
    page = Page(path.read_text())
    assert not {tag for tag, _ in page.tags} & {"script", "iframe", "link", "object", "form", "base"}
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    pictures = [attributes["src"] or "" for tag, attributes in page.tags if tag == "img"]
    assert len(pictures) == 3 * len(FILES)
    assert all(source.startswith("data:image/webp;base64,") for source in pictures)
    policy = next(
        a["content"] or "" for _, a in page.tags if a.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")


@pytest.mark.parametrize(
    "data", [b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", b"<script>alert(1)</script>"]
)
@pytest.mark.parametrize("media_type", ["image/svg+xml", "text/html", "image/png"])
def test_what_only_claims_to_be_a_picture_is_not_shown(
    locked: Yard, assetmill: Terminal, tmp_path: Path, data: bytes, media_type: str
) -> None:
    text = locked.lock_path.read_text()
    block = text[text.index(f'[asset."{PATHS[0]}"]') :].partition("\n\n")[0]
    forged = block.replace("image/png", media_type)
    forged = re.sub("size_bytes = .*", f"size_bytes = {len(data)}", forged)
    forged = re.sub('sha256 = "[^"]*"', f'sha256 = "{hashlib.sha256(data).hexdigest()}"', forged)
    locked.lock_path.write_text(text.replace(block, forged))
    (locked.root / PATHS[0]).write_bytes(data)
    assert assetmill("diff", "--no-store", "--html", str(tmp_path / "diff.html")) == 0
    assert "after is not shown: no whole picture" in assetmill.out
    page = Page((tmp_path / "diff.html").read_text())
    assert len([tag for tag, _ in page.tags if tag == "img"]) == 1
    assert not {tag for tag, _ in page.tags} & {"script", "svg"}


def test_the_page_shows_names_as_text(changed: Yard, assetmill: Terminal, tmp_path: Path) -> None:
    path = tmp_path / "diff.html"
    hostile = "poster[place=<script>alert(1)</script>]"
    text = changed.lock_path.read_text()
    changed.lock_path.write_text(text.replace('stage = "poster[place=beach]"', f'stage = "{hostile}"'))
    assert assetmill("diff", "--html", str(path)) == 0
    page = Page(path.read_text())
    assert hostile in page.words
    assert "script" not in {tag for tag, _ in page.tags}


def test_added_and_removed_assets_have_one_picture(locked: Yard, assetmill: Terminal, tmp_path: Path) -> None:
    locked.edit("configs/pipelines/posters.yaml", "[beach, forest]", "[beach, moor]")
    locked.make()
    assert assetmill("lock", "posters") == 0
    assert assetmill("sync") == 0
    found = {change["path"]: change["change"] for change in assetmill.document("diff")["changes"]}
    assert found == {
        f"{FOLDER}/forest-winter.png": "removed",
        f"{FOLDER}/forest.png": "removed",
        f"{FOLDER}/moor-winter.png": "added",
        f"{FOLDER}/moor.png": "added",
    }


def test_diff_before_the_first_commit_shows_everything_as_new(yard: Yard, assetmill: Terminal) -> None:
    assert assetmill("lock", "posters", "--out", FOLDER) == 0
    assert {change["change"] for change in assetmill.document("diff")["changes"]} == {"added"}
