"""Intake of pictures from outside: nothing is decoded before its format and size are known to be safe."""

from __future__ import annotations

import warnings
from io import BytesIO

from PIL import Image, ImageOps

from foundry_emulator.painter import subject_note
from foundry_emulator.painter.errors import ImageToolError
from foundry_emulator.painter.ground import curve

FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
MOST_PIXELS = 64_000_000
MOST_BYTES = 50 * 1024 * 1024
MOST_PICTURES = 16
WORKING_EDGE = 3840


def opened(data: bytes, name: str = "image") -> Image.Image:
    """Decode the first frame of a picture, upright, as RGB or RGBA, at most 3840 pixels long.

    Raises:
        ImageToolError: it is no PNG, JPEG, WebP or GIF, too large, or damaged.
    """
    if len(data) > MOST_BYTES:
        raise ImageToolError("invalid_image", f"The {name} is larger than {MOST_BYTES // 2**20} MB.")
    try:
        with warnings.catch_warnings():
            # Pillow warns about sizes that the next lines refuse or allow by their own limit.
            warnings.simplefilter("ignore")
            return _decoded(data, name)
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, OverflowError, MemoryError) as error:
        raise ImageToolError(
            "invalid_image", f"The {name} cannot be read as PNG, JPEG, WebP or GIF."
        ) from error
    except Image.DecompressionBombError as error:
        raise ImageToolError("invalid_image", f"The {name} has more than {MOST_PIXELS} pixels.") from error


def _decoded(data: bytes, name: str) -> Image.Image:
    with Image.open(BytesIO(data), formats=FORMATS) as source:
        if source.width * source.height > MOST_PIXELS:
            raise ImageToolError("invalid_image", f"The {name} has more than {MOST_PIXELS} pixels.")
        source.draft("RGB", (WORKING_EDGE, WORKING_EDGE))
        source.load()
        has_alpha = source.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in source.info
        outline = subject_note.read(source.info.get(subject_note.KEY), source.size)
        upright = ImageOps.exif_transpose(source).convert("RGBA" if has_alpha else "RGB")
        upright.info.clear()
    if max(upright.size) > WORKING_EDGE:
        upright.thumbnail((WORKING_EDGE, WORKING_EDGE), Image.Resampling.LANCZOS)
    if outline is not None and outline.size != upright.size:
        outline = outline.resize(upright.size, Image.Resampling.BILINEAR)
    return subject_note.attach(upright, outline)


def mask_for(data: bytes, size: tuple[int, int]) -> Image.Image:
    """Return what a mask lets an edit change, white where it may, at the picture's size.

    Raises:
        ImageToolError: it has no alpha channel, or cannot be read.
    """
    mask = opened(data, "mask")
    if mask.mode != "RGBA":
        raise ImageToolError(
            "invalid_image", "The mask needs an alpha channel; alpha 0 marks what may change."
        )
    editable = curve(mask.getchannel("A"), lambda value: 255 - value)
    return editable if editable.size == size else editable.resize(size, Image.Resampling.BILINEAR)
