"""Pictures of people: what every viewer shows is taken, what is damaged or cannot be held is refused."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from foundry_emulator.painter import intake
from PIL import Image

from assetmill.looking import Look
from assetmill.pictures import MOST_PIXELS, PictureDamaged, examine
from assetmill.taking import fault_for_editing, foreign_format, losses, take
from tests.photos import MOVIE, display_p3, encoded, heights, moving, turned

SCENE = Image.radial_gradient("L").resize((160, 120)).convert("RGB")
FORMATS = ("PNG", "JPEG", "WEBP", "GIF")


def level_png(width: int, height: int, *, rows: int | None = None) -> bytes:
    """A large PNG of one bit a pixel, all black, packed without holding its pixels."""
    pack = zlib.compressobj(1)
    row = bytes(1 + (width + 7) // 8)
    body = b"".join(pack.compress(row) for _ in range(height if rows is None else rows)) + pack.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", body), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize(
    "behind", [b"", MOVIE, b"\0" * 513, b"\n"], ids=["nothing", "movie", "padding", "line"]
)
def test_what_lies_behind_the_end_is_left_behind(kind: str, behind: bytes) -> None:
    own = encoded(SCENE, kind)
    taken = take(own + behind)
    assert (taken.data, taken.behind_bytes) == (own, len(behind))
    assert (taken.facts.format, taken.facts.width, taken.facts.height) == (kind, 160, 120)
    if behind:
        with pytest.raises(PictureDamaged):
            examine(own + behind)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_picture_that_is_cut_is_refused_whatever_is_put_behind_it(kind: str) -> None:
    own = encoded(SCENE, kind)
    for length in [*range(0, len(own) - 1, 7), len(own) - 1]:
        # A WebP says how long it is: what fills it up to that cannot be told from its own bytes.
        for behind in (b"",) if kind == "WEBP" else (b"", MOVIE):
            with pytest.raises(PictureDamaged):
                take(own[:length] + behind)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_an_animation_ends_after_its_last_frame(kind: str) -> None:
    own = moving("red", "lime", "blue", kind=kind)
    assert take(own + MOVIE).data == own


def test_a_picture_of_two_lenses_is_its_first() -> None:
    """A phone writes a second JPEG, for depth, behind the first one."""
    first, second = encoded(SCENE, "JPEG"), encoded(SCENE.convert("L"), "JPEG")
    taken = take(first + second)
    assert taken.data == first
    assert Look(taken.data).form.frames == 1


def test_48_megapixels_are_taken_and_edited() -> None:
    taken = take(level_png(8064, 6048))
    assert (taken.facts.width, taken.facts.height) == (8064, 6048)
    assert fault_for_editing(Look(taken.data).form.size) == ""
    # What comes back from an edit is as large, and the embedded service reads it too.
    assert examine(taken.data).width == 8064
    assert intake.MOST_PIXELS >= MOST_PIXELS


def test_200_megapixels_are_taken_and_not_edited() -> None:
    data = level_png(16_320, 12_240)
    assert take(data).facts.width == 16_320
    fault = fault_for_editing(Look(data).form.size)
    assert "it is 16320x12240" in fault
    assert "scale it down" in fault
    with pytest.raises(PictureDamaged, match="bytes of pixels"):
        take(level_png(16_320, 12_240, rows=12_239))


def test_a_large_jpeg_is_examined_to_its_end() -> None:
    data = encoded(Image.new("L", (16_000, 4100)), "JPEG")
    assert take(data).facts.width == 16_000
    with pytest.raises(PictureDamaged):
        take(data[: len(data) // 2] + MOVIE)


@pytest.mark.parametrize(
    ("size", "words"),
    [((39_999_999, 1), "longer than 65535"), ((20_000, 20_000), "more than 250000000 pixels: scale it")],
)
def test_what_cannot_be_held_is_refused_before_it_is_decoded(size: tuple[int, int], words: str) -> None:
    with pytest.raises(PictureDamaged, match=words):
        take(level_png(*size, rows=1))


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (encoded(SCENE, "BMP"), "BMP"),
        (encoded(SCENE, "TIFF"), "TIFF"),
        (encoded(SCENE, "ICO"), "ICO"),
        (encoded(SCENE, "AVIF"), "AVIF"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
    ],
    ids=["bmp", "tiff", "ico", "avif", "heic", "svg"],
)
def test_other_formats_are_named_with_the_way_out(head: bytes, name: str) -> None:
    assert name in foreign_format(head[:256])
    with pytest.raises(PictureDamaged, match="convert it to PNG or JPEG"):
        take(head)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (encoded(SCENE), ""),
        (turned(SCENE), ""),
        (encoded(SCENE.convert("RGBA")), ""),
        (encoded(SCENE.convert("P"), "GIF"), ""),
        (moving("red", "lime", "blue"), "of 3 frames the first alone"),
        (heights(0, 1000), "16 bits a channel become 8"),
        (encoded(SCENE.convert("CMYK"), "JPEG"), "CMYK becomes RGB"),
        (encoded(SCENE, icc_profile=display_p3()), "profile 'DiP3 built-in'"),
    ],
    ids=["plain", "turned", "alpha", "palette", "frames", "depth", "cmyk", "profile"],
)
def test_what_a_conversion_loses_is_said(data: bytes, words: str) -> None:
    found = losses(Look(take(data).data).form)
    assert len(found) == bool(words)
    assert words in "".join(found)


def test_a_camera_with_a_thumbnail_ends_with_its_picture() -> None:
    """The thumbnail in the header is a whole JPEG with an end marker of its own."""
    thumbnail = encoded(SCENE.resize((32, 24)), "JPEG")
    own = encoded(SCENE, "JPEG")
    segment = b"\xff\xe1" + (len(thumbnail) + 8).to_bytes(2, "big") + b"Exif\0\0" + thumbnail
    assert take(own[:2] + segment + own[2:] + MOVIE).behind_bytes == len(MOVIE)
    with Image.open(io.BytesIO(own)) as picture:
        assert picture.size == (160, 120)


def test_a_pointer_of_git_lfs_is_named() -> None:
    with pytest.raises(PictureDamaged, match="`git lfs pull` brings the picture"):
        take(b"version https://git-lfs.github.com/spec/v1\noid sha256:0")
