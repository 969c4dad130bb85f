"""Backdrops of the night, the deep and the city."""

from __future__ import annotations

from dataclasses import replace

from foundry_emulator.painter import scenery
from foundry_emulator.painter.colours import RGB, WHITE, mix, turned
from foundry_emulator.painter.ground import (
    Ground,
    Mood,
    clouds,
    cover,
    dots,
    glow,
    gradient,
    oval,
    polygons,
    ridge,
)


def dusk(ground: Ground, mood: Mood) -> Ground:
    """A low sun between violet sky and dark hills."""
    stops: list[tuple[float, RGB]] = [
        (0, (44, 36, 92)),
        (0.28, (122, 62, 128)),
        (0.48, (236, 112, 98)),
        (0.62, (255, 190, 116)),
        (1, (255, 214, 150)),
    ]
    cover(ground, gradient(ground.image.size, [(at, mood.tinted(colour, 0.3)) for at, colour in stops]))
    sun = (ground.uniform(0.22, 0.78), 0.56)
    side = min(ground.width, ground.height)
    glow(ground.image, (sun[0] * ground.width, sun[1] * ground.height), side * 0.5, (255, 226, 150), 0.85)
    polygons(
        ground, (255, 238, 190), [oval(*sun, 0.075 * side / ground.width, 0.075 * side / ground.height, 80)]
    )
    clouds(ground, (250, 150, 130), 3 + ground.level, (0.12, 0.4), 0.4)
    dots(ground, (255, 240, 220), 14 * ground.level, (0, 0.25), (0.6, 1.6))
    ridge(ground, 0.64, 0.05, (150, 72, 112), rough=0.5)
    ridge(ground, 0.71, 0.04, (98, 50, 98), rough=0.42)
    ridge(ground, 0.79, 0.015, (54, 34, 74), rough=0.25)
    glow(ground.image, (sun[0] * ground.width, ground.height * 0.84), side * 0.42, (255, 170, 110), 0.28)
    return replace(ground, shadow=(24, 14, 44), floor=0.9)


def night(ground: Ground, mood: Mood) -> Ground:
    """Stars, a moon and a dark meadow."""
    cover(
        ground,
        gradient(
            ground.image.size,
            ((0, mood.tinted((12, 16, 48), 0.3)), (0.6, mood.tinted((36, 46, 104), 0.3)), (1, (64, 74, 130))),
        ),
    )
    dots(ground, (255, 250, 230), 60 + 50 * ground.level, (0, 0.66), (0.7, 2.6))
    side = min(ground.width, ground.height)
    moon = (ground.uniform(0.72, 0.86), ground.uniform(0.14, 0.22))
    glow(ground.image, (moon[0] * ground.width, moon[1] * ground.height), side * 0.34, (190, 200, 255), 0.5)
    polygons(
        ground, (246, 240, 214), [oval(*moon, 0.06 * side / ground.width, 0.06 * side / ground.height, 80)]
    )
    ridge(ground, 0.68, 0.05, (30, 38, 84), rough=0.5)
    ridge(ground, 0.78, 0.02, (20, 26, 60), rough=0.25)
    glow(ground.image, (ground.width * 0.5, ground.height * 0.82), side * 0.5, (120, 130, 220), 0.3)
    return replace(ground, shadow=(4, 6, 24), floor=0.9)


def space(ground: Ground, mood: Mood) -> Ground:
    """Nebulae, stars and a far planet."""
    cover(
        ground,
        gradient(
            ground.image.size,
            ((0, mood.tinted((14, 12, 40), 0.3)), (0.6, mood.tinted((34, 20, 74), 0.3)), (1, (16, 22, 62))),
        ),
    )
    side = min(ground.image.size)
    for tint in (turned(mood.main, 0, light=0.5), turned(mood.accent, 0, light=0.45), (120, 70, 200)):
        glow(
            ground.image,
            (ground.uniform(0.1, 0.9) * ground.width, ground.uniform(0.1, 0.9) * ground.height),
            side * 0.55,
            tint,
            0.5,
        )
    dots(ground, (255, 252, 240), 90 + 70 * ground.level, (0, 1), (0.7, 2.8))
    planet = (0.85, 0.8)
    polygons(
        ground,
        mix(mood.accent, (90, 60, 140), 0.35),
        [oval(*planet, 0.1 * side / ground.width, 0.1 * side / ground.height, 90)],
    )
    polygons(
        ground,
        mix(mood.accent, WHITE, 0.4),
        [
            oval(
                planet[0] - 0.01,
                planet[1] - 0.02,
                0.07 * side / ground.width,
                0.07 * side / ground.height,
                90,
            )
        ],
        0.4,
    )
    return replace(ground, has_floor=False)


def city(ground: Ground, mood: Mood) -> Ground:
    """Layers of towers with lit windows."""
    top, low = mood.tinted((126, 150, 200)), (250, 214, 190)
    cover(ground, gradient(ground.image.size, ((0, top), (0.66, low), (1, low))))
    glow(
        ground.image,
        (ground.width * 0.7, ground.height * 0.5),
        min(ground.image.size) * 0.42,
        (255, 240, 206),
        0.9,
    )
    scenery.towers(ground, 0.8, (0.2, 0.42), mix(top, low, 0.55), windows=False)
    scenery.towers(ground, 0.82, (0.16, 0.5), mix(top, (60, 66, 110), 0.45), windows=ground.level > 0)
    scenery.towers(ground, 0.84, (0.06, 0.24), (58, 60, 100), windows=True)
    polygons(ground, (84, 84, 112), [[(0, 0.83), (1, 0.83), (1, 1), (0, 1)]])
    polygons(ground, (112, 110, 134), [[(0, 0.83), (1, 0.83), (1, 0.845), (0, 0.845)]])
    return replace(ground, shadow=(26, 24, 50), floor=0.93)


def street(ground: Ground, mood: Mood) -> Ground:
    """A road before a low skyline."""
    cover(
        ground,
        gradient(
            ground.image.size,
            ((0, mood.tinted((130, 190, 230))), (0.7, (240, 236, 222)), (1, (240, 236, 222))),
        ),
    )
    clouds(ground, WHITE, 2 + ground.level, (0.08, 0.3))
    scenery.towers(ground, 0.74, (0.1, 0.34), mix((150, 176, 204), mood.quiet, 0.4), windows=ground.level > 0)
    ridge(ground, 0.73, 0.014, (126, 172, 112), rough=0.3)
    polygons(ground, (190, 186, 182), [[(0, 0.75), (1, 0.75), (1, 0.79), (0, 0.79)]])
    polygons(ground, (86, 88, 100), [[(0, 0.785), (1, 0.785), (1, 1), (0, 1)]])
    polygons(
        ground,
        (240, 226, 160),
        [
            [(x, 0.94), (x + 0.1, 0.94), (x + 0.09, 0.955), (x - 0.01, 0.955)]
            for x in (0.02, 0.24, 0.46, 0.68, 0.9)
        ],
    )
    return replace(ground, shadow=(26, 26, 40), floor=0.885)


def underwater(ground: Ground, mood: Mood) -> Ground:
    """Light shafts, bubbles, a reef below."""
    cover(
        ground,
        gradient(
            ground.image.size, ((0, mood.tinted((120, 216, 232))), (0.5, (28, 128, 178)), (1, (10, 54, 104)))
        ),
    )
    for _ in range(3 + ground.level):
        x, lean = ground.uniform(0, 1), ground.uniform(0.05, 0.25)
        polygons(ground, (220, 250, 255), [[(x, 0), (x + 0.05, 0), (x + lean + 0.16, 1), (x + lean, 1)]], 0.1)
    ridge(ground, 0.9, 0.03, (20, 66, 96), rough=0.5)
    scenery.weeds(ground)
    dots(ground, (220, 246, 255), 20 + 14 * ground.level, (0.1, 0.9), (2, 9))
    return replace(ground, has_floor=False)
