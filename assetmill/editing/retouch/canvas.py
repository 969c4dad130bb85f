"""Stored pictures as pixels and back: upright, 8 bits a channel, RGB or RGBA, never more than we can hold."""

from __future__ import annotations

import io

from PIL import Image, ImageOps

from assetmill.editing.retouch.frame import WHOLE, Window
from assetmill.errors import InvalidInput
from assetmill.pictures import MAX_PIXELS, sniff

Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels; the last two are outside."""


def open_picture(data: bytes, name: str) -> Image.Image:
    """Decode a picture's first frame, turned as its camera says, as RGB, or RGBA where it has transparency.

    Raises:
        InvalidInput: it is no PNG, JPEG, WebP or GIF, damaged, or has too many pixels.
    """
    try:
        kind = sniff(data)
        if kind is None:
            raise InvalidInput(f"{name!r} is not a PNG, JPEG, WebP or GIF picture")
        with Image.open(io.BytesIO(data), formats=[kind]) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise InvalidInput(f"{name!r} has more than {MAX_PIXELS} pixels")
            picture.load()
            # In place: a picture of 40 million pixels is better not held twice.
            ImageOps.exif_transpose(picture, in_place=True)
            return _plain(picture)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InvalidInput(f"{name!r} cannot be decoded: {error}") from error


def save_png(picture: Image.Image, like: Image.Image | None = None) -> bytes:
    """Encode without loss; the colour profile of `like` goes with it."""
    buffer = io.BytesIO()
    profile = (like or picture).info.get("icc_profile")
    if profile:
        picture.save(buffer, "PNG", icc_profile=profile)
    else:
        picture.save(buffer, "PNG")
    return buffer.getvalue()


def fitted(picture: Image.Image, size: tuple[int, int], window: Window = WHOLE) -> Image.Image:
    """Return a part of the picture at a size, resampled only when it has another."""
    if window == WHOLE:
        return picture if picture.size == size else picture.resize(size, Image.Resampling.LANCZOS)
    left, top, right, bottom = window
    box = (left * picture.width, top * picture.height, right * picture.width, bottom * picture.height)
    return picture.resize(size, Image.Resampling.LANCZOS, box)


def same_mode(first: Image.Image, second: Image.Image) -> tuple[Image.Image, Image.Image]:
    """Return both in one mode: RGBA when either has transparency."""
    mode = "RGBA" if "RGBA" in (first.mode, second.mode) else "RGB"
    return in_mode(first, mode), in_mode(second, mode)


def in_mode(picture: Image.Image, mode: str) -> Image.Image:
    """Return the picture in a mode; Pillow would copy one that is in it already."""
    return picture if picture.mode == mode else picture.convert(mode)


def _plain(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I"):
        # 16 bits a channel: Pillow would clip the values instead of scaling them.
        profile = picture.info.get("icc_profile")
        picture = picture.convert("I").point(lambda value: value * (1 / 257)).convert("L")
        picture.info["icc_profile"] = profile
    has_alpha = picture.mode in {"RGBA", "LA", "PA", "RGBa", "La"} or "transparency" in picture.info
    mode = "RGBA" if has_alpha else "RGB"
    # A profile of other channels (grey, CMYK) would be wrong for what the picture becomes.
    keeps_profile = picture.mode in {"RGB", "RGBA", "P"}
    plain = picture if picture.mode == mode else picture.convert(mode)
    if not keeps_profile:
        plain.info.pop("icc_profile", None)
    return plain
