"""Checks see what a person sees: every frame, at full depth, turned, in its colours, on any ground."""

from __future__ import annotations

import io
import shutil
from typing import Any

import pytest
from PIL import Image, ImageDraw

from assetmill.checks.examining import examine_file
from assetmill.checks.judging import view_for_judge
from assetmill.checks.looks import difference_hash
from assetmill.spec.output_checks import ChecksSpec
from tests.assetmill.checks.pictures import lettered, specimen
from tests.photos import display_p3, encoded, heights, moving, turned

NEEDS_TESSERACT = pytest.mark.skipif(shutil.which("tesseract") is None, reason="tesseract is not installed")


def _nobody(*_: object) -> None:
    return None


def verdict(data: bytes, **checks: Any) -> str:
    asked = ChecksSpec.model_validate(checks)
    (only,) = examine_file(asked, specimen(data), _nobody)
    return only.state


def shape(ink: str, box: tuple[int, int, int, int] = (16, 16, 48, 48)) -> bytes:
    """One shape on transparency."""
    picture = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    ImageDraw.Draw(picture).ellipse(box, fill=ink)
    return encoded(picture)


def clear_letters(text: str, ink: str) -> Image.Image:
    picture = lettered(text, ground="black", ink="white").convert("L")
    made = Image.new("RGBA", picture.size, ink)
    made.putalpha(picture)
    return made


@pytest.mark.parametrize(
    "data",
    [
        heights(0, 1000),
        heights(40_000, 65_535),
        shape("white"),
        shape("black"),
        shape("gray"),
        moving("white", "white", "navy"),
        moving("white", "navy", kind="PNG"),
    ],
    ids=["low heights", "high heights", "white", "black", "grey", "late", "apng"],
)
def test_what_a_person_sees_is_not_blank(data: bytes) -> None:
    assert verdict(data, not_blank=True) == "passed"


def test_an_animation_that_fades_in_is_not_blank() -> None:
    frames = [Image.new("RGB", (450, 110), "white"), lettered("SALE")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=100)
    assert verdict(data, not_blank=True) == "passed"


def test_an_animation_that_shows_nothing_is_blank() -> None:
    assert verdict(moving("white", "white", "#fffffe"), not_blank=True) == "failed"


def test_a_height_map_that_is_level_is_blank() -> None:
    assert verdict(heights(500, 501), not_blank=True) == "failed"


@NEEDS_TESSERACT
@pytest.mark.parametrize("ink", ["white", "black", "#ffd100"])
def test_letters_on_transparency_are_read(ink: str) -> None:
    assert verdict(encoded(clear_letters("SUMMER SALE", ink)), text="Summer sale") == "passed"


@NEEDS_TESSERACT
def test_letters_of_a_later_frame_are_read() -> None:
    frames = [lettered(text) for text in ("SUMMER", "SALE")]
    data = encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:], duration=100, lossless=True)
    assert verdict(data, text="Summer sale") == "passed"


@NEEDS_TESSERACT
def test_letters_are_read_upright() -> None:
    lying = lettered("SUMMER SALE").transpose(Image.Transpose.ROTATE_90)
    assert verdict(turned(lying), text="Summer sale") == "passed"
    assert verdict(turned(lying), size="450x110") == "passed"
    assert verdict(turned(lying), aspect="45:11") == "passed"


def test_colours_are_those_of_the_profile() -> None:
    wide = encoded(Image.new("RGB", (64, 64), (234, 51, 35)), icc_profile=display_p3())
    assert verdict(wide, palette={"colours": ["#ff0000"], "distance": 2.0}) == "passed"
    plain = encoded(Image.new("RGB", (64, 64), (234, 51, 35)))
    assert verdict(plain, palette={"colours": ["#ff0000"], "distance": 2.0}) == "failed"


def test_the_palette_is_that_of_all_frames() -> None:
    data = moving("red", "blue")
    assert verdict(data, palette={"colours": ["#ff0000"], "share": 0.6}) == "failed"
    assert verdict(data, palette={"colours": ["#ff0000", "#0000ff"], "share": 1.0}) == "passed"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (shape("white", (0, 0, 30, 30)), shape("white", (34, 34, 63, 63))),
        (moving("red", "white"), encoded(lettered("SALE"), "GIF")),
        (heights(0, 1000), heights(1000, 0)),
    ],
    ids=["white shapes", "animation", "heights"],
)
def test_other_pictures_are_no_duplicates(one: bytes, other: bytes) -> None:
    assert (difference_hash(specimen(one)) ^ difference_hash(specimen(other))).bit_count() > 16


def test_animations_that_differ_late_are_no_duplicates() -> None:
    still = Image.new("RGB", (450, 110), "white")
    ends = [
        encoded(still, "GIF", save_all=True, append_images=[lettered(text)], duration=100)
        for text in ("A", "SALE NOW")
    ]
    one, other = (difference_hash(specimen(data)) for data in ends)
    assert (one ^ other).bit_count() > 4


def test_a_judge_sees_all_frames_and_both_grounds() -> None:
    assert view_for_judge(specimen(lettered("SALE"))) is None
    seen = view_for_judge(specimen(moving("red", "lime", "blue")))
    assert seen
    with Image.open(io.BytesIO(seen)) as sheet:
        assert sheet.size == (128, 96)
        colours = [sheet.getpixel(place) for place in ((0, 0), (64, 0), (0, 48))]
    assert colours == [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    wide = view_for_judge(
        specimen(encoded(Image.new("RGB", (64, 64), (234, 51, 35)), icc_profile=display_p3()))
    )
    assert wide
    with Image.open(io.BytesIO(wide)) as sheet:
        assert sheet.getpixel((0, 0)) == (255, 0, 0)
