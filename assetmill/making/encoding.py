"""A picture as the bytes of a file: the same bytes every time, and no more of them than may be."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from assetmill.errors import CannotMake
from assetmill.looking import from_srgb
from assetmill.spec.file_kinds import FORMATS
from assetmill.spec.making import MakeSpec

if TYPE_CHECKING:
    from PIL import Image

_WRITERS = {"image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WEBP", "image/avif": "AVIF"}
_QUALITY = {"image/jpeg": 85, "image/webp": 85, "image/avif": 70}
_LOWEST, _HIGHEST = 10, 95
"""Between which qualities `max_bytes` chooses: below it breaks a picture, above it swells."""


def media_type_of(name: str) -> str:
    """Return the media type of what a picture is saved as."""
    return FORMATS[name.rpartition(".")[2].lower()]


def encode(picture: Image.Image, spec: MakeSpec, profile: bytes | None = None) -> bytes:
    """Return a picture in the format of its name, its colours in `profile` where there is one.

    Raises:
        CannotMake: it cannot be made as small as it must be, or the profile cannot be used.
    """
    name = str(spec.save)
    media_type = media_type_of(name)
    ready = _ready(picture, media_type, spec)
    if profile is not None:
        ready = _in_profile(ready, profile, str(spec.profile))
    save = partial(_saved, ready, media_type, icc_profile=profile)
    if spec.lossless:
        return save(lossless=True)
    if spec.max_bytes is None:
        return save(quality=spec.quality or _QUALITY.get(media_type))
    if media_type == "image/png":
        return _small_png(save, spec.max_bytes, name)
    return _within(
        lambda quality: save(quality=quality),
        spec.max_bytes,
        name,
        highest=spec.quality or _HIGHEST,
    )


def _ready(picture: Image.Image, media_type: str, spec: MakeSpec) -> Image.Image:
    """Return a picture in a mode that its format takes."""
    from PIL import Image

    if media_type == "image/jpeg" and picture.mode == "RGBA":
        if picture.getchannel("A").getextrema()[0] != 255:
            raise CannotMake(
                f"{spec.save} has no transparency, and the picture has: save .png or .webp, "
                "or give a background"
            )
        picture = picture.convert("RGB")
    if spec.palette:
        # Fast octree alone knows alpha; the median cut is better where there is none.
        method = Image.Quantize.FASTOCTREE if picture.mode == "RGBA" else Image.Quantize.MEDIANCUT
        return picture.quantize(spec.palette, method=method, dither=Image.Dither.FLOYDSTEINBERG)
    return picture


def _within(write: Callable[[int], bytes], most: int, name: str, *, highest: int) -> bytes:
    """Return what the highest quality gives that stays within `most` bytes."""
    best, low, high = b"", _LOWEST, highest
    while low <= high:
        quality = (low + high) // 2
        made = write(quality)
        if len(made) <= most:
            best, low = made, quality + 1
        else:
            high = quality - 1
    if not best:
        least = len(write(min(_LOWEST, highest)))
        raise CannotMake(
            f"{name} has {least:,} bytes at its lowest quality, more than max_bytes, {most:,}: "
            "make it smaller, or allow more"
        )
    return best


def _in_profile(picture: Image.Image, profile: bytes, name: str) -> Image.Image:
    try:
        return from_srgb(picture, profile)
    except ValueError as error:
        raise CannotMake(f"{name}: {error}: give a colour profile (.icc) of RGB") from error


def _small_png(save: Callable[..., bytes], most: int, name: str) -> bytes:
    made = save()
    if len(made) > most:
        made = save(optimize=True)
    if len(made) > most:
        raise CannotMake(
            f"{name} has {len(made):,} bytes, more than max_bytes, {most:,}: PNG has no quality to lower; "
            "give a palette, save .webp or .jpg, make it smaller, or allow more"
        )
    return made


def _saved(picture: Image.Image, media_type: str, **options: Any) -> bytes:
    out = io.BytesIO()
    given = {key: value for key, value in options.items() if value is not None}
    try:
        picture.save(out, _WRITERS[media_type], **given)
    except (OSError, ValueError, KeyError) as error:
        raise CannotMake(f"the {_WRITERS[media_type]} cannot be written: {error}") from error
    return out.getvalue()
