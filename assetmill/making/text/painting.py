"""A block of text as a mask of its letters, drawn by HarfBuzz from the fonts' own outlines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from assetmill.making.text.harfbuzz import harfbuzz
from assetmill.making.text.laying import TextBlock

if TYPE_CHECKING:
    from PIL import Image

Align = Literal["left", "centre", "right"]
Rise = Literal["top", "middle", "bottom"]
Room = tuple[int, int, int, int]


def mask_of(
    block: TextBlock,
    size: tuple[int, int],
    room: Room,
    *,
    align: Align,
    rise: Rise,
    is_vertical: bool = False,
) -> Image.Image:
    """Return a mask of `size` in which a block lies in its room: left, upper, right, lower edge."""
    hb = harfbuzz()
    from PIL import Image

    width, height = size
    pen: Any = hb.RasterDraw()
    pen.extents = hb.RasterExtents(0, 0, width, height, 0)
    for (x, y), line in zip(starts(block, room, align=align, rise=rise, is_vertical=is_vertical), block.lines,
                            strict=True):  # fmt: skip
        for glyph in line.glyphs:
            scale = block.size / glyph.face.upem
            # Here y goes down, there it goes up.
            across, up = x + glyph.x * block.size, height - y + glyph.y * block.size
            pen.transform = (scale, 0.0, 0.0, scale, across, up)
            pen.draw_glyph(glyph.face.font, glyph.glyph_id)
    drawn: Any = pen.render()
    if drawn is None or not drawn.buffer:
        return Image.new("L", size)
    stride = drawn.extents.stride
    return Image.frombytes("L", size, bytes(drawn.buffer), "raw", "L", stride, -1)


def starts(
    block: TextBlock, room: Room, *, align: Align, rise: Rise, is_vertical: bool = False
) -> Iterator[tuple[float, float]]:
    """Yield where the pen begins each line."""
    left, top, right, bottom = room
    if is_vertical:
        yield from _columns(block, room, align=align, rise=rise)
        return
    spare = (bottom - top) - block.height
    y = top + {"top": 0.0, "middle": spare / 2, "bottom": spare}[rise] + block.ascent
    for number, line in enumerate(block.lines):
        rest = (right - left) - line.length * block.size
        yield left + {"left": 0.0, "centre": rest / 2, "right": rest}[align], y + number * block.pitch


def _columns(block: TextBlock, room: Room, *, align: Align, rise: Rise) -> Iterator[tuple[float, float]]:
    """Yield where each column begins: the first one is the rightmost."""
    left, top, right, bottom = room
    spare = (right - left) - block.height
    x = right - {"right": 0.0, "centre": spare / 2, "left": spare}[align] - block.size / 2
    for number, line in enumerate(block.lines):
        rest = (bottom - top) - line.length * block.size
        yield x - number * block.pitch, top + {"top": 0.0, "middle": rest / 2, "bottom": rest}[rise]
