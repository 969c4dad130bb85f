"""The one way to look at a picture: upright, in sRGB, every frame, at its full depth, over light and dark.

Whoever judges a picture looks at it through here, so that two of them never see two pictures: a viewer turns
a photo, follows its profile, plays all of it, and lays what is transparent on whatever lies under it.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from assetmill.pictures import MOST_PIXELS, sniff

if TYPE_CHECKING:
    from PIL import Image

LIGHT, DARK = "white", "black"

Levels = tuple[int, int]
"""The darkest and the brightest of 65536 steps, where a picture has that many."""

_MOST_DECODED = 400_000_000
"""Pixels of all frames together: of a longer animation frames are left out, evenly."""

_NARROWEST = 256
"""Levels are spread no further than this: noise of one step in 65536 is not a picture."""

_ORIENTATION = 0x0112
_ALPHA = frozenset({"RGBA", "LA", "PA", "RGBa", "La"})


class SeenFrame(NamedTuple):
    """One frame as RGBA in sRGB, with how long it is shown; 0 for a picture that does not move."""

    picture: Image.Image
    duration_ms: int


@dataclass(frozen=True)
class Form:
    """What a file says about how it is to be shown. Sizes are upright; `turn` is the camera's, 1 for none."""

    width: int
    height: int
    mode: str
    frames: int = 1
    depth_bits: int = 8
    turn: int = 1
    profile: str = ""
    has_alpha: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.width, self.height

    @property
    def is_plain(self) -> bool:
        """Whether its stored numbers are what is seen: 8 bits, upright, sRGB, one frame, nothing clear."""
        is_odd = self.turn != 1 or bool(self.profile) or self.has_alpha or self.is_cmyk
        return not is_odd and (self.frames, self.depth_bits) == (1, 8)

    @property
    def is_cmyk(self) -> bool:
        """Whether it is made for print."""
        return self.mode == "CMYK"


@dataclass(frozen=True)
class Look:
    """A whole picture's bytes, to be looked at. Decoding happens when frames are asked for."""

    data: bytes

    @cached_property
    def form(self) -> Form:
        """How the file is to be shown."""
        with opened(self.data) as picture:
            turn = _turn(picture, self.data)
            width, height = picture.size if turn not in range(5, 9) else picture.size[::-1]
            return Form(
                width,
                height,
                picture.mode,
                frames=int(getattr(picture, "n_frames", 1)),
                depth_bits=_depth_bits(self.data),
                turn=turn if turn in range(2, 9) else 1,
                profile=profile_name(picture.info.get("icc_profile")),
                has_alpha=picture.mode in _ALPHA or "transparency" in picture.info,
            )

    @cached_property
    def levels(self) -> Levels | None:
        """The darkest and brightest step that a grey picture of more than 8 bits uses; None for others."""
        with opened(self.data) as picture:
            if not picture.mode.startswith("I"):
                return None
            low, high = (
                int(value) for value in _deep(picture).getextrema() if isinstance(value, int | float)
            )
        return low, high

    def frames(self, longest: int | None = None, levels: Levels | None = None) -> Iterator[SeenFrame]:
        """Yield the frames, scaled down to `longest` pixels; grey of 16 bits is spread over `levels`.

        Without `levels` it is spread over those that it uses, as a viewer of height maps does.

        Raises:
            ValueError: it has more pixels than can be held.
            OSError, SyntaxError: it is damaged.
        """
        form = self.form
        if form.width * form.height > MOST_PIXELS:
            raise ValueError(f"{form.width}x{form.height} has more than {MOST_PIXELS} pixels")
        shown = _numbers(form.frames, max(1, _MOST_DECODED // (form.width * form.height)))
        spread = levels or self.levels
        with opened(self.data) as picture:
            if longest and form.turn == 1 and not form.is_cmyk:
                picture.draft("RGB", (2 * longest, 2 * longest))
            profile = picture.info.get("icc_profile")
            for number in shown:
                if number:
                    picture.seek(number)
                seen = in_srgb(_reduced(_spread(picture, spread), longest), profile)
                # The file's own pixels go with the next frame, and at the end.
                own = seen.copy() if seen is picture else seen
                own.info.pop("icc_profile", None)
                duration = picture.info.get("duration") if form.frames > 1 else 0
                yield SeenFrame(_turned(own, form.turn), round(float(duration or 0)))

    def first(self, longest: int | None = None) -> Image.Image:
        """Return the first frame."""
        return next(self.frames(longest)).picture


def opened(data: bytes) -> Image.Image:
    """Open a picture of a known format without decoding it.

    Not through Pillow's `Image.open`: what follows a photo in its file is none of its frames, and its limit
    of pixels is below what cameras make.

    Raises:
        ValueError: it is none of the formats, or has no sense.
    """
    from PIL import GifImagePlugin, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

    openers = {
        "PNG": PngImagePlugin.PngImageFile,
        "JPEG": JpegImagePlugin.JpegImageFile,
        "WEBP": WebPImagePlugin.WebPImageFile,
        "GIF": GifImagePlugin.GifImageFile,
    }
    kind = sniff(data)
    if kind is None:
        raise ValueError("not a PNG, JPEG, WebP or GIF")
    try:
        return openers[kind](io.BytesIO(data))
    except (OSError, SyntaxError, IndexError, TypeError) as error:
        raise ValueError(f"the {kind} cannot be opened: {error}") from error


def over(picture: Image.Image, ground: str) -> Image.Image:
    """Return a frame as it looks on a ground of one colour."""
    from PIL import Image

    under = Image.new("RGBA", picture.size, ground)
    under.alpha_composite(picture)
    return under.convert("RGB")


def is_clear(picture: Image.Image) -> bool:
    """Whether anything shows through a frame."""
    low = picture.getchannel("A").getextrema()[0]
    return isinstance(low, int | float) and low < 255


def grounds(picture: Image.Image) -> Iterator[Image.Image]:
    """Yield a frame over light and over dark ground; once where nothing shows through."""
    yield over(picture, LIGHT)
    if is_clear(picture):
        yield over(picture, DARK)


def telling_ground(picture: Image.Image) -> str:
    """Return the ground on which what a frame shows stands out, where there is room for one only."""
    from PIL import ImageStat

    if not is_clear(picture):
        return LIGHT
    shown = picture.getchannel("A").point([0] * 128 + [255] * 128)
    brightness = ImageStat.Stat(picture.convert("L"), mask=shown)
    return DARK if brightness.count[0] and brightness.mean[0] >= 128 else LIGHT


def in_srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    """Return a picture as RGBA in sRGB; a profile that is damaged or of another mode counts as none."""
    if not profile or profile_name(profile) == "":
        return picture if picture.mode == "RGBA" else picture.convert("RGBA")
    alpha = picture.convert("RGBA").getchannel("A") if has_transparency(picture) else None
    seen = (_converted(picture, profile) or picture).convert("RGBA")
    if alpha:
        seen.putalpha(alpha)
    return seen


def from_srgb(picture: Image.Image, profile: bytes) -> Image.Image:
    """Return an RGB or RGBA picture that is in sRGB with the numbers that a profile gives its colours.

    Raises:
        ValueError: the profile is damaged, or not one of RGB.
    """
    from PIL import ImageCms

    try:
        made = ImageCms.profileToProfile(
            picture.convert("RGB"), _srgb(), ImageCms.ImageCmsProfile(io.BytesIO(profile)), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError) as error:
        raise ValueError(f"its colour profile cannot be used: {error}") from error
    if made is None:
        raise ValueError("its colour profile cannot be used")
    if picture.mode == "RGBA":
        made.putalpha(picture.getchannel("A"))
    return made


@cache
def profile_name(profile: bytes | None) -> str:
    """Return what a colour profile calls itself; "" for none, a damaged one, and sRGB, which needs none."""
    from PIL import ImageCms

    if not profile:
        return ""
    try:
        name = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile)))
    except (ImageCms.PyCMSError, OSError):
        return ""
    words = " ".join(name.split())[:80] or "a colour profile"
    return "" if "srgb" in words.lower() else words


def has_transparency(picture: Image.Image) -> bool:
    """Whether a picture has an alpha channel or a colour that stands for one."""
    return picture.mode in _ALPHA or "transparency" in picture.info


def _converted(picture: Image.Image, profile: bytes) -> Image.Image | None:
    from PIL import ImageCms

    source: Any = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    space = str(source.profile.xcolor_space).strip()
    mode = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}.get(space)
    if mode is None or (mode == "CMYK") != (picture.mode == "CMYK"):
        return None
    if mode == "L" and picture.mode not in {"L", "LA", "1"}:
        return None
    try:
        return ImageCms.profileToProfile(
            picture if picture.mode == mode else picture.convert("RGBA").convert(mode),
            source,
            _srgb(),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
        )
    except ImageCms.PyCMSError:
        return None


@cache
def _srgb() -> Any:
    from PIL import ImageCms

    made = cast(Any, ImageCms).createProfile("sRGB")
    return ImageCms.ImageCmsProfile(made)


def _numbers(count: int, most: int) -> list[int]:
    """Return the frames that are looked at: all, or as many as may be, the last among them."""
    if count <= most:
        return list(range(count))
    return sorted({round(number * (count - 1) / max(1, most - 1)) for number in range(most)})


def _turn(picture: Image.Image, data: bytes) -> int:
    from PIL import Image

    exif = picture.getexif() if sniff(data) != "PNG" else Image.Exif()
    if sniff(data) == "PNG" and (block := _png_chunk(data, b"eXIf")):
        # Pillow would decode the whole picture to look behind its pixels.
        exif.load(block)
    turn = exif.get(_ORIENTATION, 1)
    return turn if isinstance(turn, int) else 1


def _png_chunk(data: bytes, wanted: bytes) -> bytes:
    at, name = 8, b""
    while name != b"IEND" and at + 8 <= len(data):
        length, name = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if name == wanted:
            return data[at + 8 : at + 8 + length]
        at += 12 + length
    return b""


def _depth_bits(data: bytes) -> int:
    """Return the bits of a channel: PNG alone has more than 8 among the formats that are taken."""
    return max(8, data[24]) if sniff(data) == "PNG" and len(data) > 24 else 8


def _deep(picture: Image.Image) -> Image.Image:
    return picture.convert("I")


def _spread(picture: Image.Image, levels: Levels | None) -> Image.Image:
    """Return a picture of 8 bits: Pillow would cut off what is above 255 of 65535."""
    if not picture.mode.startswith("I") or levels is None:
        return picture
    low, high = levels
    scale = 255 / max(high - low, _NARROWEST)
    return _deep(picture).point(lambda value: value * scale - low * scale).convert("L")


def _reduced(picture: Image.Image, longest: int | None) -> Image.Image:
    from PIL import Image

    if longest is None or max(picture.size) <= longest:
        return picture
    # Reduced before its mode is changed: another full-size copy would double the memory.
    if max(picture.size) > 4 * longest and picture.mode in {"RGB", "RGBA", "L", "CMYK"}:
        picture = picture.reduce(max(picture.size) // (2 * longest))
    if picture.mode in {"1", "P", "PA"}:
        picture = picture.convert("RGBA")
    small = picture.copy()
    small.thumbnail((longest, longest), Image.Resampling.BOX)
    return small


def _turned(picture: Image.Image, turn: int) -> Image.Image:
    from PIL import Image

    how = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }.get(turn)
    return picture if how is None else picture.transpose(how)
