"""Backdrops under an open sky, by day."""

from __future__ import annotations

from dataclasses import replace

from foundry_emulator.painter import scenery
from foundry_emulator.painter.colours import WHITE, mix
from foundry_emulator.painter.ground import (
    Ground,
    Mood,
    clouds,
    cover,
    dots,
    glow,
    gradient,
    ridge,
)


def beach(ground: Ground, mood: Mood) -> Ground:
    """Sky, sea, foam and warm sand."""
    cover(
        ground,
        gradient(
            ground.image.size,
            ((0, mood.tinted((88, 178, 228))), (0.5, (206, 236, 244)), (1, (206, 236, 244))),
        ),
    )
    glow(
        ground.image,
        (ground.width * 0.8, ground.height * 0.14),
        min(ground.image.size) * 0.3,
        (255, 248, 214),
        0.95,
    )
    clouds(ground, WHITE, 2 + ground.level, (0.1, 0.34))
    scenery.water(ground, 0.5, (38, 138, 176), (98, 200, 208))
    for depth, colour in ((0.715, (250, 252, 248)), (0.73, (240, 222, 184))):
        ridge(ground, depth, 0.012, colour, rough=0.2)
    dots(ground, (204, 176, 132), 60 * ground.level, (0.78, 1), (0.8, 2.2))
    scenery.palm(ground, 0.04, 0.74)
    return replace(ground, shadow=(120, 84, 50), floor=0.9)


def sea(ground: Ground, mood: Mood) -> Ground:
    """Open water under a bright sky."""
    cover(
        ground,
        gradient(
            ground.image.size,
            ((0, mood.tinted((94, 168, 224))), (0.55, (224, 238, 240)), (1, (224, 238, 240))),
        ),
    )
    glow(
        ground.image,
        (ground.width * 0.24, ground.height * 0.2),
        min(ground.image.size) * 0.36,
        (255, 246, 210),
        0.9,
    )
    clouds(ground, WHITE, 3 + ground.level, (0.1, 0.42))
    scenery.water(ground, 0.56, (26, 104, 158), (74, 168, 200))
    return replace(ground, shadow=(10, 50, 88), floor=0.8)


def forest(ground: Ground, mood: Mood) -> Ground:
    """Rows of pines fading into mist."""
    cover(
        ground,
        gradient(
            ground.image.size,
            ((0, mood.tinted((188, 220, 206))), (0.6, (232, 238, 214)), (1, (160, 186, 140))),
        ),
    )
    glow(
        ground.image,
        (ground.width * 0.62, ground.height * 0.26),
        min(ground.image.size) * 0.5,
        (255, 250, 216),
        0.8,
    )
    for row, (foot, tall) in enumerate(((0.7, 0.34), (0.76, 0.4), (0.82, 0.46))):
        colour = mix((150, 188, 168), (30, 82, 62), row / 2)
        scenery.pines(ground, foot, tall, colour, gap=0.5 if row == 2 else 0.0)
    ridge(ground, 0.79, 0.012, (92, 134, 72), rough=0.25)
    glow(
        ground.image,
        (ground.width * 0.5, ground.height * 0.84),
        min(ground.image.size) * 0.45,
        (206, 222, 140),
        0.5,
    )
    return replace(ground, shadow=(22, 44, 30), floor=0.9)


def mountains(ground: Ground, mood: Mood) -> Ground:
    """Blue ranges, a snowy peak and a lake."""
    cover(
        ground,
        gradient(
            ground.image.size,
            ((0, mood.tinted((110, 168, 220))), (0.6, (246, 232, 214)), (1, (246, 232, 214))),
        ),
    )
    glow(
        ground.image,
        (ground.width * 0.74, ground.height * 0.24),
        min(ground.image.size) * 0.34,
        (255, 246, 206),
        0.95,
    )
    clouds(ground, WHITE, 1 + ground.level, (0.14, 0.36), 0.7)
    ridge(ground, 0.55, 0.1, (168, 186, 214), rough=0.62)
    scenery.peaks(ground, 0.72, mix((96, 118, 158), mood.main, 0.2))
    scenery.pines(ground, 0.76, 0.1, (44, 84, 84), gap=0.0)
    scenery.water(ground, 0.755, (84, 138, 176), (150, 194, 212))
    ridge(ground, 0.9, 0.02, (74, 116, 84), rough=0.28)
    return replace(ground, shadow=(24, 44, 50), floor=0.92)


def meadow(ground: Ground, mood: Mood) -> Ground:
    """Rolling green hills under a friendly sky."""
    cover(
        ground,
        gradient(
            ground.image.size,
            ((0, mood.tinted((118, 192, 238))), (0.62, (232, 244, 240)), (1, (232, 244, 240))),
        ),
    )
    glow(
        ground.image,
        (ground.width * 0.84, ground.height * 0.14),
        min(ground.image.size) * 0.28,
        (255, 250, 206),
        0.95,
    )
    clouds(ground, WHITE, 3 + ground.level, (0.08, 0.36))
    ridge(ground, 0.64, 0.04, (158, 206, 146), rough=0.22)
    ridge(ground, 0.71, 0.035, (126, 188, 112), rough=0.22)
    ridge(ground, 0.8, 0.016, (100, 168, 92), rough=0.22)
    scenery.blades(ground, 0.84, (78, 146, 76))
    for colour in (mood.accent, WHITE, mood.main):
        dots(ground, colour, 8 + 7 * ground.level, (0.84, 0.99), (2, 4.6))
    return replace(ground, shadow=(30, 66, 34), floor=0.9)


def desert(ground: Ground, mood: Mood) -> Ground:
    """Dunes under a hot sky."""
    cover(
        ground,
        gradient(
            ground.image.size,
            ((0, mood.tinted((96, 176, 210))), (0.6, (255, 226, 176)), (1, (255, 226, 176))),
        ),
    )
    glow(
        ground.image,
        (ground.width * 0.26, ground.height * 0.24),
        min(ground.image.size) * 0.4,
        (255, 246, 200),
        1.0,
    )
    for y, colour in ((0.64, (236, 178, 118)), (0.71, (226, 160, 96)), (0.8, (238, 184, 122))):
        ridge(ground, y, 0.05, colour, rough=0.18)
    dots(ground, (206, 146, 90), 50 * ground.level, (0.84, 1), (0.8, 2))
    return replace(ground, shadow=(120, 64, 30), floor=0.9)


def snow(ground: Ground, mood: Mood) -> Ground:
    """White hills, pines and falling flakes."""
    cover(
        ground,
        gradient(
            ground.image.size,
            ((0, mood.tinted((138, 172, 212))), (0.65, (228, 236, 246)), (1, (228, 236, 246))),
        ),
    )
    ridge(ground, 0.62, 0.06, (196, 210, 230), rough=0.5)
    scenery.pines(ground, 0.74, 0.26, (92, 128, 138), gap=0.0)
    ridge(ground, 0.73, 0.02, (240, 245, 251), rough=0.22)
    ridge(ground, 0.84, 0.015, (250, 252, 255), rough=0.2)
    dots(ground, WHITE, 50 + 40 * ground.level, (0, 1), (1.2, 5))
    return replace(ground, shadow=(92, 112, 158), floor=0.9)


def sky(ground: Ground, mood: Mood) -> Ground:
    """Above the clouds."""
    cover(
        ground,
        gradient(
            ground.image.size,
            (
                (0, mood.tinted((78, 158, 226))),
                (0.7, mood.tinted((196, 228, 246), 0.25)),
                (1, (244, 246, 242)),
            ),
        ),
    )
    glow(
        ground.image,
        (ground.width * 0.8, ground.height * 0.16),
        min(ground.image.size) * 0.36,
        (255, 250, 220),
        0.9,
    )
    clouds(ground, (236, 244, 250), 4 + ground.level, (0.12, 0.6), 0.75)
    clouds(ground, WHITE, 9, (0.86, 1.0), 0.95)
    return replace(ground, has_floor=False)


def river(ground: Ground, mood: Mood) -> Ground:
    """Calm water between low hills and a grassy bank."""
    stops = ((0, mood.tinted((112, 178, 226))), (0.55, (236, 240, 232)), (1, (236, 240, 232)))
    cover(ground, gradient(ground.image.size, stops))
    light = (ground.width * 0.78, ground.height * 0.2)
    glow(ground.image, light, min(ground.image.size) * 0.34, (255, 248, 210), 0.9)
    clouds(ground, WHITE, 2 + ground.level, (0.1, 0.34))
    ridge(ground, 0.53, 0.06, mood.tinted((150, 178, 190), 0.3), rough=0.4)
    ridge(ground, 0.58, 0.03, mood.tinted((110, 158, 128), 0.25), rough=0.3)
    scenery.water(ground, 0.6, mood.tinted((70, 134, 176), 0.3), mood.tinted((136, 190, 210), 0.2))
    ridge(ground, 0.82, 0.014, mood.tinted((104, 164, 96), 0.25), rough=0.22)
    scenery.blades(ground, 0.86, mood.tinted((78, 140, 76), 0.25))
    return replace(ground, shadow=(26, 56, 40), floor=0.9)
