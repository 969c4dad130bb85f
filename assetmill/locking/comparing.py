"""Two pictures side by side: how alike they look, how much of them changed, and where.

SSIM as MATLAB computes it, by blazediff-ssim: luma, downsampled to about 256 pixels on the short side.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, cast

import blazediff_ssim
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops

from assetmill.pictures import PictureDamaged, examine

Grey = NDArray[np.uint8]

THRESHOLD = 8
"""A channel that differs by no more than this of 255 is what codecs and dithering do, not a change."""

_SHORTEST = 11
"""The window of SSIM; smaller pictures have no score."""

_HEAT_SIZE = 1440
"""Wider or taller, a heat map is not shown; at the largest picture's size it took gigabytes."""

_HEAT = ((0.0, (28, 22, 66)), (0.15, (122, 30, 108)), (0.45, (229, 80, 57)), (1.0, (255, 221, 87)))
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF")


@dataclass(frozen=True)
class Comparison:
    """How two pictures differ. `ssim` is 1.0 for the same, None when they are too small.

    `changed` is the share of pixels that differ visibly; `is_resized` says that the new one was scaled to the
    old one's size to be compared. `heat_map` has that size too, unless it is a large one.
    """

    ssim: float | None
    changed: float
    is_resized: bool
    heat_map: Image.Image


def open_picture(data: bytes) -> Image.Image | None:
    """Decode a picture whole as RGBA; None when the bytes are no picture, or a damaged or too large one."""
    try:
        examine(data)
    except PictureDamaged:
        return None
    with Image.open(io.BytesIO(data), formats=_FORMATS) as picture:
        return picture.convert("RGBA")


def compare(before: Image.Image, after: Image.Image) -> Comparison:
    """Compare two pictures on white, because what is transparent shows what lies under it."""
    is_resized = before.size != after.size
    if is_resized:
        after = after.resize(before.size, Image.Resampling.LANCZOS)
    old, new = _on_white(before), _on_white(after)
    red, green, blue = ImageChops.difference(old, new).split()
    difference = ImageChops.lighter(ImageChops.lighter(red, green), blue)
    changed = sum(difference.histogram()[THRESHOLD + 1 :]) / (old.width * old.height)
    return Comparison(_ssim(old, new), changed, is_resized, _heat_map(new, difference))


def _on_white(picture: Image.Image) -> Image.Image:
    ground = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(ground, picture).convert("RGB")


def _ssim(old: Image.Image, new: Image.Image) -> float | None:
    if min(old.size) < _SHORTEST:
        return None
    sides = (picture.convert("RGBA").tobytes() for picture in (old, new))
    # The package ships no types: what it returns is known from its documentation.
    result = cast(Any, blazediff_ssim).compare_rgba(*sides, old.width, old.height)
    return float(result.score)


def _heat_map(picture: Image.Image, difference: Image.Image) -> Image.Image:
    """Lay the differences in colour over a pale grey copy, so that one sees where they are.

    A large picture is scaled down first; of each square the strongest difference counts, so none is lost.
    """
    factor = -(-max(picture.size) // _HEAT_SIZE)
    small = np.asarray(picture.reduce(factor))
    strongest = _strongest(np.asarray(difference), factor)
    grey = small.astype(np.float32).mean(axis=2, keepdims=True) * 0.35 + 160.0
    strength = np.where(strongest > THRESHOLD, strongest / 255.0, 0.0).astype(np.float32)
    # A weak difference must be seen too, so it starts at half cover.
    cover = np.where(strength > 0, 0.5 + strength / 2, 0.0)[..., np.newaxis]
    stops = [stop for stop, _ in _HEAT]
    channels = [np.interp(strength, stops, [colour[n] for _, colour in _HEAT]) for n in range(3)]
    mixed = grey * (1 - cover) + np.stack(channels, axis=2) * cover
    return Image.fromarray(mixed.clip(0, 255).astype(np.uint8), "RGB")


def _strongest(difference: Grey, factor: int) -> Grey:
    height, width = difference.shape
    padded = np.pad(difference, ((0, -height % factor), (0, -width % factor)))
    rows, columns = padded.shape[0] // factor, padded.shape[1] // factor
    return padded.reshape(rows, factor, columns, factor).max(axis=(1, 3))
