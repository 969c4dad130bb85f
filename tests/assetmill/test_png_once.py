"""A PNG that is unpacked once passes exactly when one that is decoded as well does."""

from __future__ import annotations

import io
import random
import struct
import sys
import zlib
from collections.abc import Callable, Iterator

import pytest
from PIL import Image

from assetmill import pictures
from assetmill.pictures import MOST_PIXELS, PictureDamaged, check_png, examine

SIZE = (23, 17)
MODES = ("RGB", "RGBA", "L", "LA", "I;16", "P", "1")


def made(mode: str) -> bytes:
    buffer = io.BytesIO()
    noise = random.Random(5).randbytes(SIZE[0] * SIZE[1] * 4)
    channels = {"LA": 2, "RGB": 3, "RGBA": 4, "I;16": 2, "1": 1}.get(mode, 1)
    Image.frombytes(mode, SIZE, noise[: SIZE[0] * SIZE[1] * channels]).save(buffer, "PNG")
    return buffer.getvalue()


def chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    found, at = list[tuple[bytes, bytes]](), 8
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        found.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    return found


def joined(parts: list[tuple[bytes, bytes]]) -> bytes:
    """Put chunks together with the checksums that they should have."""
    written = (
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(written)


def with_chunk(data: bytes, name: bytes, body: bytes) -> bytes:
    return joined([(n, body if n == name else b) for n, b in chunks(data)])


def headers(data: bytes) -> Iterator[bytes]:
    header = chunks(data)[0][1]
    for place in range(len(header)):
        for value in range(256):
            yield with_chunk(data, b"IHDR", header[:place] + bytes([value]) + header[place + 1 :])


def bodies(data: bytes) -> Iterator[bytes]:
    """Damage the packed pixels, and the unpacked ones."""
    chance, packed = random.Random(7), dict(chunks(data))[b"IDAT"]
    for _ in range(400):
        place = chance.randrange(len(packed))
        changed = packed[:place] + bytes([chance.randrange(256)]) + packed[place + 1 :]
        yield with_chunk(data, b"IDAT", changed)
        yield with_chunk(data, b"IDAT", packed[:place])
    rows = zlib.decompress(packed)
    for place in range(0, len(rows), 3):
        for value in (4, 5, 255):
            changed = rows[:place] + bytes([value]) + rows[place + 1 :]
            yield with_chunk(data, b"IDAT", zlib.compress(changed))


def orders(data: bytes) -> Iterator[bytes]:
    """Leave chunks out, double them, move them, and put others between."""
    parts = chunks(data)
    texts = [
        (b"tEXt", b"Comment\0x"),
        (b"zTXt", b"a\0\0broken"),
        (b"acTL", struct.pack(">II", 1, 0)),
        (b"fdAT", b""),
    ]
    extra = [
        *parts,
        *texts,
        (b"PLTE", b"\0\0\0"),
        (b"tRNS", b"\0\0"),
        (b"iCCP", b"x\0\0broken"),
        (b"gAMA", b""),
    ]
    for place in range(len(parts)):
        yield joined(parts[:place] + parts[place + 1 :])
        for other in extra:
            yield joined([*parts[:place], other, *parts[place:]])
    packed = dict(parts)[b"IDAT"]
    halves = [(b"IDAT", packed[:40]), (b"IDAT", packed[40:])]
    yield joined([parts[0], *halves, parts[-1]])
    yield joined([parts[0], halves[0], (b"tEXt", b"a\0b"), halves[1], parts[-1]])
    yield joined([parts[0], (b"IDAT", packed + b"more"), parts[-1]])


def verdict(data: bytes) -> object:
    try:
        return examine(data)
    except PictureDamaged:
        return "damaged"


@pytest.mark.parametrize("damage", [headers, bodies, orders])
@pytest.mark.parametrize("mode", MODES)
def test_it_passes_exactly_when_the_decoder_lets_it(
    mode: str, damage: Callable[[bytes], Iterator[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = list(damage(made(mode)))
    once = [verdict(data) for data in damaged]

    def also_decoded(data: bytes, most_pixels: int) -> bool:
        check_png(data, most_pixels)
        return False

    monkeypatch.setattr(pictures, "check_png", also_decoded)
    assert once == [verdict(data) for data in damaged]


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "I;16"])
def test_what_services_draw_is_not_decoded(mode: str) -> None:
    assert check_png(made(mode), MOST_PIXELS)


@pytest.mark.parametrize("mode", ["P", "1"])
def test_a_palette_and_single_bits_are_left_to_the_decoder(mode: str) -> None:
    assert not check_png(made(mode), MOST_PIXELS)


@pytest.mark.parametrize("damage", [bodies, orders])
def test_without_zlib_ng_the_same_passes(
    damage: Callable[[bytes], Iterator[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = list(damage(made("RGB")))
    once = [verdict(data) for data in damaged]
    monkeypatch.setitem(sys.modules, "zlib_ng", None)
    assert once == [verdict(data) for data in damaged]


def test_a_chunk_of_many_pieces_is_unpacked_whole() -> None:
    large = io.BytesIO()
    size = (200, 150)
    Image.frombytes("RGB", size, random.Random(3).randbytes(size[0] * size[1] * 3)).save(large, "PNG")
    parts = chunks(large.getvalue())
    packed = b"".join(body for name, body in parts if name == b"IDAT")
    assert len(packed) > 4 * pictures.PIECE_BYTES
    whole = joined([parts[0], (b"IDAT", packed), parts[-1]])
    assert check_png(whole, MOST_PIXELS)
    for cut in range(100, len(packed), len(packed) // 20):
        with pytest.raises(PictureDamaged):
            check_png(joined([parts[0], (b"IDAT", packed[:-cut]), parts[-1]]), MOST_PIXELS)


class HandsOn:
    """Unpacks, and notes how much it is handed at once."""

    error = zlib.error
    crc32 = staticmethod(zlib.crc32)

    def __init__(self) -> None:
        self.handed: list[int] = []

    def decompressobj(self) -> HandsOn:
        self._inflate = zlib.decompressobj()
        return self

    def decompress(self, data: bytes | memoryview, most: int, /) -> bytes:
        self.handed.append(len(data))
        return self._inflate.decompress(data, most)

    @property
    def unconsumed_tail(self) -> bytes:
        return self._inflate.unconsumed_tail


def test_what_is_copied_of_a_large_chunk_does_not_grow_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left of what is handed over is copied after each step: of a whole chunk, again and again."""
    plain = io.BytesIO()
    Image.new("RGB", (2000, 2000)).save(plain, "PNG", compress_level=0)
    hands = HandsOn()
    monkeypatch.setattr(pictures, "unpacking", lambda: hands)
    packed = b"".join(body for name, body in chunks(plain.getvalue()) if name == b"IDAT")
    parts = chunks(plain.getvalue())
    assert check_png(joined([parts[0], (b"IDAT", packed), parts[-1]]), MOST_PIXELS)
    assert sum(hands.handed) < 2 * len(packed)
