"""Colours: their names in prompts, and the few mixtures that drawing needs."""

from __future__ import annotations

import colorsys
import tomllib
from functools import cache
from pathlib import Path

RGB = tuple[int, int, int]

WHITE: RGB = (252, 250, 245)
INK: RGB = (30, 32, 42)


def from_hex(text: str) -> RGB:
    """Read `#rgb` or `#rrggbb`, with or without the hash sign."""
    digits = text.lstrip("#")
    if len(digits) == 3:
        digits = "".join(digit * 2 for digit in digits)
    return int(digits[0:2], 16), int(digits[2:4], 16), int(digits[4:6], 16)


@cache
def named() -> dict[str, RGB]:
    """Return every colour name that a prompt may use, lower case, with its value."""
    with Path(__file__).with_name("colours.toml").open("rb") as file:
        return {name: from_hex(value) for name, value in tomllib.load(file)["names"].items()}


@cache
def palettes() -> tuple[tuple[RGB, RGB, RGB], ...]:
    """Return the main, accent and backdrop colours used when a prompt names none."""
    with Path(__file__).with_name("colours.toml").open("rb") as file:
        rows = tomllib.load(file)["palettes"]
    return tuple((from_hex(row[0]), from_hex(row[1]), from_hex(row[2])) for row in rows)


def mix(first: RGB, second: RGB, share: float) -> RGB:
    """Blend `share` of the second colour into the first."""
    return (
        round(first[0] + (second[0] - first[0]) * share),
        round(first[1] + (second[1] - first[1]) * share),
        round(first[2] + (second[2] - first[2]) * share),
    )


def lighter(colour: RGB, share: float = 0.16) -> RGB:
    """Blend towards a warm white."""
    return mix(colour, (255, 252, 244), share)


def darker(colour: RGB, share: float = 0.18) -> RGB:
    """Blend towards a cool near-black, which keeps shadows coloured."""
    return mix(colour, (18, 16, 38), share)


def luminance(colour: RGB) -> float:
    """Return the perceived brightness, 0 to 1."""
    return (0.2126 * colour[0] + 0.7152 * colour[1] + 0.0722 * colour[2]) / 255


def distance(first: RGB, second: RGB) -> float:
    """Return how far apart two colours are, 0 to about 441."""
    return sum((a - b) ** 2 for a, b in zip(first, second, strict=True)) ** 0.5


def turned(colour: RGB, degrees: float, *, saturation: float = 1.0, light: float | None = None) -> RGB:
    """Turn the hue; `light` replaces the lightness (0 to 1), `saturation` scales."""
    hue, old_light, sat = colorsys.rgb_to_hls(*(part / 255 for part in colour))
    parts = colorsys.hls_to_rgb(
        (hue + degrees / 360) % 1, old_light if light is None else light, min(1.0, sat * saturation)
    )
    return round(parts[0] * 255), round(parts[1] * 255), round(parts[2] * 255)


def readable_on(ground: RGB) -> RGB:
    """Return the ink or the white that reads better on `ground`."""
    return INK if luminance(ground) > 0.5 else WHITE


def backdrop_for(main: RGB) -> RGB:
    """Return a quiet backdrop that lets `main` stand out."""
    if min(main) > 185:
        return turned(main, 200, saturation=0.55, light=0.42)
    pale = turned(main, 165, saturation=0.5, light=0.86)
    return mix(pale, (240, 232, 220), 0.45)
