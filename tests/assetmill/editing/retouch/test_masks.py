"""Every way to say where a picture may change, and what is refused by name."""

from __future__ import annotations

import zlib

import pytest
from PIL import Image

from assetmill.editing.retouch.canvas import open_picture, save_png
from assetmill.editing.retouch.changes import compare
from assetmill.editing.retouch.masks import (
    mask_from_alpha,
    mask_from_box,
    mask_from_file,
    read_wire_mask,
    wire_mask,
)
from assetmill.errors import InvalidInput

SIZE = (20, 10)


def transparent_hole() -> Image.Image:
    sheet = Image.new("RGBA", SIZE, "white")
    sheet.paste((0, 0, 0, 0), (5, 2, 10, 6))
    return sheet


def grey_hole(mode: str = "L") -> Image.Image:
    sheet = Image.new(mode, SIZE, "black")
    sheet.paste("white" if mode == "RGB" else 255, (5, 2, 10, 6))
    return sheet


@pytest.mark.parametrize("picture", [transparent_hole(), grey_hole(), grey_hole("RGB"), grey_hole("1")])
def test_alpha_and_grey_mean_the_same_mask(picture: Image.Image) -> None:
    mask = mask_from_file(save_png(picture), "mask.png", SIZE)
    assert mask.getbbox() == (5, 2, 10, 6)
    assert mask.tobytes() == mask_from_box("5,2,5,4", SIZE).tobytes()


def test_the_service_gets_alpha_zero_where_it_may_change() -> None:
    wire = open_picture(wire_mask(grey_hole()), "mask")
    assert wire.getpixel((6, 3)) == (0, 0, 0, 0)
    assert wire.getpixel((0, 0)) == (0, 0, 0, 255)
    assert read_wire_mask(wire_mask(grey_hole())).tobytes() == grey_hole().tobytes()


def test_a_pictures_own_transparency_is_a_mask() -> None:
    assert mask_from_alpha(transparent_hole(), "a.png").getbbox() == (5, 2, 10, 6)


@pytest.mark.parametrize(
    ("picture", "complaint"),
    [
        (Image.new("L", (3, 3), 255), "3x3, the picture 20x10"),
        (Image.new("RGB", SIZE, "red"), "neither transparency nor shades of grey"),
        (Image.new("L", SIZE, 0), "nothing may change"),
    ],
)
def test_a_mask_that_says_nothing_is_refused(picture: Image.Image, complaint: str) -> None:
    with pytest.raises(InvalidInput, match=complaint):
        mask_from_file(save_png(picture), "mask.png", SIZE)


def test_a_mask_that_is_no_picture_is_refused() -> None:
    with pytest.raises(InvalidInput, match="it is SVG, which is not taken: convert it"):
        mask_from_file(b"<svg><script>alert(1)</script></svg>", "mask.svg", SIZE)


@pytest.mark.parametrize(
    ("box", "complaint"),
    [
        ("", "write X,Y,W,H"),
        ("1,2,3", "write X,Y,W,H"),
        ("1,2,-3,4", "write X,Y,W,H"),
        ("1,2,0,4", "is empty"),
        ("15,0,6,2", "outside the picture, which is 20x10"),
        ("999999999999,0,1,1", "write X,Y,W,H"),
    ],
)
def test_a_box_that_is_none_is_refused(box: str, complaint: str) -> None:
    with pytest.raises(InvalidInput, match=complaint):
        mask_from_box(box, SIZE)


def test_an_opaque_picture_has_no_mask_of_its_own() -> None:
    with pytest.raises(InvalidInput, match="no transparency"):
        mask_from_alpha(Image.new("RGB", SIZE), "a.png")
    with pytest.raises(InvalidInput, match="nothing may change"):
        mask_from_alpha(Image.new("RGBA", SIZE, "red"), "a.png")


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    bomb = bytearray(save_png(Image.new("1", (8, 8))))
    bomb[16:24] = (60_000).to_bytes(4, "big") * 2
    bomb[29:33] = zlib.crc32(bomb[12:29]).to_bytes(4, "big")
    with pytest.raises(InvalidInput, match="pixels"):
        open_picture(bytes(bomb), "bomb.png")


def test_changes_are_measured_and_mapped() -> None:
    before = Image.new("RGB", (100, 50), "black")
    after = before.copy()
    after.paste((255, 0, 0), (10, 10, 20, 35))
    found = compare(before, after)
    assert (found.changed_percent, found.largest_difference, found.box) == (5.0, 255, (10, 10, 20, 35))
    heat = open_picture(found.heat_map, "heat")
    assert heat.getpixel((15, 20)) == (255, 245, 180)
    assert heat.getpixel((50, 40)) == (12, 7, 60)


def test_an_encoders_noise_is_no_change() -> None:
    found = compare(Image.new("RGB", (10, 10), (100, 100, 100)), Image.new("RGB", (10, 10), (104, 97, 100)))
    assert (found.changed_percent, found.box) == (0.0, None)
