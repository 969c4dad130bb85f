"""Backdrops made by people for pictures: studio, desk, room and pure pattern."""

from __future__ import annotations

from dataclasses import replace

from PIL import Image

from foundry_emulator.painter import scenery
from foundry_emulator.painter.colours import WHITE, darker, lighter, luminance, mix, turned
from foundry_emulator.painter.ground import (
    Ground,
    Mood,
    clouds,
    cover,
    glow,
    gradient,
    oval,
    polygons,
    ridge,
)


def studio(ground: Ground, mood: Mood) -> Ground:
    """A seamless sweep: wall, curved floor, a light behind the subject."""
    base = mood.asked or mood.quiet
    wall, floor = darker(base, 0.06), lighter(base, 0.1)
    width, height = ground.width, ground.height
    cover(
        ground,
        gradient(
            ground.image.size, ((0, darker(wall, 0.1)), (0.62, wall), (0.72, floor), (1, darker(base, 0.12)))
        ),
    )
    glow(ground.image, (width * 0.46, height * 0.42), max(width, height) * 0.55, lighter(base, 0.6), 0.75)
    if ground.level > 1:
        glow(ground.image, (width * 0.06, height * 0.02), max(width, height) * 0.6, lighter(base, 0.8), 0.4)
    return replace(ground, shadow=darker(base, 0.75))


def plain(ground: Ground, mood: Mood) -> Ground:
    """One even colour with a disc behind the subject."""
    base = mood.asked or mood.quiet
    cover(ground, Image.new("RGB", ground.image.size, base))
    side = min(ground.width, ground.height)
    disc = oval(0.5, 0.5, 0.4 * side / ground.width, 0.4 * side / ground.height, 160)
    polygons(ground, mix(base, lighter(mood.main, 0.35), 0.3), [disc])
    return replace(ground, shadow=darker(base, 0.6))


def desk(ground: Ground, mood: Mood) -> Ground:
    """A wooden table before a wall with window light."""
    wall = mood.asked or mix(mood.quiet, (228, 222, 214), 0.4)
    cover(ground, gradient(ground.image.size, ((0, darker(wall, 0.1)), (0.7, lighter(wall, 0.1)), (1, wall))))
    for x in (0.12, 0.3):
        pane = [(x, 0.06), (x + 0.15, 0.1), (x + 0.23, 0.6), (x + 0.08, 0.58)]
        polygons(ground, (255, 250, 226), [pane], 0.34)
    scenery.shelf(ground, mood.accent)
    scenery.planks(ground, 0.7, (178, 124, 80))
    return replace(ground, shadow=(58, 32, 16), floor=0.87)


def window(ground: Ground, mood: Mood) -> Ground:
    """A wooden sill before a wide view of mountains and water."""
    stops = ((0, mood.tinted((104, 164, 216))), (0.55, (246, 234, 216)), (1, (246, 234, 216)))
    cover(ground, gradient(ground.image.size, stops))
    light = (ground.width * 0.2, ground.height * 0.3)
    glow(ground.image, light, min(ground.image.size) * 0.4, (255, 244, 206), 0.9)
    clouds(ground, WHITE, 1 + ground.level, (0.1, 0.3), 0.7)
    ridge(ground, 0.5, 0.09, mood.tinted((158, 180, 208), 0.3), rough=0.55)
    ridge(ground, 0.57, 0.05, mood.tinted((96, 128, 150), 0.35), rough=0.45)
    scenery.water(ground, 0.61, mood.tinted((84, 140, 178), 0.35), mood.tinted((148, 192, 212), 0.25))
    frame = darker(mix(mood.quiet, (120, 96, 78), 0.6), 0.3)
    bars = [[(x, 0), (x + 0.012, 0), (x + 0.012, 0.74), (x, 0.74)] for x in (0.3, 0.69)]
    polygons(ground, frame, [*bars, [(0, 0.735), (1, 0.735), (1, 0.765), (0, 0.765)]])
    scenery.planks(ground, 0.765, (196, 154, 108))
    return replace(ground, shadow=(58, 34, 18), floor=0.89)


def room(ground: Ground, mood: Mood) -> Ground:
    """A wall, a framed print, a floor of boards and a rug."""
    wall = mood.asked or mix(mood.quiet, (224, 222, 216), 0.35)
    cover(ground, gradient(ground.image.size, ((0, darker(wall, 0.12)), (0.7, wall), (1, wall))))
    frame = [(0.66, 0.12), (0.88, 0.12), (0.88, 0.4), (0.66, 0.4)]
    polygons(ground, WHITE, [frame])
    polygons(
        ground, mix(mood.accent, wall, 0.3), [[(0.685, 0.15), (0.855, 0.15), (0.855, 0.37), (0.685, 0.37)]]
    )
    polygons(ground, mix(mood.main, wall, 0.2), [oval(0.77, 0.27, 0.05, 0.06)])
    polygons(ground, lighter(wall, 0.4), [[(0, 0.735), (1, 0.735), (1, 0.76), (0, 0.76)]])
    scenery.planks(ground, 0.755, (196, 154, 112))
    polygons(ground, mix(mood.accent, WHITE, 0.35), [oval(0.5, 0.9, 0.42, 0.08, 90)])
    return replace(ground, shadow=(60, 38, 26), floor=0.9)


def abstract(ground: Ground, mood: Mood) -> Ground:
    """Overlapping rings and bands in the prompt's colours."""
    base = mood.asked or mood.quiet
    cover(ground, gradient(ground.image.size, ((0, lighter(base, 0.15)), (1, darker(base, 0.12)))))
    aspect = ground.width / ground.height
    for step in range(5 + ground.level):
        colour = (mood.main, mood.accent, lighter(mood.main, 0.4), darker(mood.accent, 0.2))[step % 4]
        radius = ground.uniform(0.1, 0.34)
        where = (ground.uniform(-0.05, 1.05), ground.uniform(-0.05, 1.05))
        polygons(
            ground,
            colour,
            [oval(*where, radius / aspect**0.5, radius * aspect**0.5, 110)],
            0.22 + 0.12 * (step % 3),
        )
    for _ in range(3):
        y = ground.uniform(0, 1)
        polygons(
            ground,
            WHITE if luminance(base) < 0.6 else mood.main,
            [[(0, y), (1, y - 0.4), (1, y - 0.39), (0, y + 0.01)]],
            0.35,
        )
    return replace(ground, has_floor=False)


def neon_grid(ground: Ground, mood: Mood) -> Ground:
    """A dark room with a glowing floor grid."""
    cover(
        ground,
        gradient(
            ground.image.size, ((0, (10, 8, 26)), (0.7, (30, 14, 60)), (0.72, (18, 10, 40)), (1, (8, 6, 22)))
        ),
    )
    side = max(ground.image.size)
    glow(
        ground.image,
        (ground.width * 0.5, ground.height * 0.7),
        side * 0.5,
        turned(mood.main, 0, light=0.5),
        0.55,
    )
    lines = [
        [
            (0.5 + k * 0.05 - 0.0008, 0.72),
            (0.5 + k * 0.05 + 0.0008, 0.72),
            (0.5 + k * 0.28 + 0.003, 1),
            (0.5 + k * 0.28 - 0.003, 1),
        ]
        for k in range(-10, 11)
    ]
    rows = [
        [(0, y), (1, y), (1, y + 0.0022), (0, y + 0.0022)] for y in (0.72, 0.735, 0.76, 0.795, 0.845, 0.915)
    ]
    polygons(ground, turned(mood.accent, 0, saturation=1.4, light=0.6), [*lines, *rows], 0.6)
    return replace(ground, shadow=(2, 2, 10), floor=0.86)
