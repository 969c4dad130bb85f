"""Stored pictures as pixels and back: upright, 8 bits a channel, RGB or RGBA, never more than we can hold."""

from __future__ import annotations

import io

from PIL import Image, ImageOps

from assetmill.editing.retouch.frame import WHOLE, Window
from assetmill.errors import InvalidInput
from assetmill.looking import Look, from_srgb, opened, profile_name
from assetmill.pictures import PictureDamaged
from assetmill.taking import fault_for_editing, picture_part

Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels; the last two are outside."""


def open_picture(data: bytes, name: str) -> Image.Image:
    """Decode a picture's first frame, turned as its camera says, as RGB, or RGBA where it has transparency.

    Raises:
        InvalidInput: it is no PNG, JPEG, WebP or GIF, damaged, or has too many pixels.
    """
    try:
        own = picture_part(data)
        if fault := fault_for_editing(Look(own).form.size):
            raise InvalidInput(f"{name!r}: {fault}")
        with opened(own) as picture:
            picture.load()
            # In place: a picture of 40 million pixels is better not held twice.
            ImageOps.exif_transpose(picture, in_place=True)
            return _plain(picture)
    except PictureDamaged as error:
        raise InvalidInput(f"{name!r} is not a whole picture: {error}") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise InvalidInput(f"{name!r} cannot be decoded: {error}") from error


def as_seen(data: bytes, name: str) -> Image.Image:
    """Decode a picture's first frame as it is seen: upright and in sRGB, without a profile.

    Raises:
        InvalidInput: see `open_picture`.
    """
    picture = open_picture(data, name)
    look = Look(picture_part(data))
    if not (look.form.profile or look.form.is_cmyk):
        return picture
    # Over all 65536 levels: what is darker than white in a photo stays so.
    seen = next(look.frames(levels=(0, 65535))).picture
    return seen if look.form.has_alpha else seen.convert("RGB")


def in_colours_of(original: Image.Image, picture: Image.Image) -> Image.Image:
    """Return a picture that is in sRGB with the numbers that its colours have in the original's profile.

    Raises:
        InvalidInput: the profile cannot be used.
    """
    profile = original.info.get("icc_profile")
    if not profile or not profile_name(profile):
        return picture
    try:
        return from_srgb(picture, profile)
    except ValueError as error:
        raise InvalidInput(str(error)) from error


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
