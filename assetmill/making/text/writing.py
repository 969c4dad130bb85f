"""A text layer, from what is asked for to a block of lines in its room."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from assetmill.making.placing import Room, room_of
from assetmill.making.text.bidi import base_level
from assetmill.making.text.faces import Face, face_of
from assetmill.making.text.laying import Demand, TextBlock, lay
from assetmill.making.text.painting import Align
from assetmill.making.text.shaping import Shaper
from assetmill.spec.layers import LayerSpec
from assetmill.spec.measures import parse_span

_SIZE = "32"

Fonts = Callable[[str], bytes]
"""Gives a font's file by the name that a bound layer has for it: the font, `#` and its face."""


@dataclass(frozen=True)
class PlacedText:
    """A text that was laid into its room."""

    block: TextBlock
    room: Room
    align: Align
    is_vertical: bool


def faces_of(layer: LayerSpec, fonts: Fonts) -> tuple[Face, ...]:
    """Return the faces in which a layer's letters look for their own, in that order."""
    named = (name.rpartition("#") for name in layer.font or ())
    return tuple(
        face_of(name, fonts(f"{name}#{face}"), int(face), layer.weight or 400) for name, _, face in named
    )


def write(layer: LayerSpec, size: tuple[int, int], fonts: Fonts) -> PlacedText:
    """Lay a layer's text into its room in a picture of `size`.

    Raises:
        CannotMake: a letter is in no font, or the text does not fit.
    """
    text = (layer.text or "").strip()
    room = room_of(layer, size)
    is_vertical = layer.direction == "down"
    base = "auto" if layer.direction in {None, "auto", "down"} else layer.direction
    level = 0 if is_vertical else base_level(text, base)  # pyright: ignore[reportArgumentType]
    shaper = Shaper(faces_of(layer, fonts), layer.language or "", level, is_vertical)
    smallest, largest = parse_span(layer.size or _SIZE)
    width, height = room[2] - room[0], room[3] - room[1]
    along, across = (height, width) if is_vertical else (width, height)
    wanted = Demand(
        text, smallest, largest, along, across, layer.line_height,
        hyphenate=bool(layer.hyphenate), phrases=bool(layer.phrases),
    )  # fmt: skip
    return PlacedText(lay(wanted, shaper), room, _align(layer, level, is_vertical=is_vertical), is_vertical)


def _align(layer: LayerSpec, level: int, *, is_vertical: bool) -> Align:
    """Return where lines begin: `start` and `end` follow the paragraph, columns begin at the right."""
    asked = layer.align or "start"
    if asked in {"left", "right", "centre"}:
        return asked  # pyright: ignore[reportReturnType]
    return "right" if (asked == "end") != (level == 1 or is_vertical) else "left"
