"""How two pictures are compared."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from assetmill.locking.comparing import Comparison, compare, compare_looks, open_picture
from tests.doubles import png
from tests.photos import display_p3, encoded, heights, moving, turned


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


@pytest.mark.parametrize("ink", ["white", "black"])
def test_what_is_transparent_is_compared_over_light_and_dark(ink: str) -> None:
    """White on transparency is nothing on white."""
    assert compare(picture(ink), picture("#00000000")).changed == 1.0
    assert compare(picture("#ff000000"), picture("#00ff0000")).changed == 0.0


def both(before: bytes, after: bytes) -> Comparison:
    old, new = open_picture(before), open_picture(after)
    assert old
    assert new
    return compare_looks(old, new)


SMALL = Image.linear_gradient("L").resize((64, 48)).convert("RGB")


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (heights(0, 60_000), heights(60_000, 0), ""),
        (heights(0, 1000), heights(1000, 0), ""),
        (moving("red", "white", "red"), moving("red", "white", "blue"), ""),
        (moving("red", "blue"), encoded(Image.new("RGB", (64, 48), "red"), "GIF"), "frames: 2 \u2192 1"),
        (encoded(SMALL, "JPEG"), turned(SMALL, 3), "camera's turn: 1 \u2192 3"),
        (
            encoded(Image.new("RGB", (64, 48), (234, 51, 35)), icc_profile=display_p3()),
            encoded(Image.new("RGB", (64, 48), (234, 51, 35))),
            "colour profile: DiP3 built-in \u2192 sRGB or none",
        ),
    ],
    ids=["heights", "low heights", "late frame", "frames", "turn", "profile"],
)
def test_what_a_person_sees_is_seen(before: bytes, after: bytes, words: str) -> None:
    found = both(before, after)
    assert found.changed > 0.2
    assert words in "; ".join(found.notes)
    assert both(before, before).changed == 0.0
    assert both(before, before).notes == ("it looks the same",)


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (
            heights(0, 65_535),
            encoded(Image.open(io.BytesIO(heights(0, 65_535))).point(lambda v: v / 257).convert("L")),
            "bits a channel: 16 \u2192 8",
        ),
        (moving("red", "blue"), moving("red", "blue", duration=900), "frames are shown for other times"),
        (png(colour="#808080"), png(colour="#838383"), "no pixel differs by more than 3 of 255"),
        (png(), encoded(Image.open(io.BytesIO(png())), optimize=True, dpi=(300, 300)), "it looks the same"),
    ],
    ids=["depth", "times", "too small to see", "metadata"],
)
def test_what_nobody_sees_is_told(before: bytes, after: bytes, words: str) -> None:
    found = both(before, after)
    assert found.changed == 0.0
    assert words in "; ".join(found.notes)


def test_the_frames_that_differ_most_are_shown() -> None:
    found = both(moving("red", "white", "black"), moving("red", "white", "lime"))
    assert [side.getpixel((0, 0)) for side in (found.before, found.after)] == [
        (0, 0, 0, 255),
        (0, 255, 0, 255),
    ]
    assert found.changed == pytest.approx(1 / 3)


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
