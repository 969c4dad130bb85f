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
from PIL import Image

from assetmill.pictures import PictureDamaged, examine

Pixels = NDArray[np.uint8]

THRESHOLD = 8
"""A channel that differs by no more than this of 255 is what codecs and dithering do, not a change."""

_SHORTEST = 11
"""The window of SSIM; smaller pictures have no score."""

_HEAT = ((0.0, (28, 22, 66)), (0.15, (122, 30, 108)), (0.45, (229, 80, 57)), (1.0, (255, 221, 87)))
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF")


@dataclass(frozen=True)
class Comparison:
    """How two pictures differ. `ssim` is 1.0 for the same, None when they are too small.

    `changed` is the share of pixels that differ visibly; `is_resized` says that the new one was scaled to the
    old one's size to be compared. `heat_map` has that size.
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
    difference = np.abs(old.astype(np.int16) - new.astype(np.int16)).max(axis=2)
    changed = float((difference > THRESHOLD).mean())
    return Comparison(_ssim(old, new), changed, is_resized, _heat_map(new, difference))


def _on_white(picture: Image.Image) -> Pixels:
    ground = Image.new("RGBA", picture.size, "white")
    return np.asarray(Image.alpha_composite(ground, picture).convert("RGB"))


def _ssim(old: Pixels, new: Pixels) -> float | None:
    height, width = old.shape[:2]
    if min(height, width) < _SHORTEST:
        return None
    # The package ships no types: what it returns is known from its documentation.
    result = cast(Any, blazediff_ssim).compare_rgba(_rgba(old), _rgba(new), width, height)
    return float(result.score)


def _rgba(pixels: Pixels) -> bytes:
    opaque = np.full((*pixels.shape[:2], 1), 255, np.uint8)
    return np.concatenate([pixels, opaque], axis=2).tobytes()


def _heat_map(picture: Pixels, difference: NDArray[np.int16]) -> Image.Image:
    """Lay the differences in colour over a pale grey copy, so that one sees where they are."""
    grey = picture.astype(np.float32).mean(axis=2, keepdims=True) * 0.35 + 160.0
    strength = np.where(difference > THRESHOLD, difference / 255.0, 0.0).astype(np.float32)
    # A weak difference must be seen too, so it starts at half cover.
    cover = np.where(strength > 0, 0.5 + strength / 2, 0.0)[..., np.newaxis]
    stops = [stop for stop, _ in _HEAT]
    channels = [np.interp(strength, stops, [colour[n] for _, colour in _HEAT]) for n in range(3)]
    mixed = grey * (1 - cover) + np.stack(channels, axis=2) * cover
    return Image.fromarray(mixed.clip(0, 255).astype(np.uint8), "RGB")
