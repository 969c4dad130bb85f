"""No damaged, cut or padded picture passes; every whole one does."""

from __future__ import annotations

import io
import random
import struct
import zlib

import pytest
from PIL import Image

from assetmill.pictures import MOST_PIXELS, PictureDamaged, examine, sniff

FORMATS = ("PNG", "JPEG", "WEBP", "GIF")


def picture(kind: str, mode: str = "RGB", size: tuple[int, int] = (40, 30), **options: object) -> bytes:
    """Noise, so that every byte of the file matters."""
    channels = len(Image.new(mode, (1, 1)).getbands())
    noise = random.Random(3).randbytes(size[0] * size[1] * channels)
    buffer = io.BytesIO()
    Image.frombytes(mode, size, noise).save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", FORMATS)
def test_a_whole_picture_says_what_it_is(kind: str) -> None:
    facts = examine(picture(kind))
    assert (facts.format, facts.width, facts.height, facts.has_alpha) == (kind, 40, 30, False)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_seen(mode: str) -> None:
    assert examine(picture("PNG", mode)).has_alpha


@pytest.mark.parametrize("mode", ["1", "L", "P", "I;16", "RGB"])
def test_every_png_depth_is_measured_right(mode: str) -> None:
    buffer = io.BytesIO()
    Image.new(mode, (33, 17)).save(buffer, "PNG")
    assert examine(buffer.getvalue()).width == 33


def adam7(width: int, height: int) -> bytes:
    """Pillow writes no interlaced PNG, so this one is put together by hand: grey, all zero."""
    rows = b""
    for x0, y0, dx, dy in (
        (0, 0, 8, 8),
        (4, 0, 8, 8),
        (0, 4, 4, 8),
        (2, 0, 4, 4),
        (0, 2, 2, 4),
        (1, 0, 2, 2),
        (0, 1, 1, 2),
    ):
        columns, lines = len(range(x0, width, dx)), len(range(y0, height, dy))
        rows += b"\0" * ((columns + 1) * lines if columns else 0)
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 1)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    body = b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (8, 8), (33, 17)])
def test_an_interlaced_png_is_measured_right(size: tuple[int, int]) -> None:
    assert (examine(adam7(*size)).width, examine(adam7(*size)).height) == size


@pytest.mark.parametrize("kind", FORMATS)
def test_no_truncation_passes(kind: str) -> None:
    data = picture(kind)
    for length in range(len(data)):
        with pytest.raises(PictureDamaged):
            examine(data[:length])


def test_no_flipped_bit_of_a_png_passes() -> None:
    data = picture("PNG")
    rng = random.Random(5)
    for _ in range(2000):
        at = rng.randrange(len(data))
        damaged = bytearray(data)
        damaged[at] ^= 1 << rng.randrange(8)
        with pytest.raises(PictureDamaged):
            examine(bytes(damaged))


@pytest.mark.parametrize("kind", FORMATS)
def test_a_page_behind_the_picture_is_refused(kind: str) -> None:
    with pytest.raises(PictureDamaged):
        examine(picture(kind) + b"<script>alert(1)</script>")


def test_a_png_with_fewer_rows_than_it_says_is_refused() -> None:
    """Pillow loads such a file without a word."""
    whole = adam7(8, 8)
    header = struct.pack(">IIBBBBB", 8, 200, 8, 0, 0, 0, 0)
    start = whole.index(b"IHDR")
    changed = whole[:start] + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    with pytest.raises(PictureDamaged, match="of 1800 bytes of pixels"):
        examine(changed + whole[start + 4 + 13 + 4 :])


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    header = struct.pack(">IIBBBBB", 65_000, 65_000, 8, 0, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    with pytest.raises(PictureDamaged, match=f"more than {MOST_PIXELS} pixels"):
        examine(b"\x89PNG\r\n\x1a\n" + chunk)


@pytest.mark.parametrize(
    "data", [b"", b"<svg/>", b"%PDF-1.7", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBP", b"BM" + b"\0" * 60]
)
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(PictureDamaged):
        examine(data)


def test_the_first_bytes_name_the_format() -> None:
    assert [sniff(picture(kind)) for kind in FORMATS] == list(FORMATS)
    assert sniff(b"<svg/>") is None
