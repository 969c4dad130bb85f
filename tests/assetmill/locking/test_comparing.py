"""How two pictures are compared."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from assetmill.locking.comparing import compare, open_picture
from tests.doubles import png


def picture(colour: str = "white", size: tuple[int, int] = (64, 48)) -> Image.Image:
    return Image.new("RGBA", size, colour)


def test_a_picture_is_like_itself() -> None:
    found = compare(picture("teal"), picture("teal"))
    assert (found.ssim, found.changed, found.is_resized) == (1.0, 0.0, False)


def test_the_changed_share_and_place_are_those_of_the_change() -> None:
    after = picture()
    after.paste("black", (0, 0, 32, 24))
    found = compare(picture(), after)
    assert found.changed == 0.25
    assert found.ssim is not None
    assert found.ssim < 0.9
    heat = np.asarray(found.heat_map).astype(int)
    spread = heat.max(axis=2) - heat.min(axis=2)
    assert (spread[:24, :32] > 30).all()
    assert (spread[24:, 32:] == 0).all()


def test_what_an_encoder_does_is_no_change() -> None:
    assert compare(picture("#808080"), picture("#868686")).changed == 0.0


def test_other_sizes_are_compared_at_the_old_size() -> None:
    found = compare(picture(size=(64, 48)), picture(size=(128, 96)))
    assert (found.is_resized, found.heat_map.size, found.changed) == (True, (64, 48), 0.0)


def test_transparent_pixels_count_as_white() -> None:
    assert compare(picture("white"), picture("#00000000")).changed == 0.0


def test_a_picture_smaller_than_the_window_has_no_score() -> None:
    assert compare(picture(size=(8, 8)), picture("black", size=(8, 8))).ssim is None


def test_one_changed_pixel_is_seen_in_a_large_picture() -> None:
    after = picture(size=(3001, 40))
    after.putpixel((3000, 39), (0, 0, 0, 255))
    found = compare(picture(size=(3001, 40)), after)
    assert found.changed == pytest.approx(1 / (3001 * 40))
    assert found.heat_map.size == (1001, 14)
    heat = np.asarray(found.heat_map).astype(int)
    assert np.argwhere(heat.max(axis=2) - heat.min(axis=2) > 30).tolist() == [[13, 1000]]


@pytest.mark.parametrize("data", [b"", b"<svg/>", png()[:-20], png() + b"<html>"])
def test_what_is_no_whole_picture_is_not_decoded(data: bytes) -> None:
    assert open_picture(data) is None
