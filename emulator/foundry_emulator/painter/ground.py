"""Brushes for whole pictures: gradients, glows, ridges, dots and clouds, all scaled to the canvas."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from foundry_emulator.painter.colours import RGB, mix
from foundry_emulator.painter.outline import Point

FINER = 2


@dataclass(frozen=True)
class Ground:
    """A backdrop under work. `floor` is where things stand, as a share of the height from the top."""

    image: Image.Image
    rng: np.random.Generator
    level: int
    floor: float = 0.84
    shadow: RGB = (40, 30, 50)
    has_floor: bool = True

    @property
    def width(self) -> int:
        """Return the width in pixels."""
        return self.image.width

    @property
    def height(self) -> int:
        """Return the height in pixels."""
        return self.image.height

    def uniform(self, low: float, high: float) -> float:
        """Return the next random number of this picture."""
        return float(self.rng.uniform(low, high))


@dataclass(frozen=True)
class Mood:
    """What tints a backdrop: the colour asked for it (or None), and the picture's own colours."""

    asked: RGB | None
    main: RGB
    accent: RGB
    quiet: RGB

    def tinted(self, colour: RGB, share: float = 0.45) -> RGB:
        """Pull a scene's colour towards the one the prompt asked for."""
        return mix(colour, self.asked, share) if self.asked else colour


def cover(ground: Ground, image: Image.Image) -> None:
    """Lay a first coat over the whole picture."""
    ground.image.paste(image)


def gradient(size: tuple[int, int], stops: Sequence[tuple[float, RGB]]) -> Image.Image:
    """Return a vertical gradient through `stops` (share of the height, colour)."""
    places = np.linspace(0, 1, 256)
    columns = [
        np.interp(places, [at for at, _ in stops], [part[channel] for _, part in stops])
        for channel in range(3)
    ]
    column = np.stack(columns, axis=1).round().astype(np.uint8)[:, None, :]
    return Image.fromarray(column).resize(size, Image.Resampling.BICUBIC)


def glow(image: Image.Image, centre: Point, radius: float, colour: RGB, strength: float) -> None:
    """Lay a round light over the picture; `centre` in pixels."""
    reach = np.linspace(-1, 1, 96)
    fall = np.clip(1 - np.hypot(reach[None, :], reach[:, None]), 0, 1) ** 1.7
    mask = Image.fromarray((fall * 255 * strength).astype(np.uint8))
    side = max(2, int(radius * 2))
    stamp(
        image,
        colour,
        (int(centre[0] - radius), int(centre[1] - radius)),
        mask.resize((side, side), Image.Resampling.BICUBIC),
    )


def stamp(image: Image.Image, paint: RGB | Image.Image, corner: tuple[int, int], mask: Image.Image) -> None:
    """Paint through a mask; corners may lie outside, and a picture with alpha gains opacity."""
    left, top = max(0, -corner[0]), max(0, -corner[1])
    right, bottom = min(mask.width, image.width - corner[0]), min(mask.height, image.height - corner[1])
    if right <= left or bottom <= top:
        return
    part = mask.crop((left, top, right, bottom))
    at = (corner[0] + left, corner[1] + top)
    if image.mode == "RGBA":
        over = (
            Image.new("RGB", part.size, paint)
            if isinstance(paint, tuple)
            else paint.crop((left, top, right, bottom))
        )
        over.putalpha(part)
        image.alpha_composite(over, at)
    elif isinstance(paint, tuple):
        image.paste(paint, at, part)
    else:
        image.paste(paint.crop((left, top, right, bottom)), at, part)


def curve(mask: Image.Image, change: Callable[[int], float]) -> Image.Image:
    """Give every level of a one-channel picture another, cut to 0 to 255."""
    return mask.point([max(0, min(255, round(change(level)))) for level in range(256)])


def polygons(ground: Ground, colour: RGB, outlines: Sequence[Sequence[Point]], alpha: float = 1.0) -> None:
    """Fill polygons given in shares of width and height, with smooth edges."""
    xs = [x * ground.width for outline in outlines for x, _ in outline]
    ys = [y * ground.height for outline in outlines for _, y in outline]
    if not xs:
        return
    left, top = max(0, math.floor(min(xs)) - 1), max(0, math.floor(min(ys)) - 1)
    right, bottom = min(ground.width, math.ceil(max(xs)) + 1), min(ground.height, math.ceil(max(ys)) + 1)
    if left >= right or top >= bottom:
        return
    mask = Image.new("L", ((right - left) * FINER, (bottom - top) * FINER))
    pencil = ImageDraw.Draw(mask)
    for outline in outlines:
        pencil.polygon(
            [((x * ground.width - left) * FINER, (y * ground.height - top) * FINER) for x, y in outline],
            fill=round(255 * alpha),
        )
    stamp(ground.image, colour, (left, top), mask.reduce(FINER))


def ridge(ground: Ground, y: float, rise: float, colour: RGB, *, rough: float = 0.5) -> None:
    """Fill everything below a hilly line at about `y`; `rough` near 1 makes it craggy."""
    count = 5
    heights = ground.rng.uniform(-1, 1, count)
    for octave in range(1, 6):
        count = count * 2 - 1
        finer = np.interp(np.linspace(0, 1, count), np.linspace(0, 1, len(heights)), heights)
        heights = finer + ground.rng.uniform(-1, 1, count) * rough**octave * 0.8
    line = [
        (float(x), y - rise * float(h)) for x, h in zip(np.linspace(-0.02, 1.02, count), heights, strict=True)
    ]
    if rough < 0.3:
        line = _smooth(line)
    polygons(ground, colour, [[(-0.02, 1.02), *line, (1.02, 1.02)]])


def _smooth(line: list[Point]) -> list[Point]:
    ys = np.array([y for _, y in line])
    kernel = np.ones(15) / 15
    padded = np.pad(ys, 7, mode="edge")
    return [(x, float(y)) for (x, _), y in zip(line, np.convolve(padded, kernel, "valid"), strict=True)]


def oval(cx: float, cy: float, rx: float, ry: float, steps: int = 40) -> list[Point]:
    """Return an oval outline in the caller's units."""
    return [
        (cx + rx * math.cos(2 * math.pi * at / steps), cy + ry * math.sin(2 * math.pi * at / steps))
        for at in range(steps)
    ]


def dots(
    ground: Ground, colour: RGB, count: int, within: tuple[float, float], sizes: tuple[float, float]
) -> None:
    """Scatter round dots between two heights; `sizes` in thousandths of the shorter edge."""
    unit = min(ground.width, ground.height) / 1000
    faint: list[list[Point]] = []
    bright: list[list[Point]] = []
    for _ in range(count):
        radius = ground.uniform(*sizes) * unit
        x, y = ground.uniform(0, 1), ground.uniform(*within)
        spot = oval(x, y, radius / ground.width, radius / ground.height, 10)
        (bright if ground.uniform(0, 1) > 0.7 else faint).append(spot)
    polygons(ground, colour, faint, 0.55)
    polygons(ground, colour, bright)


def clouds(ground: Ground, colour: RGB, count: int, within: tuple[float, float], alpha: float = 0.8) -> None:
    """Draw soft clouds of a few puffs each."""
    aspect = ground.width / ground.height
    for _ in range(count):
        size = ground.uniform(0.05, 0.1)
        x, y = ground.uniform(0.02, 0.98), ground.uniform(*within)
        puffs = [
            oval(x + dx * size, y + dy * size, r * size / max(1.0, aspect / 1.2), r * size * min(aspect, 1.2))
            for dx, dy, r in (
                (-1.1, 0, 0.5),
                (-0.4, -0.3, 0.75),
                (0.35, -0.2, 0.65),
                (1.0, 0.05, 0.45),
                (0, 0.12, 0.6),
            )
        ]
        polygons(ground, colour, puffs, alpha)


def blurred(image: Image.Image, radius: float) -> Image.Image:
    """Blur a picture; wide radii work on a smaller copy, which looks the same and costs less."""
    shrink = max(1, int(radius / 3))
    small = image.reduce(shrink) if shrink > 1 else image
    soft = small.filter(ImageFilter.GaussianBlur(radius / shrink))
    return soft.resize(image.size, Image.Resampling.BICUBIC) if shrink > 1 else soft
