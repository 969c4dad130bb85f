"""A picture on a sheet of another shape, for models that draw few sizes: nothing is cropped or stretched."""

from __future__ import annotations

from PIL import Image

Window = tuple[float, float, float, float]
"""Left, top, right and bottom of a part of a picture, as fractions of its width and height."""

WHOLE: Window = (0.0, 0.0, 1.0, 1.0)

TOLERANCE = 0.01
"""Shapes that differ by less are one shape: the difference is within a rounding of pixels."""


def is_one_shape(first: tuple[int, int], second: tuple[int, int]) -> bool:
    """Say whether a picture of one size can be scaled to the other without being stretched."""
    return abs(first[0] * second[1] / (first[1] * second[0]) - 1) <= TOLERANCE


def sheet_size(size: tuple[int, int], shape: tuple[int, int]) -> tuple[int, int]:
    """Return the smallest size of a shape that holds a picture of `size`."""
    if size[0] * shape[1] > size[1] * shape[0]:
        return size[0], round(size[0] * shape[1] / shape[0])
    return round(size[1] * shape[0] / shape[1]), size[1]


def window_in(size: tuple[int, int], sheet: tuple[int, int]) -> Window:
    """Return where a picture lies on its sheet: in the middle."""
    left, top = (sheet[0] - size[0]) // 2, (sheet[1] - size[1]) // 2
    return (
        left / sheet[0],
        top / sheet[1],
        (left + size[0]) / sheet[0],
        (top + size[1]) / sheet[1],
    )


def framed(picture: Image.Image, sheet: tuple[int, int]) -> Image.Image:
    """Lay a picture in the middle of a sheet and continue its edges to the sheet's."""
    width, height = picture.size
    left, top = (sheet[0] - width) // 2, (sheet[1] - height) // 2
    right, bottom = sheet[0] - width - left, sheet[1] - height - top
    result = Image.new(picture.mode, sheet)
    result.paste(picture, (left, top))
    for extent, source, place in (
        ((left, height), (0, 0, 1, height), (0, top)),
        ((right, height), (width - 1, 0, width, height), (left + width, top)),
        ((width, top), (0, 0, width, 1), (left, 0)),
        ((width, bottom), (0, height - 1, width, height), (left, top + height)),
    ):
        if all(extent):
            result.paste(picture.resize(extent, Image.Resampling.NEAREST, source), place)
    return result


def framed_mask(mask: Image.Image, sheet: tuple[int, int]) -> Image.Image:
    """Lay a mask on a sheet; what surrounds the picture may not change."""
    result = Image.new("L", sheet, 0)
    result.paste(mask, ((sheet[0] - mask.width) // 2, (sheet[1] - mask.height) // 2))
    return result
