"""Several pictures on one sheet, with a title and captions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from assetmill.making.layers import Open, lay_over
from assetmill.making.text.writing import Fonts
from assetmill.spec.gathering import SheetSpec
from assetmill.spec.layers import LayerSpec
from assetmill.spec.measures import parse_colour, parse_size

if TYPE_CHECKING:
    from PIL import Image

_TITLE, _CAPTION = 64, 28
"""How high the title's line is, and a caption's, in pixels."""


def sheet_of(pictures: Sequence[tuple[str, Image.Image]], spec: SheetSpec, fonts: Fonts) -> Image.Image:
    """Return the pictures in rows, each in a cell of its own.

    Raises:
        CannotMake: the title or a caption does not fit, or has a letter that no font has.
    """
    from PIL import Image

    wide, high = parse_size(spec.cell)
    head = _TITLE + spec.gap if spec.title else 0
    caption = _CAPTION if spec.captions else 0
    columns = min(spec.columns, len(pictures))
    rows = -(-len(pictures) // columns)
    width = columns * wide + (columns + 1) * spec.gap
    height = head + rows * (high + caption + spec.gap) + spec.gap
    sheet = Image.new("RGBA", (width, height), parse_colour(spec.ground))
    texts = [_text(spec, spec.title, (spec.gap, spec.gap, width - 2 * spec.gap, _TITLE), "18..40")]
    for number, (name, picture) in enumerate(pictures):
        left = spec.gap + (number % columns) * (wide + spec.gap)
        top = head + spec.gap + (number // columns) * (high + caption + spec.gap)
        _place(sheet, picture, (left, top, wide, high))
        if spec.captions:
            said = f"{name}  {picture.width}\u00d7{picture.height}"
            texts.append(_text(spec, said, (left, top + high + 4, wide, _CAPTION - 4), "8..18"))
    return lay_over(sheet, [one for one in texts if one], _nothing_else, fonts)


def _place(sheet: Image.Image, picture: Image.Image, cell: tuple[int, int, int, int]) -> None:
    from PIL import Image

    left, top, wide, high = cell
    share = min(wide / picture.width, high / picture.height)
    size = max(1, round(picture.width * share)), max(1, round(picture.height * share))
    small = picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0).convert("RGBA")
    sheet.alpha_composite(small, (left + (wide - size[0]) // 2, top + (high - size[1]) // 2))


def _text(spec: SheetSpec, text: str | None, box: tuple[int, ...], size: str) -> LayerSpec | None:
    if not text:
        return None
    return LayerSpec(
        text=text, box=" ".join(map(str, box)), font=spec.font, size=size, colour=spec.colour, rise="middle"
    )


_nothing_else: Open = {}.__getitem__
