"""Pictures as people have them: of cameras, printers and scanners, made here and deterministic."""

from __future__ import annotations

import io
import struct
from functools import cache
from typing import Any, cast

import numpy as np
from PIL import Image, ImageCms

MOVIE = b"\x00\x00\x00\x18ftypmp42" + bytes(4096)
"""What a motion photo has behind its picture."""

_P3 = {
    b"rXYZ": (0.51512, 0.24120, -0.00105),
    b"gXYZ": (0.29198, 0.69225, 0.04189),
    b"bXYZ": (0.15710, 0.06657, 0.78407),
}


def encoded(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


@cache
def display_p3() -> bytes:
    """A colour profile with the primaries of phones, made out of that of sRGB."""
    srgb = cast(Any, ImageCms).createProfile("sRGB")
    data = bytearray(ImageCms.ImageCmsProfile(srgb).tobytes())
    (count,) = struct.unpack(">I", data[128:132])
    for number in range(count):
        name, at, size = struct.unpack(">4sII", data[132 + 12 * number : 144 + 12 * number])
        if name in _P3:
            data[at + 8 : at + 20] = struct.pack(">3i", *(round(part * 65536) for part in _P3[name]))
        if name == b"desc":
            data[at : at + size] = bytes(data[at : at + size]).replace(
                "sRGB".encode("utf-16-be"), "DiP3".encode("utf-16-be")
            )
    return bytes(data)


def heights(low: int, high: int, size: tuple[int, int] = (256, 64)) -> bytes:
    """A height map of 16 bits that rises from left to right."""
    row = np.linspace(low, high, size[0]).astype(np.uint16)
    return encoded(Image.fromarray(np.tile(row, (size[1], 1))))


def moving(*colours: str, kind: str = "GIF", size: tuple[int, int] = (64, 48), duration: int = 100) -> bytes:
    """An animation of one colour after the other."""
    frames = [Image.new("RGB", size, colour) for colour in colours]
    options = {"lossless": True} if kind == "WEBP" else {}
    return encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=duration, **options)


def turned(picture: Image.Image, turn: int = 6, kind: str = "JPEG") -> bytes:
    """A picture that its camera asks to be turned."""
    exif = Image.Exif()
    exif[0x0112] = turn
    return encoded(picture, kind, exif=exif)
