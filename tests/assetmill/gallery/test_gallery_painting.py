"""A mask painted with the mouse in a real browser, drawn by the emulator, and the picture before it."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from foundry_emulator.server import running
from PIL import Image, ImageChops
from playwright.sync_api import Page, expect

from assetmill.editing.adopting import adopt_all
from assetmill.gallery.serving import Gallery
from assetmill.gallery.walls import Walls
from assetmill.local.page_changes import opened_changing
from assetmill.records import AssetRecord
from assetmill.stage.services import Services
from tests.assetmill.gallery.conftest import IN_CHROMIUM, serving, site_on

pytestmark = IN_CHROMIUM
SIZE = (1536, 1024)


@pytest.fixture
def photo(services: Services, tmp_path: Path) -> AssetRecord:
    """A picture of a person's own in which no two neighbours are alike."""
    path = tmp_path / "harbour.png"
    Image.merge("RGB", [Image.effect_noise(SIZE, spread) for spread in (40, 60, 80)]).save(path)
    return adopt_all([path], services, "0" * 32).assets()[0]


@pytest.fixture
def link(services: Services, photo: AssetRecord) -> Iterator[str]:
    services.settings.emulator_home.mkdir(parents=True)
    with running(services.settings.emulator_home), opened_changing(services.settings) as changing:
        wall = Walls(services.backend).find(photo.asset_id)
        with serving(Gallery(site_on(services, wall), changing)) as link:
            yield link


def read(page: Page) -> Image.Image:
    """The picture that the viewer shows, as the server gives it."""
    address = page.locator("#picture").evaluate("picture => picture.src")
    return Image.open(io.BytesIO(page.request.get(address).body())).convert("RGB")


def paint(page: Page) -> tuple[int, int, int, int]:
    """Paint a stroke from a quarter to a half of the picture, and return around what, in its pixels."""
    box = page.locator("#paint").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 4, box["y"] + box["height"] / 4
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + box["width"] / 4, y + box["height"] / 4, steps=12)
    page.mouse.up()
    width = SIZE[1] // 10
    return (SIZE[0] // 4 - width, SIZE[1] // 4 - width, SIZE[0] // 2 + width, SIZE[1] // 2 + width)


def test_a_painted_change_leaves_the_rest_alone(
    services: Services, photo: AssetRecord, link: str, page: Page
) -> None:
    page.goto(link)
    expect(page.locator("#name")).to_have_text("harbour.png")
    before = read(page)
    page.keyboard.press("e")
    page.locator("#change textarea").fill("a red lighthouse")
    around = paint(page)
    expect(page.locator("#priced")).to_have_text("Only what is marked may change.")
    page.locator("#change [name=price]").click()
    expect(page.locator("#priced")).to_contain_text(re.compile(r"never more than \$\d"))
    assert services.ledger.runs() == [photo_run(services)]
    page.locator("#change [name=confirm]").click()
    expect(page.locator("#name")).to_have_text("harbour-edit.png", timeout=60_000)
    expect(page.locator("#wall .picture").last).to_have_attribute("data-state", "output")
    after = read(page)
    difference = ImageChops.difference(before, after)
    changed = difference.getbbox()
    assert changed is not None
    assert around[0] <= changed[0] < changed[2] <= around[2]
    assert around[1] <= changed[1] < changed[3] <= around[3]
    mask = painted_mask(services)
    outside = Image.composite(Image.new("RGB", SIZE), difference, mask.point([0] + [255] * 255))
    assert outside.getbbox() is None
    page.locator("[data-do=undo]").click()
    expect(page.locator("#name")).to_have_text("harbour.png")
    assert ImageChops.difference(before, read(page)).getbbox() is None


def photo_run(services: Services) -> str:
    return services.ledger.runs()[0]


def painted_mask(services: Services) -> Image.Image:
    """What was painted, as the store has it: white where the picture may change."""
    (record,) = [one for one in services.ledger.stages() if one.stage == "painted"]
    return Image.open(io.BytesIO(services.blobs.get(record.outputs[0].blob))).convert("L")
