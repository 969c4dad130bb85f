"""Whether a picture can be repeated or stretched: tiles without a seam, frames whose edges are even."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assetmill.errors import CannotMake
from assetmill.spec.gathering import NineSliceCheck, TileCheck
from assetmill.spec.measures import parse_lengths

if TYPE_CHECKING:
    from PIL import Image


def check_tile(picture: Image.Image, check: TileCheck) -> None:
    """Make sure that opposite edges go over into each other as neighbours do.

    Raises:
        CannotMake: there would be a seam.
    """
    pixels = _pixels(picture)
    for name, axis in (("left and right", 1), ("upper and lower", 0)):
        turned = pixels if axis == 0 else pixels.swapaxes(0, 1)
        seam = float(abs(turned[0] - turned[-1]).mean())
        usual = float(abs(turned[1:] - turned[:-1]).mean()) if len(turned) > 1 else 0.0
        if seam > usual + check.tolerance:
            raise CannotMake(
                f"its {name} edges differ by {seam:.0f} of 255, neighbours by {usual:.0f}: laid beside "
                "itself it shows a seam; draw it again, or allow more with tolerance"
            )


def check_nine_slice(picture: Image.Image, check: NineSliceCheck) -> None:
    """Make sure that what is stretched between the corners is the same all along.

    Raises:
        CannotMake: it is not, or the corners leave nothing between them.
    """
    wholes = (picture.height, picture.width, picture.height, picture.width)
    top, right, bottom, left = (
        round(one.of(whole)) for one, whole in zip(parse_lengths(check.slices), wholes, strict=True)
    )
    pixels = _pixels(picture)
    height, width = pixels.shape[:2]
    if left + right >= width or top + bottom >= height:
        raise CannotMake(f"the slices {check.slices!r} leave nothing between them of {width}x{height}")
    parts = {
        "upper edge": pixels[:top, left : width - right],
        "lower edge": pixels[height - bottom :, left : width - right],
        "left edge": pixels[top : height - bottom, :left].swapaxes(0, 1),
        "right edge": pixels[top : height - bottom, width - right :].swapaxes(0, 1),
    }
    for name, part in parts.items():
        if part.size and (change := float((part.max(axis=1) - part.min(axis=1)).max())) > check.tolerance:
            raise CannotMake(
                f"its {name} changes by {change:.0f} of 255 along what is stretched: set other slices, "
                "or allow more with tolerance"
            )


def _pixels(picture: Image.Image) -> Any:
    import numpy as np

    return np.asarray(picture.convert("RGBA"), dtype=np.float32)
