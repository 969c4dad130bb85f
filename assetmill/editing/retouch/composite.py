"""An edit put back into its original, so that what must not change did not: proved pixel by pixel."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image, ImageChops, ImageFilter

from assetmill.editing.retouch.canvas import fitted, in_colours_of, in_mode, open_picture, same_mode, save_png
from assetmill.editing.retouch.frame import WHOLE, Window

DEFAULT_FEATHER_PX = 8


@dataclass(frozen=True)
class Composited:
    """The composite as a PNG and what was measured on that very PNG: differences per channel, 0 to 255."""

    data: bytes
    largest_difference_outside: int
    largest_difference_inside: int
    feather_px: int


def composite(
    original: Image.Image,
    edited: Image.Image,
    mask: Image.Image,
    *,
    feather_px: int,
    window: Window = WHOLE,
) -> Composited:
    """Take the edit inside the mask and the original outside it; the seam lies inside.

    `window` is where the original lies in the edit when that shows more than the original. The edit is in
    sRGB; it is put back in the original's own colours, whose numbers stay what they are outside the mask.
    """
    start, change = same_mode(original, in_colours_of(original, fitted(edited, original.size, window)))
    weight, feather = seam(mask, feather_px)
    blended = Image.composite(change, start, weight)
    # Each of these is as large as the picture: they go as soon as they are used.
    del edited, change, weight
    data = save_png(blended, like=original)
    del blended
    outside, inside = prove(start, data, mask)
    return Composited(data, outside, inside, feather)


def prove(start: Image.Image, data: bytes, mask: Image.Image) -> tuple[int, int]:
    """Return the largest differences outside and inside the mask, measured on the file that is kept."""
    difference = ImageChops.difference(start, in_mode(open_picture(data, "composite"), start.mode))
    largest = difference.getchannel(0)
    for band in range(1, len(difference.getbands())):
        largest = ImageChops.lighter(largest, difference.getchannel(band))
    del difference
    outside = mask.point(lambda value: 0 if value else 255)
    return (
        _largest(ImageChops.darker(largest, outside)),
        _largest(ImageChops.darker(largest, ImageChops.invert(outside))),
    )


def seam(mask: Image.Image, feather_px: int) -> tuple[Image.Image, int]:
    """Return how much of the edit shows at each pixel, and the width of the seam that was possible.

    It is 0 outside the mask and rises over `feather_px` pixels inside it. A mask that is thinner than two
    seams gets a narrower one, because the edit would not show at all.
    """
    box = mask.getbbox()
    if box is None or feather_px <= 0:
        return mask, 0
    # One pixel of what is outside belongs to the seam; the picture's own edge has no seam.
    box = (max(0, box[0] - 1), max(0, box[1] - 1), min(mask.width, box[2] + 1), min(mask.height, box[3] + 1))
    layers = [mask.crop(box).point(lambda value: 255 if value else 0)]
    while len(layers) <= feather_px:
        inner = layers[-1].filter(ImageFilter.MinFilter(3))
        if inner.getbbox() is None:
            break
        layers.append(inner)
    depth = len(layers)
    feather = feather_px if depth > feather_px else depth // 2
    steps = feather + 1
    ramp = Image.new("L", layers[0].size, 0)
    for number, layer in enumerate(layers[:steps], start=1):
        ramp.paste(round(255 * number / steps), mask=layer)
    weight = Image.new("L", mask.size, 0)
    weight.paste(ImageChops.darker(ramp, mask.crop(box)), box)
    return weight, feather


def _largest(channel: Image.Image) -> int:
    low_and_high = channel.getextrema()
    return int(max(value for value in low_and_high if isinstance(value, int | float)))
