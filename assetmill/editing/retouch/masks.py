"""Where an edit may change a picture, from a file, a box or the picture's own transparency.

Inside, a mask is an `L` picture, white where changes may go. The service wants the opposite in an alpha
channel: 0 is editable.
"""

from __future__ import annotations

import re

from PIL import Image, ImageChops

from assetmill.editing.retouch.canvas import Box, open_picture, save_png
from assetmill.errors import InvalidInput
from assetmill.pictures import PictureDamaged
from assetmill.taking import take

_BOX = re.compile(r"\s*(\d{1,6})\s*,\s*(\d{1,6})\s*,\s*(\d{1,6})\s*,\s*(\d{1,6})\s*")


def mask_from_file(data: bytes, name: str, size: tuple[int, int]) -> Image.Image:
    """Return the mask that a file means: by its alpha channel, else as a grey picture, white being editable.

    Raises:
        InvalidInput: not a picture, of another size, in colour without alpha, or nothing is editable.
    """
    try:
        taken = take(data)
    except PictureDamaged as error:
        raise InvalidInput(f"mask {name!r} is not a whole picture: {error}") from error
    picture = open_picture(taken.data, name)
    if picture.size != size:
        raise InvalidInput(
            f"mask {name!r} is {picture.width}x{picture.height}, the picture {size[0]}x{size[1]}:"
            " they must be of one size"
        )
    alpha = picture.getchannel("A") if picture.mode == "RGBA" else None
    if alpha and _lowest(alpha) < 255:
        return _checked(ImageChops.invert(alpha), name)
    red, green, blue = picture.convert("RGB").split()
    if _highest(ImageChops.difference(red, green)) or _highest(ImageChops.difference(green, blue)):
        raise InvalidInput(
            f"mask {name!r} has neither transparency nor shades of grey:"
            " make transparent, or white on black, what may change"
        )
    return _checked(red, name)


def mask_from_box(text: str, size: tuple[int, int]) -> Image.Image:
    """Return the mask of `X,Y,W,H`, in pixels from the top left.

    Raises:
        InvalidInput: not four numbers, empty, or not inside the picture.
    """
    box = parse_box(text)
    if box[2] > size[0] or box[3] > size[1]:
        raise InvalidInput(f"box {text!r} reaches outside the picture, which is {size[0]}x{size[1]}")
    mask = Image.new("L", size, 0)
    mask.paste(255, box)
    return mask


def parse_box(text: str) -> Box:
    """Return the box of `X,Y,W,H`.

    Raises:
        InvalidInput: not four whole numbers, or without an area.
    """
    match = _BOX.fullmatch(text)
    if match is None:
        raise InvalidInput(f"box {text[:60]!r}: write X,Y,W,H in pixels, as 100,40,300,200")
    left, top, width, height = (int(number) for number in match.groups())
    if not width or not height:
        raise InvalidInput(f"box {text!r} is empty")
    return left, top, left + width, top + height


def mask_from_alpha(picture: Image.Image, name: str) -> Image.Image:
    """Return the mask that lets the transparent part of a picture change.

    Raises:
        InvalidInput: the picture has no transparent part.
    """
    if picture.mode != "RGBA":
        raise InvalidInput(f"{name!r} has no transparency to take a mask from")
    return _checked(ImageChops.invert(picture.getchannel("A")), name)


def wire_mask(mask: Image.Image) -> bytes:
    """Return the mask as the service wants it: a PNG whose alpha is 0 where changes may go."""
    sheet = Image.new("RGBA", mask.size)
    sheet.putalpha(ImageChops.invert(mask))
    return save_png(sheet)


def read_wire_mask(data: bytes) -> Image.Image:
    """Return what a stored wire mask lets change."""
    return ImageChops.invert(open_picture(data, "mask").convert("RGBA").getchannel("A"))


def _checked(mask: Image.Image, name: str) -> Image.Image:
    if not _highest(mask):
        raise InvalidInput(f"by mask {name!r} nothing may change")
    return mask


def _lowest(channel: Image.Image) -> int:
    return channel.histogram().index(next(filter(None, channel.histogram())))


def _highest(channel: Image.Image) -> int:
    counts = channel.histogram()
    return max(value for value, count in enumerate(counts) if count)
