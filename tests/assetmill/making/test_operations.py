"""Every operation on one picture does what its key says: size, pixels, format."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from assetmill.errors import CannotMake, InvalidSpec
from assetmill.looking import Look
from assetmill.making.carrying_out import FreshFile, carry_out
from assetmill.runs.planning import plan_pipeline
from assetmill.spec.gathering import ICONS, IconKind
from assetmill.spec.making import MakeSpec
from tests.millworks import settings_in
from tests.photos import display_p3

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def _png(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def _corners() -> Image.Image:
    """Quarters of red, green, blue and white, from the upper left on, 40 pixels wide and 20 high."""
    picture = Image.new("RGB", (40, 20))
    for at, colour in (((0, 0), RED), ((20, 0), GREEN), ((0, 10), BLUE), ((20, 10), WHITE)):
        picture.paste(colour, (*at, at[0] + 20, at[1] + 10))
    return picture


def _framed() -> Image.Image:
    picture = Image.new("RGB", (40, 20), "white")
    picture.paste(RED, (10, 5, 30, 15))
    return picture


def _mask() -> Image.Image:
    """White where the subject is: at the right edge."""
    picture = Image.new("L", (40, 20))
    picture.paste(255, (32, 4, 38, 16))
    return picture.convert("RGB")


GIVEN = {
    "corners": _png(_corners()),
    "framed": _png(_framed()),
    "mask": _png(_mask()),
    "clear": _png(Image.new("RGBA", (40, 20))),
    "square": _png(Image.new("RGB", (1024, 1024), RED)),
    "p3": display_p3(),
}


def _files(given: str, **entry: Any) -> list[FreshFile]:
    spec = MakeSpec.model_validate({"from": [given], **entry})
    return list(carry_out([spec.bound({name: [name] for name in GIVEN})], GIVEN.__getitem__))


def _made(given: str, **entry: Any) -> Image.Image:
    (made,) = _files(given, **{"save": "a.png", **entry})
    with Image.open(io.BytesIO(made.data)) as picture:
        picture.load()
    assert picture.size == made.size
    return picture


@pytest.mark.parametrize(
    ("given", "entry", "size", "pixels"),
    [
        ("corners", {"resize": "20x20"}, (20, 20), {(2, 2): RED, (17, 2): GREEN}),
        ("corners", {"resize": "20x20", "fit": "contain"}, (20, 10), {(1, 1): RED}),
        ("corners", {"resize": "20x20", "fit": "pad", "background": "#000"}, (20, 20), {(1, 1): (0, 0, 0)}),
        ("corners", {"resize": "20x40", "fit": "exact"}, (20, 40), {(2, 37): BLUE}),
        ("corners", {"resize": "x10"}, (20, 10), {}),
        ("corners", {"resize": "50%"}, (20, 10), {}),
        ("corners", {"resize": "80x80", "enlarge": False}, (20, 20), {}),
        ("corners", {"crop": "20 0 20 10"}, (20, 10), {(0, 0): GREEN, (19, 9): GREEN}),
        ("corners", {"crop": "1:1", "focus": "100% 50%"}, (20, 20), {(0, 0): GREEN}),
        ("corners", {"crop": "1:1", "focus": "subject", "subject": "mask"}, (20, 20), {(0, 0): GREEN}),
        ("corners", {"crop": "1:1", "focus": "subject", "subject": "0 0 8 20"}, (20, 20), {(0, 0): RED}),
        ("corners", {"rotate": 90}, (20, 40), {(0, 0): BLUE, (19, 0): RED}),
        ("corners", {"rotate": 45, "background": "#fff"}, (44, 44), {(0, 0): WHITE}),
        ("corners", {"flip": "across"}, (40, 20), {(0, 0): GREEN}),
        ("corners", {"flip": "down"}, (40, 20), {(0, 0): BLUE}),
        ("corners", {"colour": "grey"}, (40, 20), {(0, 0): (76, 76, 76)}),
        ("corners", {"pad": "1 2 3 4", "background": "#00f"}, (46, 24), {(0, 0): BLUE, (4, 1): RED}),
        ("framed", {"trim": True}, (20, 10), {(0, 0): RED}),
        ("clear", {"background": "#0f0"}, (40, 20), {(0, 0): GREEN}),
    ],
)
def test_a_picture_is_changed_as_the_key_says(
    given: str,
    entry: Mapping[str, Any],
    size: tuple[int, int],
    pixels: Mapping[tuple[int, int], tuple[int, int, int]],
) -> None:
    made = _made(given, **entry)
    assert made.size == size
    assert {at: made.convert("RGB").getpixel(at) for at in pixels} == pixels


@pytest.mark.parametrize(
    ("save", "form"), [("a.png", "PNG"), ("a.jpg", "JPEG"), ("a.webp", "WEBP"), ("a.avif", "AVIF")]
)
def test_a_picture_is_converted_and_a_lower_quality_is_smaller(save: str, form: str) -> None:
    assert _made("square", save=save).format == form
    if form != "PNG":
        low, high = (_files("corners", resize="400x200", save=save, quality=q)[0].data for q in (10, 95))
        assert len(low) < len(high)


def test_a_palette_has_no_more_colours_than_asked() -> None:
    made = _made("corners", resize="200x100", palette=4)
    assert (made.mode, len(made.getcolors() or ())) == ("P", 4)


@pytest.mark.parametrize("save", ["a.png", "a.jpg", "a.webp"])
def test_a_file_in_a_profile_looks_like_the_picture(save: str) -> None:
    (made,) = _files("framed", profile="p3", save=save, crop="12 6 16 8")
    with Image.open(io.BytesIO(made.data)) as stored:
        assert stored.info["icc_profile"] == display_p3()
        numbers = stored.convert("RGB").getpixel((8, 4))
    seen = Look(made.data).first().convert("RGB").getpixel((8, 4))
    assert isinstance(numbers, tuple)
    assert isinstance(seen, tuple)
    assert numbers[0] < 240  # sRGB's red is none of the most colourful of a phone
    assert all(abs(one - other) <= 4 for one, other in zip(seen, RED, strict=True))
    assert "c2pa.color_adjustments" in made.actions


def test_a_profile_that_is_none_is_refused_with_its_name() -> None:
    with pytest.raises(
        CannotMake, match=r"a\.png: mask: its colour profile cannot be used.*\(\.icc\) of RGB"
    ):
        _files("corners", profile="mask", save="a.png")
    with pytest.raises(ValueError, match="palette are sRGB"):
        MakeSpec.model_validate({"from": ["x"], "profile": "p3", "palette": 8, "save": "a.png"})


@pytest.mark.parametrize("kind", ["ios", "android"])
def test_icons_of_phones_are_whole_sets(kind: IconKind) -> None:
    assert {one.name: one.size for one in _files("square", icons=kind)} == {
        name: (side, side) for name, side in ICONS[kind].items()
    }


def test_the_source_of_a_function_decides_and_a_function_that_is_not_there_is_refused(tmp_path: Path) -> None:
    text = """
name: own
stages:
  - name: cuts
    inputs: [{file: photo.png}]
    make:
      - {from: photo, python: "own_filter:same", save: same.png}
"""
    settings = settings_in(tmp_path, own=text, absent=text.replace(":same", ":other"))
    folder = settings.configs / "pipelines"
    (folder / "photo.png").write_bytes(GIVEN["corners"])
    marks: set[str] = set()
    for line in ("return data", "return bytes(data)"):
        (folder / "own_filter.py").write_text(f"def same(data: bytes) -> bytes:\n    {line}\n")
        (stage,) = plan_pipeline("own", {}, settings, None).stages
        assert stage.call is not None
        marks.add(stage.call.fingerprint)
    assert len(marks) == 2
    with pytest.raises(InvalidSpec, match="other"):
        plan_pipeline("absent", {}, settings, None)
