"""Edits: changes to a given picture that leave everything else as it was."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageChops

from assetmill.emulator.tools.painting.ground import blurred


@dataclass(frozen=True)
class Order:
    """What to change: the words, the picture, further pictures to refer to, and where changes may go."""

    prompt: str
    size: tuple[int, int]
    quality: str
    background: str
    picture: Image.Image
    references: tuple[Image.Image, ...]
    mask: Image.Image | None


def size_like(size: tuple[int, int], *, is_free: bool) -> tuple[int, int]:
    return (1024, 1024)


def carry_out(order: Order, rng: np.random.Generator) -> Image.Image:
    return ImageChops.invert(order.picture.convert("RGB").resize(order.size))
