"""Whether letters stand out from what lies beneath them, by the contrast ratio of WCAG 2."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from assetmill.errors import CannotMake
from assetmill.spec.measures import Colour

if TYPE_CHECKING:
    from PIL import Image

_SHARE = 5
"""Per cent of the ground around letters that may have less contrast: a speck hides no letter."""

_AROUND = 5
"""Pixels that are looked at from each letter on, in every direction."""


def check_contrast(picture: Image.Image, mask: Image.Image, colour: Colour, least: float) -> None:
    """Make sure that letters have a contrast to the picture beneath and around them.

    Raises:
        CannotMake: they have less.
    """
    found = contrast(picture, mask, colour)
    if found is not None and found < least:
        raise CannotMake(
            f"the letters have a contrast of {found:.1f} to what lies beneath, less than {least:g}: "
            "choose another colour or place, or give the text a plate, an outline or a gradient under it"
        )


def contrast(picture: Image.Image, mask: Image.Image, colour: Colour) -> float | None:
    """Return the ratio that nearly all of the ground around letters has at least; None without letters."""
    import numpy as np
    from PIL import ImageFilter

    box = mask.getbbox()
    if box is None:
        return None
    box = (max(0, box[0] - _AROUND), max(0, box[1] - _AROUND), box[2] + _AROUND, box[3] + _AROUND)
    box = (box[0], box[1], min(picture.width, box[2]), min(picture.height, box[3]))
    near = np.asarray(mask.crop(box).filter(ImageFilter.MaxFilter(2 * _AROUND + 1))) > 127
    ground = picture.crop(box)
    # What is transparent may lie on anything: on white as on black.
    ratios = [_ratios(ground, near, colour, under) for under in (255.0, 0.0)]
    return float(min(np.percentile(one, _SHARE) for one in ratios))


def _ratios(ground: Image.Image, near: Any, colour: Colour, under: float) -> Any:
    import numpy as np

    pixels = np.asarray(ground.convert("RGBA"), dtype=np.float64)
    alpha = pixels[..., 3:] / 255
    beneath = _luminance(pixels[..., :3] * alpha + under * (1 - alpha))[near]
    share = colour[3] / 255
    letters = _luminance(np.array(colour[:3], dtype=np.float64)) * share + beneath * (1 - share)
    lighter, darker = np.maximum(beneath, letters), np.minimum(beneath, letters)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colours: Any) -> Any:
    import numpy as np

    parts = colours / 255
    linear = cast(Any, np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4))
    return linear @ np.array((0.2126, 0.7152, 0.0722))
