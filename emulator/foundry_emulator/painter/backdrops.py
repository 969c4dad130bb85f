"""Backdrops: the place a prompt sets its subjects in."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

from foundry_emulator.painter import interiors, landscapes, vistas
from foundry_emulator.painter.ground import Ground, Mood

PAINTERS: dict[str, Callable[[Ground, Mood], Ground]] = {
    "studio": interiors.studio,
    "plain": interiors.plain,
    "dusk": vistas.dusk,
    "night": vistas.night,
    "beach": landscapes.beach,
    "sea": landscapes.sea,
    "river": landscapes.river,
    "underwater": vistas.underwater,
    "forest": landscapes.forest,
    "city": vistas.city,
    "street": vistas.street,
    "desk": interiors.desk,
    "room": interiors.room,
    "window": interiors.window,
    "mountains": landscapes.mountains,
    "meadow": landscapes.meadow,
    "desert": landscapes.desert,
    "snow": landscapes.snow,
    "space": vistas.space,
    "sky": landscapes.sky,
    "abstract": interiors.abstract,
    "neon": interiors.neon_grid,
}


def paint(setting: str, size: tuple[int, int], mood: Mood, rng: np.random.Generator, level: int) -> Ground:
    """Paint the setting over a whole picture."""
    ground = Ground(Image.new("RGB", size, mood.quiet), rng, level)
    return PAINTERS.get(setting, interiors.studio)(ground, mood)
