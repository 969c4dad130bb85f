"""Pictures to work on: opened as everybody here opens them, upright and in sRGB, once for all sizes."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from assetmill.errors import CannotMake
from assetmill.looking import Look, opened
from assetmill.pictures import MOST_PIXELS, sniff

if TYPE_CHECKING:
    from PIL import Image

_WHOLE = (0, 0xFFFF)
"""Grey of 16 bits keeps its brightness: spread over what it uses, a dark scan would become a bright one."""

_GAP = 2
"""A JPEG is decoded at so many times the size that is wanted of it: its own scaling is coarse."""


def open_picture(data: bytes, name: str, share: float = 1.0) -> Image.Image:
    """Return a picture as RGB or RGBA; `share` is the largest part of its size that anything needs of it.

    Raises:
        CannotMake: it is no picture, is damaged, or has more pixels than can be held.
    """
    look = Look(data)
    try:
        form = look.form
        if form.width * form.height > MOST_PIXELS:
            raise CannotMake(
                f"{name} has {form.width}x{form.height} pixels, more than the {MOST_PIXELS:,} that can be "
                "held: scale it down first"
            )
        if form.is_plain:
            with opened(data) as picture:
                return _plain(picture, form.size, share)
        return _opaque(next(look.frames(levels=_WHOLE)).picture)
    except (OSError, SyntaxError, ValueError) as error:
        raise CannotMake(f"{name} cannot be opened: {error}") from error


def size_of(data: bytes, name: str) -> tuple[int, int]:
    """Return a picture's upright size; its pixels are not decoded.

    Raises:
        CannotMake: it is no picture.
    """
    try:
        return Look(data).form.size
    except (OSError, SyntaxError, ValueError) as error:
        raise CannotMake(f"{name} cannot be opened: {error}") from error


def is_picture(data: bytes) -> bool:
    """Whether bytes announce a picture that is opened here."""
    return sniff(data) is not None


def _plain(picture: Image.Image, size: tuple[int, int], share: float) -> Image.Image:
    if share * _GAP < 1:
        # A JPEG's decoder leaves out what a smaller picture does not need; other formats take no notice.
        picture.draft("RGB", (round(size[0] * share * _GAP), round(size[1] * share * _GAP)))
    picture.load()
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def _opaque(picture: Image.Image) -> Image.Image:
    """Return a picture without its alpha channel where nothing shows through: less to work on."""
    low = picture.getchannel("A").getextrema()[0]
    return picture.convert("RGB") if low == 255 else picture


def as_png(picture: Image.Image) -> bytes:
    """Return a picture as PNG, quickly written: for what reads it at once."""
    out = io.BytesIO()
    picture.save(out, "PNG", compress_level=1)
    return out.getvalue()
