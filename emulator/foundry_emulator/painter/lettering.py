"""Lettering: text set large, fitted to a box, in fonts that come with an installed package."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter, ImageFont

from foundry_emulator.painter.colours import RGB, luminance
from foundry_emulator.painter.ground import curve

FACES = {"sans": "DejaVuSans-Bold.ttf", "serif": "DejaVuSerif-Bold.ttf", "mono": "DejaVuSansMono-Bold.ttf"}
MOST_LINES = 4


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels."""

    left: int
    top: int
    width: int
    height: int


@cache
def _folder() -> Path:
    # matplotlib is looked up but not imported: its import costs more than a picture.
    spec = find_spec("matplotlib")
    places = spec.submodule_search_locations if spec else None
    if not places:
        raise RuntimeError("the lettering fonts come with matplotlib, which is not installed")
    return Path(places[0]) / "mpl-data" / "fonts" / "ttf"


@cache
def font(face: str, size: int) -> ImageFont.FreeTypeFont:
    """Return a bold font of that pixel size."""
    return ImageFont.truetype(str(_folder() / FACES[face]), size)


def fitted(text: str, box: Box, face: str) -> tuple[list[str], ImageFont.FreeTypeFont]:
    """Return the lines and the largest font with which `text` fills the box."""
    best: tuple[int, list[str]] = (6, [text])
    for count in range(1, MOST_LINES + 1):
        lines = _broken(text, count)
        size = _largest(lines, box, face)
        if size > best[0] * 1.12:
            best = (size, lines)
    return best[1], font(face, best[0])


def _broken(text: str, count: int) -> list[str]:
    words = text.split()
    if len(words) <= count:
        return words or [text]
    target = len(text) / count
    lines = [""]
    for word in words:
        if len(lines) < count and len(lines[-1]) + len(word) / 2 > target:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def _largest(lines: list[str], box: Box, face: str) -> int:
    probe = font(face, 100)
    widest = max(probe.getlength(line) for line in lines) or 1
    return max(6, int(min(box.width / widest, box.height / (len(lines) * 118)) * 100))


def letter(
    picture: Image.Image, text: str, box: Box, colour: RGB, *, face: str = "sans", halo: bool = True
) -> None:
    """Set `text` into the box, centred; a soft halo keeps it legible on busy ground."""
    lines, type_ = fitted(text, box, face)
    step = int(type_.size * 1.18)
    top = box.top + (box.height - step * len(lines)) // 2
    mask = Image.new("L", (box.width + step, step * len(lines) + step))
    pencil = ImageDraw.Draw(mask)
    for row, line in enumerate(lines):
        centre = (mask.width / 2, step / 2 + row * step + step / 2)
        pencil.text(centre, line, fill=255, font=type_, anchor="mm")
    corner = (box.left - step // 2, top - step // 2)
    if halo and picture.mode == "RGB":
        shade: RGB = (10, 12, 28) if luminance(colour) > 0.5 else (255, 252, 244)
        small = mask.reduce(4).filter(ImageFilter.GaussianBlur(max(1, step / 26)))
        glow = curve(small, lambda value: min(170, int(value * 1.2))).resize(
            mask.size, Image.Resampling.BILINEAR
        )
        picture.paste(shade, corner, glow)
    picture.paste(colour, corner, mask)
