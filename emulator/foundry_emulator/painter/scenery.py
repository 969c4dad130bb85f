"""Parts of backdrops: water, pines, towers, boards and the like."""

from __future__ import annotations

import math

from foundry_emulator.painter.colours import RGB, WHITE, darker, lighter, mix
from foundry_emulator.painter.ground import Ground, gradient, oval, polygons, stamp
from foundry_emulator.painter.outline import Point


def water(ground: Ground, horizon: float, far: RGB, near: RGB) -> None:
    """Fill everything below `horizon` with water and glints."""
    top = int(horizon * ground.height)
    size = (ground.width, ground.height - top)
    stretch = gradient(size, ((0, far), (1, near)))
    ground.image.paste(stretch, (0, top))
    glints: list[list[Point]] = []
    for _ in range(26 + 26 * ground.level):
        depth = ground.uniform(0, 1) ** 1.6
        x, y = ground.uniform(-0.05, 1), horizon + 0.01 + depth * (1 - horizon)
        length, thick = 0.02 + 0.09 * depth, 0.0012 + 0.004 * depth
        glints.append(oval(x + length / 2, y, length / 2, thick, 16))
    polygons(ground, lighter(near, 0.55), glints, 0.5)


def pines(ground: Ground, foot: float, tall: float, colour: RGB, *, gap: float) -> None:
    """Draw a row of fir trees; `gap` leaves that share of the width free in the middle."""
    aspect = ground.width / ground.height
    trees: list[list[Point]] = []
    x = -0.03
    while x < 1.04:
        height = tall * ground.uniform(0.65, 1.1)
        half = height * 0.2 / aspect
        if abs(x - 0.5) > gap / 2:
            for tier in range(3):
                top = foot - height + tier * height * 0.24
                low = foot - height * (0.5 - 0.25 * tier)
                wide = half * (0.62 + 0.2 * tier)
                trees.append([(x, top), (x + wide, low), (x - wide, low)])
            trees.append(
                [
                    (x - half * 0.1, foot - 0.02),
                    (x + half * 0.1, foot - 0.02),
                    (x + half * 0.1, foot + 0.03),
                    (x - half * 0.1, foot + 0.03),
                ]
            )
        x += half * ground.uniform(0.9, 1.7)
    polygons(ground, colour, trees)
    polygons(ground, colour, [[(0, foot - 0.005), (1, foot - 0.005), (1, 1), (0, 1)]])


def towers(ground: Ground, foot: float, heights: tuple[float, float], colour: RGB, *, windows: bool) -> None:
    """Draw a row of buildings, their right sides shaded."""
    aspect = ground.width / ground.height
    walls: list[list[Point]] = []
    shades: list[list[Point]] = []
    panes: list[list[Point]] = []
    x = -0.03
    while x < 1.02:
        wide = ground.uniform(0.06, 0.12) / max(0.8, aspect)
        top = foot - ground.uniform(*heights)
        walls.append(_block(x, top, x + wide, foot))
        if ground.uniform(0, 1) > 0.7:
            walls.append(_block(x + wide * 0.46, top - 0.05, x + wide * 0.54, top))
        shades.append(_block(x + wide * 0.72, top, x + wide, foot))
        if windows:
            panes.extend(_panes(ground, x, top, wide, foot))
        x += wide * ground.uniform(0.94, 1.25)
    polygons(ground, colour, walls)
    polygons(ground, darker(colour, 0.18), shades, 0.6)
    polygons(ground, (255, 226, 150), panes, 0.85)


def _block(left: float, top: float, right: float, bottom: float) -> list[Point]:
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def _panes(ground: Ground, x: float, top: float, wide: float, foot: float) -> list[list[Point]]:
    panes: list[list[Point]] = []
    y = top + 0.02
    while y < foot - 0.03:
        for column in (0.14, 0.36, 0.56):
            if ground.uniform(0, 1) > 0.55:
                left = x + wide * column
                panes.append(_block(left, y, left + wide * 0.12, y + 0.012))
        y += 0.028
    return panes


def peaks(ground: Ground, foot: float, colour: RGB) -> None:
    """Draw three mountains with shaded flanks and snow caps."""
    for centre, top, half in ((0.18, 0.34, 0.3), (0.82, 0.38, 0.32), (0.5, 0.2, 0.4)):
        x = centre + ground.uniform(-0.04, 0.04)
        foot_span = [(x - half, foot + 0.02), (x, top), (x + half, foot + 0.02)]
        polygons(ground, colour, [foot_span])
        bend = (x - half * 0.06, top + (foot - top) * 0.45)
        polygons(
            ground,
            darker(colour, 0.22),
            [[(x, top), (x + half, foot + 0.02), (x + half * 0.16, foot + 0.02), bend]],
            0.8,
        )
        cap = (foot - top) * 0.3
        steps = [(-0.3, 1.0), (-0.16, 0.82), (-0.08, 1.06), (0.04, 0.8), (0.14, 1.04), (0.3, 1.0)]
        snow = [(x, top), *((x + half * dx, top + cap * dy) for dx, dy in reversed(steps))]
        polygons(ground, WHITE, [snow])
        polygons(
            ground,
            (196, 208, 230),
            [
                [
                    (x, top),
                    (x + half * 0.3, top + cap),
                    (x + half * 0.14, top + cap * 1.04),
                    (x + half * 0.04, top + cap * 0.8),
                ]
            ],
        )


def palm(ground: Ground, x: float, foot: float) -> None:
    """Draw a palm leaning in from the side."""
    aspect = ground.width / ground.height
    trunk = [(x, foot), (x + 0.03, foot), (x + 0.075, 0.26), (x + 0.055, 0.25)]
    polygons(ground, (126, 86, 54), [trunk])
    crown = (x + 0.065, 0.25)
    leaves: list[list[Point]] = []
    for angle in (-170, -135, -100, -62, -25, 8, 38, 150):
        cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        tip = (crown[0] + cos * 0.2 / aspect, crown[1] + sin * 0.1 + 0.06)
        bend = (crown[0] + cos * 0.12 / aspect, crown[1] + sin * 0.13 - 0.02)
        leaves.append([crown, (bend[0], bend[1] - 0.02), tip, (bend[0], bend[1] + 0.018)])
    polygons(ground, (46, 128, 88), leaves)


def weeds(ground: Ground) -> None:
    """Draw sea weed along the bottom."""
    for step in range(10 + 4 * ground.level):
        x, tall, phase = ground.uniform(0, 1), ground.uniform(0.08, 0.24), ground.uniform(0, 6)
        side = [(x + 0.012 * math.sin(phase + k * 0.8), 1 - tall * k / 8) for k in range(9)]
        back = [(px + 0.014 * (1 - k / 8) + 0.002, py) for k, (px, py) in enumerate(side)]
        colour = mix((24, 120, 104), (200, 92, 120), 0.8 if step % 4 == 0 else 0.1 * (step % 3))
        polygons(ground, colour, [side + back[::-1]], 0.9)


def blades(ground: Ground, top: float, colour: RGB) -> None:
    """Draw tufts of grass on the nearest hill."""
    tufts: list[list[Point]] = []
    for _ in range(40 + 60 * ground.level):
        x, y = ground.uniform(0, 1), ground.uniform(top, 1)
        for lean in (-0.008, 0, 0.008):
            tufts.append([(x - 0.0025, y), (x + lean, y - 0.022), (x + 0.0025, y)])
    polygons(ground, colour, tufts, 0.8)


def shelf(ground: Ground, accent: RGB) -> None:
    """Draw a shelf with books on the wall."""
    polygons(ground, (150, 104, 70), [_block(0.62, 0.3, 0.96, 0.32)])
    x = 0.65
    for step in range(6):
        wide, tall = ground.uniform(0.018, 0.032), ground.uniform(0.09, 0.15)
        colour = (accent, (96, 124, 140), (224, 206, 170), darker(accent, 0.3))[step % 4]
        polygons(ground, colour, [_block(x, 0.3 - tall, x + wide, 0.3)])
        x += wide + 0.003
    polygons(ground, (104, 150, 112), [oval(0.9, 0.22, 0.03, 0.05), oval(0.88, 0.24, 0.02, 0.03)])
    polygons(ground, WHITE, [_block(0.88, 0.26, 0.92, 0.3)])


def planks(ground: Ground, top: float, colour: RGB) -> None:
    """Fill everything below `top` with boards in perspective."""
    height = ground.height - int(top * ground.height)
    boards = gradient(
        (ground.width, height), ((0, darker(colour, 0.12)), (0.12, colour), (1, lighter(colour, 0.16)))
    )
    ground.image.paste(boards, (0, ground.height - height))
    seams = [
        [
            (0.5 + k * 0.11, top),
            (0.5 + k * 0.11 + 0.001, top),
            (0.5 + k * 0.21 + 0.003, 1),
            (0.5 + k * 0.21, 1),
        ]
        for k in range(-6, 7)
    ]
    polygons(ground, darker(colour, 0.4), seams, 0.5)
    if ground.level > 1:
        grain = [
            oval(
                ground.uniform(0, 1),
                top + 0.02 + ground.uniform(0, 1) ** 1.4 * (0.98 - top),
                ground.uniform(0.005, 0.05),
                0.0016,
                12,
            )
            for _ in range(40 * ground.level)
        ]
        polygons(ground, darker(colour, 0.3), grain, 0.35)
    shade = gradient((ground.width, max(2, height // 8)), ((0, (90, 90, 90)), (1, (0, 0, 0)))).convert("L")
    stamp(ground.image, darker(colour, 0.6), (0, ground.height - height), shade)
