"""Pictures of people: taken as every viewer takes them, or refused with the reason and the way out.

Cameras write a movie behind the picture, and more pixels than any model draws. What the service sends is held
to the strict standard of `pictures.examine` all the same; it is not what is taken here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from assetmill.looking import Form, Look, opened
from assetmill.pictures import MOST_PIXELS, PictureDamaged, PictureFacts, check_png, examine, sniff

MOST_STORED_PIXELS = 250_000_000
"""The largest phones take 200 megapixels; what is larger is a bomb, or a map for other tools."""

MOST_EDITED_PIXELS = 50_000_000
"""An edit holds some copies of the picture: at 48 megapixels that is about 2 GB."""

LONGEST_STORED, LONGEST_EDITED = 65_535, 30_000

LFS_POINTER = "a pointer of git-lfs"
_LFS = b"version https://git-lfs"
_HEIF = {b"heic": "HEIC", b"heix": "HEIC", b"hevc": "HEIC", b"mif1": "HEIC", b"msf1": "HEIC",
         b"avif": "AVIF", b"avis": "AVIF"}  # fmt: skip
_FOREIGN = (
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"8BPS", "PSD"),
    (b"\0\0\1\0", "ICO"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
)


class Taken(NamedTuple):
    """A picture that is taken: its own bytes without what lies behind its end, and what it is."""

    data: bytes
    facts: PictureFacts
    behind_bytes: int


def take(data: bytes) -> Taken:
    """Examine a person's picture completely.

    Raises:
        PictureDamaged: it is cut short, damaged, of no format that is taken, or too large to be held.
    """
    own = picture_part(data)
    form = _form(own)
    if max(form.size) > LONGEST_STORED:
        raise PictureDamaged(
            f"{form.width}x{form.height} is longer than {LONGEST_STORED} pixels: cut it into several"
        )
    if form.width * form.height > MOST_STORED_PIXELS:
        raise PictureDamaged(
            f"{form.width}x{form.height} has more than {MOST_STORED_PIXELS} pixels: scale it down first"
        )
    facts = examine(own) if form.width * form.height <= MOST_PIXELS else _large(own, form)
    return Taken(own, facts, len(data) - len(own))


def picture_part(data: bytes) -> bytes:
    """Return the bytes of the picture itself, without what lies behind its end; nothing is decoded.

    Raises:
        PictureDamaged: it ends before its end, or is of no format that is taken.
    """
    kind = sniff(data)
    if kind is None:
        foreign = foreign_format(data[:256])
        raise PictureDamaged(way_out(foreign) if foreign else "not a PNG, JPEG, WebP or GIF")
    try:
        end = _ENDS[kind](data)
    except IndexError:
        end = len(data) + 1
    if end > len(data):
        raise PictureDamaged(f"the {kind} is cut short")
    return data if end == len(data) else data[:end]


def fault_of_picture(data: bytes) -> str:
    """Say what is wrong with a picture as far as its structure tells; "" when nothing is."""
    try:
        picture_part(data)
    except PictureDamaged as error:
        return str(error)
    return ""


def form_of(data: bytes) -> Form | None:
    """Return how a picture says that it is to be shown; None for what is none. Nothing is decoded."""
    try:
        return _form(picture_part(data))
    except PictureDamaged:
        return None


def lost_on_the_way(data: bytes) -> tuple[str, ...]:
    """Say what of a picture no model sees that draws 8 bits, of one frame, in RGB; nothing is decoded.

    Profiles are left out: most photos have one, and all services know them.
    """
    if _is_plain_png(data):
        return ()
    form = form_of(data)
    return losses(replace(form, profile="")) if form else ()


def _is_plain_png(data: bytes) -> bool:
    """Whether a PNG's head shows 8 bits and one frame: for most inputs Pillow is then not even imported."""
    if not data.startswith(b"\x89PNG\r\n\x1a\n") or data[24:25] > b"\x08":
        return False
    return b"acTL" not in data[: max(0, data.find(b"IDAT"))]


def foreign_format(head: bytes, media_type: str = "") -> str:
    """Return what a picture of a format that is not taken is called; "" for everything else."""
    if head.startswith(_LFS):
        return LFS_POINTER
    if media_type == "image/svg+xml" or b"<svg" in head:
        return "SVG"
    if head[4:8] == b"ftyp":
        return _HEIF.get(head[8:12], "")
    return next((name for start, name in _FOREIGN if head.startswith(start)), "")


def way_out(foreign: str) -> str:
    """Say what to do with a picture of a format that is not taken."""
    if foreign == LFS_POINTER:
        return f"it is {foreign}: `git lfs pull` brings the picture"
    return f"it is {foreign}, which is not taken: convert it to PNG or JPEG first"


def fault_for_editing(size: tuple[int, int]) -> str:
    """Say why a picture is too large to be worked on, and what to do; "" when it is not."""
    width, height = size
    if width * height <= MOST_EDITED_PIXELS and max(size) <= LONGEST_EDITED:
        return ""
    most = f"{MOST_EDITED_PIXELS // 1_000_000} megapixels and {LONGEST_EDITED} pixels a side"
    return f"it is {width}x{height}, and at most {most} can be edited: scale it down or cut it first"


def losses(form: Form) -> tuple[str, ...]:
    """Say what of a picture gets lost when it becomes one frame of 8 bits in sRGB."""
    found: list[str] = []
    if form.frames > 1:
        found.append(f"of {form.frames} frames the first alone is left")
    if form.depth_bits > 8:
        found.append(f"{form.depth_bits} bits a channel become 8")
    if form.is_cmyk:
        found.append("CMYK becomes RGB")
    if form.profile:
        found.append(f"the colours of its profile {form.profile!r} become those of sRGB")
    return tuple(found)


def _form(data: bytes) -> Form:
    try:
        return Look(data).form
    except (OSError, SyntaxError, ValueError) as error:
        raise PictureDamaged(str(error)) from error


def _large(data: bytes, form: Form) -> PictureFacts:
    """Examine what is too large to be decoded at once: a JPEG at an eighth, a PNG piece by piece."""
    kind = sniff(data)
    if kind == "PNG":
        check_png(data, MOST_STORED_PIXELS)
    elif kind == "JPEG":
        try:
            with opened(data) as picture:
                picture.draft("RGB", (form.width // 8, form.height // 8))
                picture.load()
        except (OSError, SyntaxError, ValueError) as error:
            raise PictureDamaged(f"the JPEG cannot be decoded: {error}") from error
    else:
        raise PictureDamaged(
            f"{form.width}x{form.height} has more than {MOST_PIXELS} pixels, too many for a {kind}: "
            "save it as JPEG or PNG, or scale it down"
        )
    return PictureFacts(kind, f"image/{kind.lower()}", form.width, form.height, form.has_alpha)


def _png_end(data: bytes) -> int:
    at, name = 8, b""
    while name != b"IEND":
        length, name = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if len(name) < 4:
            return len(data) + 1
        at += 12 + length
    return at


def _jpeg_end(data: bytes) -> int:
    at = 2
    while (at := data.find(b"\xff", at)) >= 0:
        marker = data[at + 1]
        if marker == 0xD9:
            return at + 2
        if marker == 0xFF:
            at += 1
        elif marker <= 0x01 or 0xD0 <= marker <= 0xD8:
            at += 2
        else:
            at += 2 + max(2, int.from_bytes(data[at + 2 : at + 4], "big"))
    return len(data) + 1


def _webp_end(data: bytes) -> int:
    return int.from_bytes(data[4:8], "little") + 8


def _gif_end(data: bytes) -> int:
    at = 13 + _colours(data[10])
    while (kind := data[at]) != 0x3B:
        if kind == 0x2C:
            at += 11 + _colours(data[at + 9])
        elif kind == 0x21:
            at += 2
        else:
            return len(data) + 1
        while size := data[at]:
            at += 1 + size
        at += 1
    return at + 1


def _colours(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


_ENDS: dict[str, Callable[[bytes], int]] = {
    "PNG": _png_end,
    "JPEG": _jpeg_end,
    "WEBP": _webp_end,
    "GIF": _gif_end,
}
