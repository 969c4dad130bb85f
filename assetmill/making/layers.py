"""Layers laid over a picture: texts, other pictures, shapes and gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from assetmill.errors import CannotMake
from assetmill.making.contrast import check_contrast
from assetmill.making.placing import Room, room_of
from assetmill.making.text.painting import mask_of
from assetmill.making.text.writing import Fonts, write
from assetmill.spec.layers import LayerSpec, OutlineSpec, PlateSpec, ShadowSpec
from assetmill.spec.measures import Colour, parse_colour, parse_length

if TYPE_CHECKING:
    from PIL import Image

Open = Callable[[str], "Image.Image"]


def lay_over(
    picture: Image.Image, layers: Sequence[LayerSpec], open_source: Open, fonts: Fonts
) -> Image.Image:
    """Return a picture with its layers over it, the first one lowest.

    Raises:
        CannotMake: a layer does not go into it; the message says which.
    """
    made = picture.convert("RGBA")
    for number, layer in enumerate(layers, start=1):
        try:
            made = _with_layer(made, layer, open_source, fonts)
        except CannotMake as error:
            raise CannotMake(f"layer {number}: {error}") from error
    return made if picture.mode == "RGBA" else made.convert("RGB")


def _with_layer(picture: Image.Image, layer: LayerSpec, open_source: Open, fonts: Fonts) -> Image.Image:
    if layer.text is not None:
        return _with_text(picture, layer, fonts) if layer.text.strip() else picture
    if layer.picture:
        return _with_picture(picture, layer, open_source(layer.picture))
    room = room_of(layer, picture.size)
    over = _gradient(layer, room) if layer.gradient else _shape(layer, room)
    return _laid(picture, over, room[:2], layer.opacity)


def _laid(picture: Image.Image, over: Image.Image, at: tuple[int, int], opacity: float | None) -> Image.Image:
    if opacity is not None:
        alpha = over.getchannel("A").point([round(step * opacity) for step in range(256)])
        over = over.copy()
        over.putalpha(alpha)
    picture.alpha_composite(over, at)
    return picture


def _with_picture(picture: Image.Image, layer: LayerSpec, other: Image.Image) -> Image.Image:
    from PIL import Image

    aspect = other.width / other.height
    left, top, right, bottom = room_of(layer, picture.size, aspect)
    share = min((right - left) / other.width, (bottom - top) / other.height)
    size = max(1, round(other.width * share)), max(1, round(other.height * share))
    small = other.convert("RGBA").resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
    at = left + (right - left - size[0]) // 2, top + (bottom - top - size[1]) // 2
    return _laid(picture, small, at, layer.opacity)


def _shape(layer: LayerSpec, room: Room) -> Image.Image:
    size = room[2] - room[0], room[3] - room[1]
    return _filled(
        _form(size, layer.shape or "rectangle", layer.radius or 0), parse_colour(layer.colour or "black")
    )


def _form(size: tuple[int, int], shape: str, radius: int) -> Image.Image:
    """Return a form's mask with smooth edges: drawn at four times its size."""
    from PIL import Image, ImageDraw

    if shape == "rectangle" and not radius:
        return Image.new("L", size, 255)
    large = Image.new("L", (size[0] * 4, size[1] * 4))
    box = (0, 0, large.width - 1, large.height - 1)
    if shape == "ellipse":
        ImageDraw.Draw(large).ellipse(box, fill=255)
    else:
        ImageDraw.Draw(large).rounded_rectangle(box, 4 * radius, fill=255)
    return large.resize(size, Image.Resampling.BOX)


def _filled(mask: Image.Image, colour: Colour) -> Image.Image:
    from PIL import Image

    over = Image.new("RGBA", mask.size, (*colour[:3], 255))
    over.putalpha(mask if colour[3] == 255 else mask.point([round(n * colour[3] / 255) for n in range(256)]))
    return over


def _gradient(layer: LayerSpec, room: Room) -> Image.Image:
    import numpy as np
    from PIL import Image

    width, height = room[2] - room[0], room[3] - room[1]
    colours = np.array([parse_colour(one) for one in layer.gradient or ()], dtype=np.float64)
    towards = layer.towards or "down"
    steps = (np.arange(height if towards in {"down", "up"} else width) + 0.5) / (
        height if towards in {"down", "up"} else width
    )
    steps = steps[::-1] if towards in {"up", "left"} else steps
    places = np.linspace(0, 1, len(colours))
    bands = np.stack([np.interp(steps, places, colours[:, band]) for band in range(4)], axis=-1)
    line = bands[:, None, :] if towards in {"down", "up"} else bands[None, :, :]
    pixels = np.broadcast_to(line, (height, width, 4)).round().astype(np.uint8)
    return Image.fromarray(np.ascontiguousarray(pixels), "RGBA")


def _with_text(picture: Image.Image, layer: LayerSpec, fonts: Fonts) -> Image.Image:
    written = write(layer, picture.size, fonts)
    rise = layer.rise or "top"
    mask = mask_of(
        written.block,
        picture.size,
        written.room,
        align=written.align,
        rise=rise,
        is_vertical=written.is_vertical,
    )
    colour = parse_colour(layer.colour or "black")
    if layer.plate and (ink := mask.getbbox()):
        picture = _with_plate(picture, ink, layer.plate, written.block.size)
    if layer.shadow:
        picture.alpha_composite(_shadow(mask, layer.shadow))
    if layer.outline:
        picture.alpha_composite(_filled(_wider(mask, layer.outline), parse_colour(layer.outline.colour)))
    if layer.min_contrast:
        check_contrast(picture, mask, colour, layer.min_contrast)
    return _laid(picture, _filled(mask, colour), (0, 0), layer.opacity)


def _with_plate(picture: Image.Image, ink: Room, plate: PlateSpec, size: int) -> Image.Image:
    margin = round(parse_length(plate.margin).of(size))
    left, top = max(0, ink[0] - margin), max(0, ink[1] - margin)
    right, bottom = min(picture.width, ink[2] + margin), min(picture.height, ink[3] + margin)
    mask = _form((right - left, bottom - top), "rectangle", plate.radius)
    return _laid(picture, _filled(mask, parse_colour(plate.colour)), (left, top), None)


def _shadow(mask: Image.Image, shadow: ShadowSpec) -> Image.Image:
    from PIL import Image, ImageFilter

    moved = Image.new("L", mask.size)
    moved.paste(mask, (shadow.right, shadow.down))
    soft = moved.filter(ImageFilter.GaussianBlur(shadow.blur)) if shadow.blur else moved
    return _filled(soft, parse_colour(shadow.colour))


def _wider(mask: Image.Image, outline: OutlineSpec) -> Image.Image:
    """Return letters grown by the width of their outline, in all directions alike."""
    import math

    from PIL import Image, ImageChops

    grown = mask
    steps = max(16, 4 * outline.width)
    for step in range(steps):
        angle = 2 * math.pi * step / steps
        moved = Image.new("L", mask.size)
        moved.paste(mask, (round(math.cos(angle) * outline.width), round(math.sin(angle) * outline.width)))
        grown = ImageChops.lighter(grown, moved)
    return grown
