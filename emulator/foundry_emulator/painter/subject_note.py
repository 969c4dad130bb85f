"""The note in a picture of ours that says which part is its subject, so that edits need not guess.

It travels in the PNG; a picture that came through other hands has lost it, and is looked at instead.
"""

from __future__ import annotations

import base64
import binascii
from io import BytesIO

from PIL import Image, ImageFilter

KEY = "Subject outline"
MOST_CHARACTERS = 400_000


def attach(image: Image.Image, mask: Image.Image | None) -> Image.Image:
    """Note the subject's mask, which has the picture's size, on a picture in memory."""
    if mask is not None and mask.getbbox() is not None:
        image.info[KEY] = mask
    return image


def attached(image: Image.Image) -> Image.Image | None:
    """Return the mask noted on a picture in memory, white inside."""
    mask = image.info.get(KEY)
    return mask if isinstance(mask, Image.Image) else None


def written(image: Image.Image) -> str | None:
    """Return the note as text for a file."""
    mask = attached(image)
    if mask is None or mask.size != image.size:
        return None
    buffer = BytesIO()
    mask.point([0] * 128 + [255] * 128).convert("1", dither=Image.Dither.NONE).save(
        buffer, "PNG", optimize=True
    )
    text = base64.b64encode(buffer.getvalue()).decode("ascii")
    return text if len(text) <= MOST_CHARACTERS else None


def read(text: object, size: tuple[int, int]) -> Image.Image | None:
    """Return the mask that a file's note holds, or None where it holds none for a picture of that size."""
    if not isinstance(text, str) or len(text) > MOST_CHARACTERS:
        return None
    try:
        with Image.open(BytesIO(base64.b64decode(text, validate=True)), formats=["PNG"]) as source:
            if source.size != size or source.mode != "1":
                return None
            return source.convert("L").filter(ImageFilter.GaussianBlur(0.7))
    except (OSError, SyntaxError, ValueError, EOFError, binascii.Error, Image.DecompressionBombError):
        return None
