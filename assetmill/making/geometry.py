"""Operations that change a picture's size or what of it is seen: crop, resize, rotate, pad."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from assetmill.errors import CannotMake
from assetmill.making.focusing import Point, focus_of
from assetmill.spec.making import MakeSpec
from assetmill.spec.measures import (
    MOST_SIDE,
    Colour,
    parse_aspect,
    parse_box,
    parse_colour,
    parse_extent,
    parse_lengths,
)

if TYPE_CHECKING:
    from PIL import Image

Focus = Callable[["Image.Image", float], Point]
CLEAR: Colour = (0, 0, 0, 0)


def focus_in(spec: MakeSpec, subject: Any) -> Focus:
    """Return what finds the point that stays in view, for a part of some aspect."""
    return lambda picture, aspect: focus_of(picture, spec.focus, aspect, subject)


def crop(picture: Image.Image, written: str, focus: Focus) -> Image.Image:
    """Return a box of a picture, or the largest part of it that has an aspect.

    Raises:
        CannotMake: the box lies outside of it.
    """
    if aspect := parse_aspect(written):
        return picture.crop(part_of(picture.size, aspect, focus(picture, aspect)))
    box = parse_box(written).within(*picture.size)
    if box[0] < 0 or box[1] < 0 or box[2] > picture.width or box[3] > picture.height:
        size = f"{picture.width}x{picture.height}"
        raise CannotMake(f"crop: the box {written!r} is not within the picture of {size}: make it smaller")
    return picture.crop(box)


def part_of(size: tuple[int, int], aspect: float, point: Point) -> tuple[int, int, int, int]:
    """Return the largest box of an aspect in a picture of `size`, as near around a point as it can be."""
    width, height = size
    wide, high = (
        (round(height * aspect), height) if width / height > aspect else (width, round(width / aspect))
    )
    wide, high = min(width, max(1, wide)), min(height, max(1, high))
    left = min(max(0, round(point[0] * width - wide / 2)), width - wide)
    top = min(max(0, round(point[1] * height - high / 2)), height - high)
    return left, top, left + wide, top + high


def resize(picture: Image.Image, spec: MakeSpec, focus: Focus) -> Image.Image:
    """Return a picture in the size that is asked for, as `fit` says."""
    extent = parse_extent(str(spec.resize))
    width, height = extent.of(*picture.size)
    fit = spec.fit or "cover"
    if extent.width is None or extent.height is None:
        return _scaled(picture, *_bounded(picture, width, height, spec))
    if fit == "exact":
        return _scaled(picture, width, height)
    if fit == "cover":
        box = part_of(picture.size, width / height, focus(picture, width / height))
        wide, high = box[2] - box[0], box[3] - box[1]
        if not spec.enlarge and (wide < width or high < height):
            width, height = wide, high
        return _scaled(picture, width, height, box)
    share = min(width / picture.width, height / picture.height)
    share = share if spec.enlarge else min(1.0, share)
    inner = max(1, round(picture.width * share)), max(1, round(picture.height * share))
    small = _scaled(picture, *inner)
    return small if fit == "contain" else _laid(small, (width, height), ground_of(spec))


def _bounded(picture: Image.Image, width: int, height: int, spec: MakeSpec) -> tuple[int, int]:
    if max(width, height) > MOST_SIDE:
        raise CannotMake(f"resize: {width}x{height} is longer than {MOST_SIDE} pixels: ask for less")
    return picture.size if not spec.enlarge and width > picture.width else (width, height)


def scaled(picture: Image.Image, share: float) -> Image.Image:
    """Return a picture at a share of its size."""
    size = max(1, round(picture.width * share)), max(1, round(picture.height * share))
    return _scaled(picture, *size)


def _scaled(
    picture: Image.Image, width: int, height: int, box: tuple[int, int, int, int] | None = None
) -> Image.Image:
    from PIL import Image

    if (width, height) == picture.size and box in {None, (0, 0, *picture.size)}:
        return picture
    return picture.resize((width, height), Image.Resampling.LANCZOS, box=box, reducing_gap=2.0)


def ground_of(spec: MakeSpec) -> Colour | None:
    """Return the colour that fills what a picture does not."""
    return parse_colour(spec.background) if spec.background else None


def _laid(
    picture: Image.Image, size: tuple[int, int], ground: Colour | None, at: tuple[int, int] | None = None
) -> Image.Image:
    from PIL import Image

    left, top = at or ((size[0] - picture.width) // 2, (size[1] - picture.height) // 2)
    if picture.mode == "RGB" and ground and ground[3] == 255:
        under = Image.new("RGB", size, ground[:3])
        under.paste(picture, (left, top))
        return under
    under = Image.new("RGBA", size, ground or CLEAR)
    under.alpha_composite(picture.convert("RGBA"), (left, top))
    return under


def rotate(picture: Image.Image, degrees: float, ground: Colour | None) -> Image.Image:
    """Return a picture turned clockwise; quarter turns lose nothing."""
    from PIL import Image

    quarters = {
        90: Image.Transpose.ROTATE_270,
        180: Image.Transpose.ROTATE_180,
        270: Image.Transpose.ROTATE_90,
    }
    turned = degrees % 360
    if not turned:
        return picture
    if turned in quarters:
        return picture.transpose(quarters[round(turned)])
    made = picture.convert("RGBA").rotate(-degrees, Image.Resampling.BICUBIC, expand=True)
    return made if ground is None else flatten(made, ground)


def flip(picture: Image.Image, how: str) -> Image.Image:
    """Return a picture mirrored across, or down."""
    from PIL import Image

    sides = {"across": Image.Transpose.FLIP_LEFT_RIGHT, "down": Image.Transpose.FLIP_TOP_BOTTOM}
    return picture.transpose(sides[how])


def pad(picture: Image.Image, written: str, ground: Colour | None) -> Image.Image:
    """Return a picture with a margin.

    Raises:
        CannotMake: with it, nothing would be left of it, or it would be too large.
    """
    lengths = parse_lengths(written)
    wholes = (picture.height, picture.width, picture.height, picture.width)
    top, right, bottom, left = (round(one.of(whole)) for one, whole in zip(lengths, wholes, strict=True))
    size = picture.width + left + right, picture.height + top + bottom
    if min(size) < 1 or max(size) > MOST_SIDE or min(top, right, bottom, left) < 0:
        raise CannotMake(f"pad: {written!r} makes {size[0]}x{size[1]} of it: margins are added, not taken")
    return _laid(picture, size, ground, (left, top))


def flatten(picture: Image.Image, ground: Colour) -> Image.Image:
    """Return a picture laid over a colour."""
    if picture.mode == "RGB":
        return picture
    made = _laid(picture, picture.size, ground)
    return made.convert("RGB") if ground[3] == 255 else made


def trim(picture: Image.Image, tolerance: int) -> Image.Image:
    """Return a picture without its border of one colour, or without what is transparent around it.

    Raises:
        CannotMake: it is all border.
    """
    from PIL import Image, ImageChops

    if picture.mode == "RGBA" and picture.getchannel("A").getextrema()[0] == 0:
        box = picture.getchannel("A").point([0] * (tolerance + 1) + [255] * (255 - tolerance)).getbbox()
    else:
        plain = picture.convert("RGB")
        corner = plain.getpixel((0, 0))
        away = ImageChops.difference(plain, Image.new("RGB", plain.size, corner))  # pyright: ignore[reportArgumentType]
        bands = [band.point([0] * (tolerance + 1) + [255] * (255 - tolerance)) for band in away.split()]
        box = ImageChops.lighter(ImageChops.lighter(bands[0], bands[1]), bands[2]).getbbox()
    if box is None:
        raise CannotMake("trim: all of the picture is border: leave trim out, or lower its tolerance")
    return picture.crop(box)
