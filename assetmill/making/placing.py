"""Where a layer lies in a picture."""

from __future__ import annotations

from assetmill.errors import CannotMake
from assetmill.spec.layers import LayerSpec
from assetmill.spec.measures import parse_anchor, parse_box, parse_length

Room = tuple[int, int, int, int]
"""Left, upper, right and lower edge, in whole pixels."""


def room_of(layer: LayerSpec, size: tuple[int, int], aspect: float | None = None) -> Room:
    """Return where a layer lies in a picture of `size`; `aspect` is its own, where it has one.

    Raises:
        CannotMake: that is not within the picture.
    """
    if layer.at is None:
        room = parse_box(layer.box).within(*size) if layer.box else (0, 0, *size)
        if room[0] < 0 or room[1] < 0 or room[2] > size[0] or room[3] > size[1]:
            raise CannotMake(f"the box {layer.box!r} is not within {size[0]}x{size[1]} px: make it smaller")
        return room
    margin = round(parse_length(layer.margin or "0").of(min(size)))
    width, height = _extent(layer, size, aspect, margin)
    if width + 2 * margin > size[0] or height + 2 * margin > size[1]:
        raise CannotMake(f"{width}x{height} px with a margin of {margin} do not go into {size[0]}x{size[1]}")
    across, down = parse_anchor(layer.at)
    left = {"start": margin, "centre": (size[0] - width) // 2, "end": size[0] - margin - width}[across]
    top = {"start": margin, "centre": (size[1] - height) // 2, "end": size[1] - margin - height}[down]
    return left, top, left + width, top + height


def _extent(layer: LayerSpec, size: tuple[int, int], aspect: float | None, margin: int) -> tuple[int, int]:
    width = max(1, round(parse_length(layer.width).of(size[0]))) if layer.width else None
    height = max(1, round(parse_length(layer.height).of(size[1]))) if layer.height else None
    if aspect is None:
        return width or size[0] - 2 * margin, height or size[1] - 2 * margin
    if width is None and height is None:
        raise CannotMake("a picture at a place needs width or height: how large it is to be")
    return width or max(1, round((height or 1) * aspect)), height or max(1, round((width or 1) / aspect))
