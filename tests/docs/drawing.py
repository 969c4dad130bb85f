"""The views of the gallery on the pages; `python -m tests.docs.drawing` takes them into docs/ anew."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Locator, Page, expect, sync_playwright

from assetmill.project import find_configs
from tests.browsers import CHROMIUM
from tests.lockyard import git
from tests.pages import ROOT, Shell

VIEWS = {"docs/gallery-wall.webp": 130, "docs/gallery-picture.webp": None}
"""Each with the height of what is always the same: on a wall those come first that were made last."""

_GRID = 96
_WINDOW = {"width": 1280, "height": 760}


def apart(one: bytes, other: bytes, *, height: int | None = None) -> float:
    """Return how far two pictures are apart, in steps of 256: what a date or an encoder changes fades.

    Of pictures with a `height` only so much from above is looked at.
    """
    small: list[Image.Image] = []
    for data in (one, other):
        with Image.open(io.BytesIO(data)) as picture:
            small.append(_top(picture, height).resize((_GRID, _GRID), Image.Resampling.BOX))
    pairs = zip(*(picture.tobytes() for picture in small), strict=True)
    return sum(abs(left - right) for left, right in pairs) / (_GRID * _GRID * 3)


def _top(picture: Image.Image, height: int | None) -> Image.Image:
    return picture.convert("RGB").crop((0, 0, picture.width, height or picture.height))


def new_tree(folder: Path) -> Shell:
    """Make a project with the examples, as a clone of this one has it."""
    root = folder / "tree"
    shutil.copytree(find_configs({}), root / "configs")
    (root / ".gitignore").write_text(".assetmill/\n")
    git(root, "init", "-q")
    return Shell(root)


def draw_all(shell: Shell) -> dict[str, bytes]:
    """Run the examples and return every picture of VIEWS by its name."""
    shell("assetmill run product-launch && assetmill run og-images")
    shell("assetmill reviewers add brand")
    shell("assetmill review .assetmill/out/og-images/storage.png approve")
    shell("assetmill review .assetmill/out/product-launch/hero-dusk.png reject --reason 'Too dark.'")
    return shots(shell, "storage.png")


def shots(shell: Shell, tile: str) -> dict[str, bytes]:
    """Return the wall of all pictures, and one of them compared with what it was made from."""
    with _opened(shell) as page:
        page.locator("#wall img").first.wait_for()
        _all_shown(page.locator("#wall img"))
        wall = _shot(page)
        page.get_by_text(tile, exact=True).first.click()
        page.locator("#viewer").wait_for()
        page.keyboard.press("c")
        page.locator("#before").wait_for()
        _all_shown(page.locator("#viewer img"))
        return {"docs/gallery-wall.webp": wall, "docs/gallery-picture.webp": _shot(page)}


def _all_shown(pictures: Locator) -> None:
    for picture in pictures.all():
        expect(picture).to_have_js_property("complete", value=True)


def _shot(page: Page) -> bytes:
    out = io.BytesIO()
    with Image.open(io.BytesIO(page.screenshot())) as picture:
        picture.convert("RGB").save(out, "WEBP", quality=85, method=6)
    return out.getvalue()


def _link_of(lines: Iterable[str]) -> str:
    said: list[str] = []
    for line in lines:
        if found := re.search(r"http://\S+", line):
            return found[0]
        said.append(line)
    raise AssertionError(f"no link was told: {''.join(said)[-2000:]}")


@contextmanager
def _opened(shell: Shell) -> Generator[Page]:
    """Serve the wall of the whole store as `assetmill open` does, and open it in a browser."""
    command = [str(Path(sys.executable).with_name("assetmill")), "open", "--no-browser"]
    with subprocess.Popen(
        command,
        cwd=shell.folder,
        env=shell.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as served:
        try:
            link = _link_of(served.stdout or ())
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
                page = browser.new_page(viewport=_WINDOW)  # pyright: ignore[reportArgumentType]
                page.goto(link)
                page.get_by_text("All pictures").click()
                yield page
                browser.close()
        finally:
            served.terminate()


def main() -> None:
    """Draw every picture into the pages' folders."""
    with tempfile.TemporaryDirectory(prefix="assetmill-pages-") as folder:
        shell = new_tree(Path(folder))
        try:
            for name, data in draw_all(shell).items():
                (ROOT / name).write_bytes(data)
        finally:
            shell("assetmill stop")


if __name__ == "__main__":
    main()
