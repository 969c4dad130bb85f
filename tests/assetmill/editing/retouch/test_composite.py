"""What must not change does not: proved on random pictures, masks, sizes and modes."""

from __future__ import annotations

import io
import random

import pytest
from PIL import Image, ImageChops, ImageDraw

from assetmill.editing.retouch.canvas import open_picture, save_png
from assetmill.editing.retouch.composite import composite, prove, seam
from assetmill.editing.retouch.frame import framed, is_one_shape, sheet_size, window_in


def noise(size: tuple[int, int], seed: int, mode: str = "RGB") -> Image.Image:
    rng = random.Random(seed)
    bands = len(Image.new(mode, (1, 1)).getbands())
    return Image.frombytes(mode, size, rng.randbytes(size[0] * size[1] * bands))


def random_mask(size: tuple[int, int], seed: int) -> Image.Image:
    rng = random.Random(seed)
    mask = Image.new("L", size, 0)
    draw = ImageDraw.Draw(mask)
    for _ in range(rng.randint(1, 4)):
        x, y = rng.randrange(size[0] - 8), rng.randrange(size[1] - 8)
        box = (x, y, min(size[0] - 1, x + rng.randint(3, 60)), min(size[1] - 1, y + rng.randint(3, 60)))
        shape = rng.choice([draw.rectangle, draw.ellipse])
        shape(box, fill=rng.choice([255, 255, 128]))
    return mask


def largest_outside(original: Image.Image, data: bytes, mask: Image.Image) -> int:
    """The difference measured by other means than the product's."""
    made = Image.open(io.BytesIO(data)).convert("RGBA").tobytes()
    before = original.convert("RGBA").tobytes()
    outside = [at for at, editable in enumerate(mask.tobytes()) if not editable]
    return max(abs(before[4 * at + band] - made[4 * at + band]) for at in outside for band in range(4))


@pytest.mark.parametrize("seed", range(50))
def test_nothing_outside_a_mask_differs_and_something_inside_does(seed: int) -> None:
    rng = random.Random(seed)
    size = (rng.randint(40, 120), rng.randint(40, 120))
    original = noise(size, seed, rng.choice(["RGB", "RGBA"]))
    edited = noise((rng.randint(40, 160), rng.randint(40, 160)), seed + 1000, rng.choice(["RGB", "RGBA"]))
    mask = random_mask(size, seed)
    made = composite(original, edited, mask, feather_px=rng.choice([0, 1, 8, 40]))
    assert made.largest_difference_outside == 0
    assert largest_outside(original, made.data, mask) == 0
    assert made.largest_difference_inside > 0


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "LA", "1"])
def test_any_mode_of_the_original_is_put_back(mode: str) -> None:
    buffer = io.BytesIO()
    picture = noise((60, 50), 3, "RGB").convert("RGBA" if mode == "LA" else "RGB").convert(mode)
    picture.save(buffer, "JPEG" if mode == "CMYK" else "PNG")
    original = open_picture(buffer.getvalue(), "original")
    mask = random_mask((60, 50), 3)
    assert composite(original, noise((60, 50), 4), mask, feather_px=4).largest_difference_outside == 0


def test_a_picture_turned_by_the_camera_is_put_back_upright() -> None:
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    noise((60, 40), 5).save(buffer, "JPEG", exif=exif)
    original = open_picture(buffer.getvalue(), "photo.jpg")
    assert original.size == (40, 60)
    made = composite(original, noise((40, 60), 6), random_mask((40, 60), 5), feather_px=4)
    assert Image.open(io.BytesIO(made.data)).size == (40, 60)
    assert made.largest_difference_outside == 0


def test_the_seam_lies_inside_and_rises_to_the_whole() -> None:
    mask = Image.new("L", (60, 60), 0)
    mask.paste(255, (10, 10, 50, 50))
    weight, feather = seam(mask, 8)
    assert feather == 8
    row = list(weight.crop((0, 30, 60, 31)).tobytes())
    assert row[:10] == [0] * 10
    assert row[10:19] == sorted(row[10:19])
    assert row[18:42] == [255] * 24


def test_a_mask_that_ends_at_the_pictures_edge_has_no_seam_there() -> None:
    mask = Image.new("L", (40, 40), 0)
    mask.paste(255, (0, 0, 20, 40))
    weight, _ = seam(mask, 4)
    assert weight.getpixel((0, 0)) == 255
    assert weight.getpixel((19, 20)) == 51


def test_a_thin_mask_gets_a_thin_seam() -> None:
    mask = Image.new("L", (40, 40), 0)
    mask.paste(255, (0, 20, 40, 21))
    weight, feather = seam(mask, 8)
    assert feather == 0
    assert weight.getpixel((5, 20)) == 255


def test_a_sheet_of_another_shape_comes_back_pixel_on_pixel() -> None:
    picture = noise((90, 40), 7)
    sheet = sheet_size(picture.size, (1536, 1024))
    laid = framed(picture, sheet)
    assert laid.size == sheet
    assert is_one_shape(sheet, (1536, 1024))
    left, top, right, bottom = window_in(picture.size, sheet)
    box = (round(left * sheet[0]), round(top * sheet[1]), round(right * sheet[0]), round(bottom * sheet[1]))
    assert ImageChops.difference(laid.crop(box), picture).getbbox() is None
    everything = Image.new("L", picture.size, 255)
    made = composite(picture, laid, everything, feather_px=0, window=window_in(picture.size, sheet))
    assert made.largest_difference_inside == 0


def test_edges_are_continued_over_the_sheet() -> None:
    picture = Image.new("RGB", (4, 10), "white")
    picture.putpixel((0, 5), (255, 0, 0))
    laid = framed(picture, (12, 10))
    assert [laid.getpixel((x, 5)) for x in range(4)] == [(255, 0, 0)] * 4
    assert save_png(laid)[:4] == b"\x89PNG"


def test_a_change_outside_the_mask_is_measured_on_the_file_that_is_kept() -> None:
    """The proof must be able to fail: whatever puts a pixel wrong outside the mask shows as a difference."""
    start = Image.new("RGB", (40, 30), (10, 20, 30))
    mask = Image.new("L", (40, 30), 0)
    mask.paste(255, (10, 10, 20, 20))
    outside, inside = start.copy(), start.copy()
    outside.putpixel((3, 4), (10, 84, 30))
    inside.putpixel((15, 15), (10, 20, 158))
    assert prove(start, save_png(outside), mask) == (64, 0)
    assert prove(start, save_png(inside), mask) == (0, 128)


def test_half_editable_counts_as_inside() -> None:
    start, mask = Image.new("RGB", (4, 4), "black"), Image.new("L", (4, 4), 0)
    mask.putpixel((1, 1), 1)
    touched = start.copy()
    touched.putpixel((1, 1), (9, 0, 0))
    assert prove(start, save_png(touched), mask) == (0, 9)


@pytest.mark.parametrize(("thickness", "asked", "given"), [(40, 1, 1), (40, 8, 8), (9, 8, 2), (3, 8, 1)])
def test_the_seam_is_as_wide_as_it_says(thickness: int, asked: int, given: int) -> None:
    """It rises step by step from the mask's edge, and a thin mask gets half of what it has room for."""
    mask = Image.new("L", (60, 60), 0)
    mask.paste(255, (10, 10, 50, 10 + thickness))
    weight, feather = seam(mask, asked)
    assert feather == given
    column = [int(value) for value in weight.crop((30, 10, 31, 10 + given + 1)).tobytes()]
    assert column == [round(255 * step / (given + 1)) for step in range(1, given + 2)]
    made = composite(noise((60, 60), 1), noise((60, 60), 2), mask, feather_px=asked)
    assert made.feather_px == given


def test_no_seam_is_asked_for_and_none_is_said() -> None:
    mask = Image.new("L", (20, 20), 255)
    assert seam(mask, 0) == (mask, 0)
