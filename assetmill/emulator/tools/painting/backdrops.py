"""Backdrops: the place a prompt sets its subjects in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from assetmill.emulator.tools.painting import scenery
from assetmill.emulator.tools.painting.colours import RGB, WHITE, darker, lighter, luminance, mix, turned
from assetmill.emulator.tools.painting.ground import (
    Ground,
    clouds,
    dots,
    glow,
    gradient,
    oval,
    polygons,
    ridge,
)


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


def paint(setting: str, size: tuple[int, int], mood: Mood, rng: np.random.Generator, level: int) -> Ground:
    """Paint the setting over a whole picture."""
    ground = Ground(Image.new("RGB", size, mood.quiet), rng, level)
    return PAINTERS.get(setting, studio)(ground, mood)


def _over(ground: Ground, image: Image.Image) -> None:
    ground.image.paste(image)


def studio(ground: Ground, mood: Mood) -> Ground:
    """A seamless sweep: wall, curved floor, a light behind the subject."""
    base = mood.asked or mood.quiet
    wall, floor = darker(base, 0.06), lighter(base, 0.1)
    width, height = ground.width, ground.height
    _over(
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
    _over(ground, Image.new("RGB", ground.image.size, base))
    side = min(ground.width, ground.height)
    disc = oval(0.5, 0.5, 0.4 * side / ground.width, 0.4 * side / ground.height, 160)
    polygons(ground, mix(base, lighter(mood.main, 0.35), 0.3), [disc])
    return replace(ground, shadow=darker(base, 0.6))


def dusk(ground: Ground, mood: Mood) -> Ground:
    """A low sun between violet sky and dark hills."""
    stops: list[tuple[float, RGB]] = [
        (0, (44, 36, 92)),
        (0.28, (122, 62, 128)),
        (0.48, (236, 112, 98)),
        (0.62, (255, 190, 116)),
        (1, (255, 214, 150)),
    ]
    _over(ground, gradient(ground.image.size, [(at, mood.tinted(colour, 0.3)) for at, colour in stops]))
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
    _over(
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


def beach(ground: Ground, mood: Mood) -> Ground:
    """Sky, sea, foam and warm sand."""
    _over(
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
    _over(
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


def underwater(ground: Ground, mood: Mood) -> Ground:
    """Light shafts, bubbles, a reef below."""
    _over(
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


def forest(ground: Ground, mood: Mood) -> Ground:
    """Rows of firs fading into mist."""
    _over(
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
        scenery.firs(ground, foot, tall, colour, gap=0.5 if row == 2 else 0.0)
    ridge(ground, 0.79, 0.012, (92, 134, 72), rough=0.25)
    glow(
        ground.image,
        (ground.width * 0.5, ground.height * 0.84),
        min(ground.image.size) * 0.45,
        (206, 222, 140),
        0.5,
    )
    return replace(ground, shadow=(22, 44, 30), floor=0.9)


def city(ground: Ground, mood: Mood) -> Ground:
    """Layers of towers with lit windows."""
    top, low = mood.tinted((126, 150, 200)), (250, 214, 190)
    _over(ground, gradient(ground.image.size, ((0, top), (0.66, low), (1, low))))
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
    _over(
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


def desk(ground: Ground, mood: Mood) -> Ground:
    """A wooden table before a wall with window light."""
    wall = mood.asked or mix(mood.quiet, (228, 222, 214), 0.4)
    _over(ground, gradient(ground.image.size, ((0, darker(wall, 0.1)), (0.7, lighter(wall, 0.1)), (1, wall))))
    for x in (0.12, 0.3):
        pane = [(x, 0.06), (x + 0.15, 0.1), (x + 0.23, 0.6), (x + 0.08, 0.58)]
        polygons(ground, (255, 250, 226), [pane], 0.34)
    scenery.shelf(ground, mood.accent)
    scenery.planks(ground, 0.7, (178, 124, 80))
    return replace(ground, shadow=(58, 32, 16), floor=0.87)


def room(ground: Ground, mood: Mood) -> Ground:
    """A wall, a framed print, a floor of boards and a rug."""
    wall = mood.asked or mix(mood.quiet, (224, 222, 216), 0.35)
    _over(ground, gradient(ground.image.size, ((0, darker(wall, 0.12)), (0.7, wall), (1, wall))))
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


def mountains(ground: Ground, mood: Mood) -> Ground:
    """Blue ranges, a snowy peak and a lake."""
    _over(
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
    scenery.firs(ground, 0.76, 0.1, (44, 84, 84), gap=0.0)
    scenery.water(ground, 0.755, (84, 138, 176), (150, 194, 212))
    ridge(ground, 0.9, 0.02, (74, 116, 84), rough=0.28)
    return replace(ground, shadow=(24, 44, 50), floor=0.92)


def meadow(ground: Ground, mood: Mood) -> Ground:
    """Rolling green hills under a friendly sky."""
    _over(
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
    _over(
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
    """White hills, firs and falling flakes."""
    _over(
        ground,
        gradient(
            ground.image.size,
            ((0, mood.tinted((138, 172, 212))), (0.65, (228, 236, 246)), (1, (228, 236, 246))),
        ),
    )
    ridge(ground, 0.62, 0.06, (196, 210, 230), rough=0.5)
    scenery.firs(ground, 0.74, 0.26, (92, 128, 138), gap=0.0)
    ridge(ground, 0.73, 0.02, (240, 245, 251), rough=0.22)
    ridge(ground, 0.84, 0.015, (250, 252, 255), rough=0.2)
    dots(ground, WHITE, 50 + 40 * ground.level, (0, 1), (1.2, 5))
    return replace(ground, shadow=(92, 112, 158), floor=0.9)


def space(ground: Ground, mood: Mood) -> Ground:
    """Nebulae, stars and a far planet."""
    _over(
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


def sky(ground: Ground, mood: Mood) -> Ground:
    """Above the clouds."""
    _over(
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


def abstract(ground: Ground, mood: Mood) -> Ground:
    """Overlapping rings and bands in the prompt's colours."""
    base = mood.asked or mood.quiet
    _over(ground, gradient(ground.image.size, ((0, lighter(base, 0.15)), (1, darker(base, 0.12)))))
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
    for step in range(3):
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
    _over(
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


PAINTERS: dict[str, Callable[[Ground, Mood], Ground]] = {
    "studio": studio, "plain": plain, "dusk": dusk, "night": night, "beach": beach, "sea": sea,
    "underwater": underwater, "forest": forest, "city": city, "street": street, "desk": desk, "room": room,
    "mountains": mountains, "meadow": meadow, "desert": desert, "snow": snow, "space": space, "sky": sky,
    "abstract": abstract, "neon": neon_grid,
}  # fmt: skip
