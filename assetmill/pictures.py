"""Whether a picture's bytes are whole, and what they are: stricter than the decoder.

Pillow loads a PNG with 100 of its 256 rows and accepts a page of HTML after its end (both measured), so the
container format is walked first and the pixels are decoded after.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, cast

from assetmill.errors import AssetmillError

MOST_PIXELS = 64_000_000
"""Of one frame. A photo of 48 megapixels is taken; above this nothing is decoded: an 81 Mpx bomb of 236 KB
took 309 MiB and 2.9 s."""

MEDIA_TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp", "GIF": "image/gif"}
EXTENSIONS = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp", "image/gif": "gif"}

_PNG = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_SIMPLE = frozenset(bytes((depth, colour, 0, 0, 0)) for depth in (8, 16) for colour in (0, 2, 4, 6))
"""Depth, colour, compression, filters and interlace of pictures without a palette, row after row."""
_FILTERS = bytes(range(5))
PIECE_BYTES, _STEP_BYTES = 1 << 14, 1 << 17
"""At once, of what is unpacked, whose rest is copied after each step, and of what comes out of it."""
# Adam7: first column, first row, column step, row step of each pass.
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


class _Inflater(Protocol):
    @property
    def unconsumed_tail(self) -> bytes: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes | memoryview, max_length: int, /) -> bytes: ...


class _Unpacking(Protocol):
    error: type[Exception]

    def decompressobj(self) -> _Inflater: ...
    def crc32(self, data: bytes | memoryview, value: int = ..., /) -> int: ...


def unpacking() -> _Unpacking:
    """Return what unpacks: zlib-ng, which takes a third of the time, or where there is none for it zlib."""
    try:
        from zlib_ng import zlib_ng
    except ImportError:
        return cast(_Unpacking, zlib)
    return cast(_Unpacking, zlib_ng)


class _PixelRows:
    """Pixels as they are unpacked: counted, and each row's filter looked at; nothing is kept."""

    def __init__(self, expected: int, row_bytes: int) -> None:
        self.size, self._expected, self._row = 0, expected, row_bytes
        library = unpacking()
        self._inflate, self._error = library.decompressobj(), library.error
        self.has_filters = True

    def unpack(self, body: memoryview) -> None:
        """Unpack a chunk, in steps, and stop at more than there is room for.

        Raises:
            PictureDamaged: it cannot be unpacked, or is too much.
        """
        # In pieces: what is left of a piece is copied after each step.
        for start in range(0, len(body), PIECE_BYTES):
            self._unpack(body[start : start + PIECE_BYTES])

    def _unpack(self, body: bytes | memoryview) -> None:
        while body:
            try:
                raw = self._inflate.decompress(body, _STEP_BYTES)
            except self._error as error:
                raise PictureDamaged(f"the PNG's pixels cannot be unpacked: {error}") from error
            filters = raw[-self.size % self._row :: self._row] if self._row else raw
            self.has_filters &= not filters.translate(None, _FILTERS)
            self.size += len(raw)
            if self.size > self._expected:
                raise PictureDamaged("the PNG has more pixels than its header says")
            body = self._inflate.unconsumed_tail


class PictureDamaged(AssetmillError):
    """The bytes are not one whole picture of a known format."""


@dataclass(frozen=True)
class PictureFacts:
    """What the bytes are, whatever their name claims. Sizes in pixels."""

    format: str
    media_type: str
    width: int
    height: int
    has_alpha: bool


def examine(data: bytes, most_pixels: int = MOST_PIXELS) -> PictureFacts:
    """Decode a picture completely and say what it is.

    Raises:
        PictureDamaged: truncated, trailing bytes, a wrong checksum, too many pixels, or an unknown format.
    """
    kind = sniff(data)
    if kind is None:
        raise PictureDamaged("not a PNG, JPEG, WebP or GIF")
    is_whole = _check_frame(kind, data, most_pixels)
    return _decode(kind, data, most_pixels, is_whole=is_whole)


def sniff(data: bytes) -> str | None:
    """Return the format that the first bytes announce, None when they announce none of ours."""
    if data.startswith(_PNG):
        return "PNG"
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    return "GIF" if data[:6] in {b"GIF87a", b"GIF89a"} else None


def _check_frame(kind: str, data: bytes, most_pixels: int) -> bool:
    """Check what encloses the pixels; True when the pixels were checked with it."""
    if kind == "PNG":
        return check_png(data, most_pixels)
    if kind == "JPEG" and not data.endswith(b"\xff\xd9"):
        raise PictureDamaged("the JPEG does not end with its end marker")
    elif kind == "WEBP" and int.from_bytes(data[4:8], "little") + 8 != len(data):
        raise PictureDamaged("the WebP is not as long as it says")
    elif kind == "GIF" and not data.endswith(b";"):
        raise PictureDamaged("the GIF does not end with its trailer")
    return False


def _decode(kind: str, data: bytes, most_pixels: int, *, is_whole: bool) -> PictureFacts:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=[kind]) as picture:
            width, height = picture.size
            if width * height > most_pixels:
                raise PictureDamaged(f"{width}x{height} has more than {most_pixels} pixels")
            if not is_whole:
                picture.load()
            has_alpha = picture.mode in {"RGBA", "LA", "PA"} or "transparency" in picture.info
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise PictureDamaged(f"the {kind} cannot be decoded: {error}") from error
    return PictureFacts(kind, MEDIA_TYPES[kind], width, height, has_alpha)


def check_png(data: bytes, most_pixels: int) -> bool:
    """Check a PNG's chunks and unpack its pixels without keeping them.

    True when a decoder could find nothing else wrong with its pixels, so that they need not be decoded
    as well: so it is for what today's services draw, not for interlaced pictures and those with a palette.

    Raises:
        PictureDamaged: see `examine`.
    """
    chunks = _png_chunks(memoryview(data))
    name, body = next(chunks)
    header = bytes(body)
    if name != b"IHDR" or len(header) != 13:
        raise PictureDamaged("the PNG has no header")
    width, height, depth, colour, _, _, interlace = struct.unpack(">IIBBBBB", header)
    if width * height > most_pixels:
        raise PictureDamaged(f"{width}x{height} has more than {most_pixels} pixels")
    if colour not in _CHANNELS or interlace > 1:
        raise PictureDamaged("the PNG's header makes no sense")
    expected = _raster_bytes(width, height, depth * _CHANNELS[colour], interlaced=interlace == 1)
    rows = _PixelRows(expected, expected // height if height else 0)
    names: list[bytes] = []
    for name, body in chunks:
        names.append(name)
        if name == b"IDAT":
            rows.unpack(body)
    if rows.size != expected:
        raise PictureDamaged(f"the PNG has {rows.size} of {expected} bytes of pixels")
    # Pillow reads what stands before the pixels when it opens a picture, and the rest when it decodes them.
    is_simple = header[8:] in _SIMPLE and b"IDAT" in names
    after = set(names[names.index(b"IDAT") :]) if is_simple else set(names)
    return is_simple and after == {b"IDAT", b"IEND"} and rows.has_filters


def _png_chunks(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    at, name, crc32 = len(_PNG), b"", unpacking().crc32
    while name != b"IEND":
        head = bytes(data[at : at + 8])
        if len(head) < 8:
            raise PictureDamaged("the PNG is cut short")
        length, name = int.from_bytes(head[:4], "big"), head[4:]
        body, crc = data[at + 8 : at + 8 + length], data[at + 8 + length : at + 12 + length]
        if len(body) < length or int.from_bytes(crc, "big") != crc32(body, crc32(name)):
            raise PictureDamaged(f"the PNG's chunk {name!r} is damaged")
        at += 12 + length
        yield name, body
    if at != len(data):
        raise PictureDamaged(f"{len(data) - at} bytes follow the PNG's end")


def _raster_bytes(width: int, height: int, bits: int, *, interlaced: bool) -> int:
    if not interlaced:
        return height * (1 + (width * bits + 7) // 8)
    size = 0
    for column, row, step_x, step_y in _PASSES:
        columns = max(0, -(-(width - column) // step_x))
        rows = max(0, -(-(height - row) // step_y))
        size += rows * (1 + (columns * bits + 7) // 8) if columns else 0
    return size
