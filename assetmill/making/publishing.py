"""One picture as the files that a site, an app or a printer wants of it."""

from __future__ import annotations

import html
import io
import json
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from assetmill.errors import CannotMake
from assetmill.making.encoding import encode
from assetmill.spec.file_kinds import FORMATS
from assetmill.spec.gathering import (
    FAVICON,
    ICONS,
    WEB_MANIFEST,
    IconKind,
    PageSpec,
    SrcsetSpec,
    srcset_names,
)
from assetmill.spec.making import MakeSpec
from assetmill.spec.measures import parse_lengths

if TYPE_CHECKING:
    from PIL import Image

FileBytes = tuple[str, str, bytes, tuple[int, int] | None]
"""A file's name, its media type, its bytes, and its size where it is a picture."""

_MASKABLE_SHARE = 0.8
"""Of a maskable icon only the inner circle is sure to be seen."""

_PAPER_INCHES = {"A3": (11.69, 16.54), "A4": (8.27, 11.69), "A5": (5.83, 8.27), "letter": (8.5, 11.0)}


def icons(picture: Image.Image, kind: IconKind) -> Iterator[FileBytes]:
    """Yield a set of icons.

    Raises:
        CannotMake: the picture is not square, or smaller than the largest icon.
    """
    from PIL import Image

    largest = max(ICONS[kind].values())
    if picture.width != picture.height or picture.width < largest:
        raise CannotMake(
            f"icons are made of a square of at least {largest} pixels, not {picture.width}x{picture.height}: "
            "crop it to 1:1, or draw it larger"
        )
    whole = picture.convert("RGBA")
    for name, side in ICONS[kind].items():
        small = (
            _masked(whole, side)
            if "maskable" in name
            else whole.resize((side, side), Image.Resampling.LANCZOS)
        )
        # A phone's own icons have no transparency.
        drawn = _on_white(small) if kind == "ios" or name.startswith("apple") else small
        yield name, "image/png", _png(drawn), (side, side)
    if kind == "web":
        out = io.BytesIO()
        whole.resize((48, 48), Image.Resampling.LANCZOS).save(
            out, "ICO", sizes=[(16, 16), (32, 32), (48, 48)]
        )
        yield FAVICON, "image/vnd.microsoft.icon", out.getvalue(), (48, 48)
        yield WEB_MANIFEST, "application/manifest+json", _manifest(), None


def _masked(whole: Image.Image, side: int) -> Image.Image:
    from PIL import Image

    inner = round(side * _MASKABLE_SHARE)
    made = Image.new("RGBA", (side, side), "white")
    small = whole.resize((inner, inner), Image.Resampling.LANCZOS)
    made.alpha_composite(small, ((side - inner) // 2, (side - inner) // 2))
    return made


def _on_white(picture: Image.Image) -> Image.Image:
    from PIL import Image

    under = Image.new("RGBA", picture.size, "white")
    under.alpha_composite(picture)
    return under.convert("RGB")


def _manifest() -> bytes:
    entries = [
        {"src": name, "sizes": f"{side}x{side}", "type": "image/png", "purpose": purpose}
        for name, side, purpose in (
            ("icon-192.png", 192, "any"),
            ("icon-512.png", 512, "any"),
            ("icon-512-maskable.png", 512, "maskable"),
        )
    ]  # fmt: skip
    return (json.dumps({"icons": entries}, indent=1) + "\n").encode()


def _png(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def srcset(picture: Image.Image, save: str, spec: SrcsetSpec) -> Iterator[FileBytes]:
    """Yield a picture in several widths and formats, and the HTML that offers them.

    Raises:
        CannotMake: it is narrower than all of them.
    """
    from PIL import Image

    made: dict[str, tuple[int, int]] = {}
    for name, (width, form) in srcset_names(save, spec).items():
        if width > picture.width:
            raise CannotMake(
                f"{name} would be wider than the picture, of {picture.width} pixels: leave out {width}"
            )
        size = width, max(1, round(picture.height * width / picture.width))
        small = picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
        yield name, FORMATS[form], encode(small, MakeSpec.model_validate({"from": ["x"], "save": name})), size
        made[name] = size
    yield save, "text/html", _html(made, spec), None


def _html(made: dict[str, tuple[int, int]], spec: SrcsetSpec) -> bytes:
    lines: list[str] = []
    for form in spec.formats[:-1]:
        offered = ", ".join(f"{name} {size[0]}w" for name, size in made.items() if name.endswith(f".{form}"))
        lines.append(
            f'  <source type="{FORMATS[form]}" srcset="{offered}" sizes="{html.escape(spec.sizes)}">'
        )
    last = [(name, size) for name, size in made.items() if name.endswith(f".{spec.formats[-1]}")]
    offered = ", ".join(f"{name} {size[0]}w" for name, size in last)
    name, (width, height) = last[-1]
    lines.append(
        f'  <img src="{name}" srcset="{offered}" sizes="{html.escape(spec.sizes)}" width="{width}" '
        f'height="{height}" alt="{html.escape(spec.alt)}" loading="lazy">'
    )
    return "\n".join(("<picture>", *lines, "</picture>", "")).encode()


def pages(pictures: Sequence[Image.Image], spec: PageSpec) -> bytes:
    """Return a PDF with one picture on each page."""
    first, *rest = (_page(picture, spec) for picture in pictures)
    out = io.BytesIO()
    # Without times of its own: the same pictures are the same bytes.
    first.save(
        out, "PDF", save_all=True, append_images=rest, resolution=spec.dpi,
        creationDate=time.gmtime(0), modDate=time.gmtime(0), producer="assetmill",
    )  # fmt: skip
    return out.getvalue()


def _page(picture: Image.Image, spec: PageSpec) -> Image.Image:
    from PIL import Image

    plain = _on_white(picture.convert("RGBA"))
    if spec.paper == "picture":
        return plain
    inches = _PAPER_INCHES[spec.paper]
    wide, high = (round(side * spec.dpi) for side in (inches[::-1] if spec.turned else inches))
    page = Image.new("RGB", (wide, high), "white")
    top, right, bottom, left = (
        round(one.of(whole))
        for one, whole in zip(parse_lengths(spec.margin), (high, wide, high, wide), strict=True)
    )
    room = wide - left - right, high - top - bottom
    if min(room) < 1:
        raise CannotMake(f"margin {spec.margin!r} leaves nothing of the paper: make it smaller")
    share = min(room[0] / plain.width, room[1] / plain.height)
    size = max(1, round(plain.width * share)), max(1, round(plain.height * share))
    small = plain.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
    page.paste(small, (left + (room[0] - size[0]) // 2, top + (room[1] - size[1]) // 2))
    return page
