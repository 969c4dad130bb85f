"""The badge: an emblem for prompts that name no thing, under the words that they want lettered."""

from __future__ import annotations

import math

from PIL import Image

from foundry_emulator.painter.colours import RGB, WHITE, darker, lighter, mix
from foundry_emulator.painter.ground import Ground, blurred, polygons, stamp
from foundry_emulator.painter.outline import Point

STEPS = 180


def draw(ground: Ground, main: RGB, accent: RGB) -> None:
    """Draw an emblem in the middle."""
    radius = 0.39
    lobes, depth = int(ground.rng.integers(5, 13)), ground.uniform(0.02, 0.07)
    turn = ground.uniform(0, math.tau)
    _shadow(ground, radius)
    _ring(ground, darker(main, 0.3), radius=radius * 1.0, lobes=lobes, depth=depth, turn=turn)
    _ring(ground, main, radius=radius * 0.965, lobes=lobes, depth=depth, turn=turn)
    _ring(ground, accent, radius=radius * 0.86, lobes=lobes, depth=depth * 0.6, turn=turn)
    _ring(ground, mix(WHITE, main, 0.08), radius=radius * 0.83, lobes=lobes, depth=depth * 0.5, turn=turn)
    _rays(ground, radius * 0.8, lobes * 2, turn, mix(WHITE, main, 0.2))
    _ring(ground, main, radius=radius * 0.6)
    if ground.level > 0:
        _crystal(ground, radius * 0.56, lobes, lighter(main, 0.12), darker(main, 0.14))


def _round(ground: Ground, radius: float, lobes: int, depth: float, turn: float) -> list[Point]:
    side = min(ground.width, ground.height)
    points: list[Point] = []
    for step in range(STEPS):
        angle = math.tau * step / STEPS
        reach = radius * (1 + depth * math.cos(lobes * angle + turn)) * side
        points.append(
            (0.5 + reach * math.cos(angle) / ground.width, 0.5 + reach * math.sin(angle) / ground.height)
        )
    return points


def _ring(
    ground: Ground, colour: RGB, *, radius: float, lobes: int = 1, depth: float = 0, turn: float = 0
) -> None:
    polygons(ground, colour, [_round(ground, radius, lobes, depth, turn)])


def _rays(ground: Ground, radius: float, count: int, turn: float, colour: RGB) -> None:
    side = min(ground.width, ground.height)
    rays: list[list[Point]] = []
    for step in range(count):
        ends = (math.tau * (step + part) / count + turn for part in (0, 0.5))
        tips = [
            (
                0.5 + radius * side * math.cos(a) / ground.width,
                0.5 + radius * side * math.sin(a) / ground.height,
            )
            for a in ends
        ]
        rays.append([(0.5, 0.5), *tips])
    polygons(ground, colour, rays)


def _crystal(ground: Ground, radius: float, lobes: int, light: RGB, dark: RGB) -> None:
    side = min(ground.width, ground.height)
    for step in range(lobes):
        first, last = math.tau * step / lobes, math.tau * (step + 1) / lobes
        reach = radius * ground.uniform(0.5, 1.0)
        tips = [
            (
                0.5 + reach * side * math.cos(a) / ground.width,
                0.5 + reach * side * math.sin(a) / ground.height,
            )
            for a in (first, last)
        ]
        polygons(ground, light if step % 2 else dark, [[(0.5, 0.5), *tips]], 0.6)


def _shadow(ground: Ground, radius: float) -> None:
    if ground.image.mode == "RGBA":
        return
    side = int(min(ground.width, ground.height) * radius * 2.5)
    mask = Image.new("L", (side, side))
    inset = side // 10
    mask.paste(70, (inset * 2, inset * 2, side - inset * 2, side - inset * 2))
    at = (ground.width // 2 - side // 2, ground.height // 2 - side // 2 + inset)
    stamp(ground.image, (20, 16, 40), at, blurred(mask, side / 14))
