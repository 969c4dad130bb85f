"""The pen: draws one subject into a transparent tile, in the manner a style asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from foundry_emulator.painter.book import Mark, Subject
from foundry_emulator.painter.colours import INK, RGB, WHITE, darker, from_hex, lighter, mix
from foundry_emulator.painter.ground import curve
from foundry_emulator.painter.outline import Outline

Manner = Literal["shaded", "flat", "line", "neon"]

MATERIALS: dict[str, RGB] = {
    "white": (251, 249, 244),
    "paper": (246, 236, 216),
    "ink": (34, 37, 49),
    "dark": (56, 62, 76),
    "metal": (176, 184, 196),
    "glass": (198, 228, 240),
    "screen": (28, 44, 66),
    "wood": (168, 114, 72),
    "leaf": (79, 157, 105),
    "skin": (236, 186, 152),
    "gold": (240, 180, 50),
    "red": (214, 70, 70),
    "water": (58, 138, 190),
    "shade": (22, 18, 42),
    "light": (255, 252, 244),
}


@dataclass(frozen=True)
class Inks:
    """The colours and the manner one subject is drawn with."""

    main: RGB
    accent: RGB
    level: int
    manner: Manner = "shaded"

    def colour(self, mark: Mark) -> RGB:
        """Return the mark's base colour."""
        if mark.role.startswith("#"):
            base = from_hex(mark.role)
        else:
            base = {"main": self.main, "accent": self.accent}.get(mark.role) or MATERIALS[mark.role]
        for _ in range(abs(mark.tone)):
            base = lighter(base) if mark.tone > 0 else darker(base)
        return base


@dataclass(frozen=True)
class Tile:
    """A drawn subject with straight alpha; `left` and `top` place it in the subject's square."""

    image: Image.Image
    left: int
    top: int


def draw(subject: Subject, side: int, inks: Inks) -> Tile:
    """Draw the subject as if its square of 100 units were `side` pixels wide."""
    finer = 3 if side < 700 and inks.level > 0 else 2
    scale = side * finer / 100
    margin = 2 if inks.manner in ("line", "neon") else 0.5
    left, top = subject.box[0] - margin, subject.box[1] - margin
    width = max(1, round((subject.box[2] + margin - left) * scale / finer)) * finer
    height = max(1, round((subject.box[3] + margin - top) * scale / finer)) * finer
    sheet = _Sheet(Image.new("RGBA", (width, height)), scale, left, top, inks)
    for mark in subject.marks:
        if mark.level <= inks.level:
            sheet.add(mark)
    small = sheet.image.reduce(finer)
    tile = Image.frombytes("RGBa", small.size, small.tobytes()).convert("RGBA")
    if inks.manner == "shaded" and inks.level > 0:
        tile = _rounded(tile, inks.level)
    return Tile(tile, round(left * side / 100), round(top * side / 100))


class _Sheet:
    """The supersampled tile; pasting a colour through a mask leaves it premultiplied."""

    def __init__(self, image: Image.Image, scale: float, left: float, top: float, inks: Inks) -> None:
        self.image, self.scale, self.left, self.top, self.inks = image, scale, left, top, inks

    def add(self, mark: Mark) -> None:
        manner = self.inks.manner
        if manner in ("line", "neon"):
            self._outline(mark)
        else:
            self._fill(mark, self.inks.colour(mark))

    def _fill(self, mark: Mark, colour: RGB) -> None:
        box = self._box(mark.adds, (mark.width or 0) / 2)
        if box is None:
            return
        mask = self._mask(mark, box)
        if mark.is_inside:
            mask = ImageChops.multiply(mask, self.image.getchannel("A").crop(box))
        if mark.alpha < 1:
            opacity = mark.alpha
            mask = curve(mask, lambda value: value * opacity)
        is_plain = (
            mark.is_plain or self.inks.manner == "flat" or not self.inks.level or mark.width is not None
        )
        if is_plain:
            self.image.paste((*colour, 255), box, mask)
        else:
            self.image.paste(_sheen(colour, mask.size), box, mask)

    def _outline(self, mark: Mark) -> None:
        if mark.alpha < 0.6 and mark.width is None:
            return
        is_neon = self.inks.manner == "neon"
        colour = self.inks.colour(mark)
        ground = darker(colour, 0.86) if is_neon else mix(WHITE, colour, 0.1)
        line = _glowing(colour) if is_neon else INK
        if mark.width is None:
            self._fill(_plain(mark), ground)
        self._fill(_stroked(mark, 1.5 if is_neon else 1.25), line)

    def _box(self, outlines: tuple[Outline, ...], margin: float) -> tuple[int, int, int, int] | None:
        xs = [(x - self.left) * self.scale for outline in outlines for x, _ in outline]
        ys = [(y - self.top) * self.scale for outline in outlines for _, y in outline]
        pad = margin * self.scale + 2
        box = (
            max(0, int(min(xs) - pad)),
            max(0, int(min(ys) - pad)),
            min(self.image.width, int(max(xs) + pad) + 1),
            min(self.image.height, int(max(ys) + pad) + 1),
        )
        return box if box[0] < box[2] and box[1] < box[3] else None

    def _mask(self, mark: Mark, box: tuple[int, int, int, int]) -> Image.Image:
        mask = Image.new("L", (box[2] - box[0], box[3] - box[1]))
        pencil = ImageDraw.Draw(mask)
        for outline in mark.adds:
            points = self._points(outline, box)
            if mark.width is None:
                pencil.polygon(points, fill=255)
            else:
                stroke(pencil, points, mark.width * self.scale)
        for outline in mark.cuts:
            pencil.polygon(self._points(outline, box), fill=0)
        return mask

    def _points(self, outline: Outline, box: tuple[int, int, int, int]) -> list[tuple[float, float]]:
        return [
            ((x - self.left) * self.scale - box[0], (y - self.top) * self.scale - box[1]) for x, y in outline
        ]


def stroke(pencil: ImageDraw.ImageDraw, points: list[tuple[float, float]], width: float) -> None:
    """Draw a white line with round joints and ends."""
    pencil.line(points, fill=255, width=max(1, round(width)), joint="curve")
    for x, y in (points[0], points[-1]):
        pencil.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=255)


def _plain(mark: Mark) -> Mark:
    return Mark(mark.role, mark.tone, 1.0, None, 0, mark.is_inside, True, mark.adds, mark.cuts)


def _stroked(mark: Mark, width: float) -> Mark:
    closed = tuple(outline if mark.width else (*outline, outline[0]) for outline in (*mark.adds, *mark.cuts))
    own = min(mark.width, width * 1.6) if mark.width else width
    return Mark(mark.role, mark.tone, 1.0, own, 0, mark.is_inside, True, closed, ())


def _glowing(colour: RGB) -> RGB:
    strongest = max(colour)
    if strongest < 40 or max(colour) - min(colour) < 26:
        return (150, 240, 255)
    low = min(colour)
    red, green, blue = (round(70 + 185 * (part - low) / (strongest - low)) for part in colour)
    return red, green, blue


def _sheen(colour: RGB, size: tuple[int, int]) -> Image.Image:
    """Return a diagonal gradient from lit to shaded around a colour."""
    lit, shaded = lighter(colour, 0.17), darker(colour, 0.17)
    slope = np.add.outer(np.linspace(0, 0.62, 24), np.linspace(0, 0.38, 24))[..., None]
    parts = np.array(lit) * (1 - slope) + np.array(shaded) * slope
    full = np.concatenate([parts, np.full((24, 24, 1), 255.0)], axis=2).round().astype(np.uint8)
    return Image.fromarray(full).resize(size, Image.Resampling.BILINEAR)


def _rounded(tile: Image.Image, level: int) -> Image.Image:
    """Light the whole silhouette from the upper left, as if it had volume."""
    small = (max(8, tile.width // 6), max(8, tile.height // 6))
    alpha = tile.getchannel("A").resize(small, Image.Resampling.BILINEAR)
    soft = alpha.filter(ImageFilter.GaussianBlur(max(small) * 0.045))
    height = np.asarray(soft, dtype=np.float32) / 255
    slope_y, slope_x = np.gradient(height)
    lit = (slope_x * 0.7 + slope_y) * max(small) * (0.045 if level > 1 else 0.035)
    amount = np.clip(lit, -0.34, 0.3)
    bright = Image.fromarray((np.clip(amount, 0, 1) * 255).astype(np.uint8)).resize(tile.size)
    dim = Image.fromarray((np.clip(-amount, 0, 1) * 255).astype(np.uint8)).resize(tile.size)
    opaque = tile.convert("RGB")
    opaque.paste((255, 250, 238), (0, 0), bright)
    opaque.paste((26, 18, 52), (0, 0), dim)
    opaque.putalpha(tile.getchannel("A"))
    return opaque
