"""Regrades: new colours for a picture, or for one part of it, with its shading kept."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageEnhance, ImageFilter, ImageOps

from foundry_emulator.painter.colours import RGB, mix
from foundry_emulator.painter.cutout import filled
from foundry_emulator.painter.ground import blurred, curve, glow, gradient

Light = tuple[float, float, float]
# What is left of red, green and blue: at the top, at the horizon (1) and below, down to the bottom (2).
DUSK: tuple[tuple[float, Light], ...] = (
    (0, (0.50, 0.36, 0.62)),
    (0.55, (0.82, 0.48, 0.60)),
    (0.92, (1.08, 0.66, 0.52)),
    (1.12, (0.70, 0.52, 0.62)),
    (2, (0.56, 0.44, 0.56)),
)
NIGHT: tuple[tuple[float, Light], ...] = (
    (0, (0.14, 0.17, 0.40)),
    (0.92, (0.30, 0.36, 0.62)),
    (1.12, (0.24, 0.28, 0.50)),
    (2, (0.22, 0.24, 0.40)),
)
MUTED = 0.3
"""How far colours fade when the sun is down."""
STRIPE = 256


Field = NDArray[np.floating]


def recoloured(image: Image.Image, target: RGB, part: Image.Image) -> Image.Image:
    """Give the main colour of `part` (a mask) another hue; lights and shadows stay."""
    size = (max(1, image.width * 400 // max(image.size)), max(1, image.height * 400 // max(image.size)))
    small, inside = image.convert("RGB").resize(size), part.resize(size)
    hue = _main_hue(small, inside)
    chosen = _chosen(small, inside, hue)
    light = np.asarray(small.convert("L"), dtype=np.float32)
    mean = max(24.0, float((light * chosen).sum() / max(1.0, float(chosen.sum()))))
    rgb = image.convert("RGB")
    for top in range(0, image.height, STRIPE):
        # In stripes: floating-point copies of a large picture would take hundreds of megabytes.
        box = (0, top, image.width, min(image.height, top + STRIPE))
        strip = rgb.crop(box)
        mask = Image.fromarray((_chosen(strip, part.crop(box), hue) * 255).astype(np.uint8))
        rgb.paste(_shaded_as(strip, target, mean), (0, top), mask)
    if image.mode == "RGBA":
        rgb.putalpha(image.getchannel("A"))
    return rgb


def _main_hue(image: Image.Image, part: Image.Image) -> float | None:
    """Return the hue most of the part has, or None where it is nearly grey."""
    hue, saturation = _tints(image)
    inside = np.asarray(part, dtype=np.float32) / 255
    weight = inside * saturation
    if weight.sum() < 0.12 * max(1.0, float(inside.sum())):
        return None
    bins = np.bincount((hue * 36).astype(np.intp).ravel() % 36, weight.ravel(), 36)
    return (int((bins + np.roll(bins, 1) + np.roll(bins, -1)).argmax()) + 0.5) / 36


def _chosen(image: Image.Image, part: Image.Image, hue: float | None) -> Field:
    """Return how far each pixel of the part has the hue, 0 to 1."""
    inside = np.asarray(part, dtype=np.float32) / 255
    if hue is None:
        return inside
    hues, saturation = _tints(image)
    apart = np.abs((hues - hue + 0.5) % 1 - 0.5)
    return inside * np.clip((0.11 - apart) * 25, 0, 1) * np.clip(saturation * 6 - 0.5, 0, 1)


def _tints(image: Image.Image) -> tuple[Field, Field]:
    """Return hue and saturation, 0 to 1."""
    parts = np.asarray(image.convert("HSV"), dtype=np.float32) / 255
    return parts[..., 0], parts[..., 1]


def _shaded_as(image: Image.Image, target: RGB, mean: float) -> Image.Image:
    """Return `target` with the lights and shadows of the picture, `mean` being its middle tone."""
    ratio = np.asarray(image.convert("L"), dtype=np.float32) / mean
    shaded = np.minimum(ratio, 1)[..., None] * np.array(target, dtype=np.float32)
    lit = np.clip((ratio - 1) * 0.6, 0, 0.75)[..., None]
    return Image.fromarray((shaded * (1 - lit) + 255 * lit).clip(0, 255).astype(np.uint8))


def _through(image: Image.Image, other: Image.Image, mask: Image.Image) -> Image.Image:
    """Lay `other` over the picture through the mask; its own alpha stays."""
    mixed = Image.composite(other.convert("RGB"), image.convert("RGB"), mask)
    if image.mode == "RGBA":
        mixed.putalpha(image.getchannel("A"))
    return mixed


def _keeping_alpha(image: Image.Image, change: Callable[[Image.Image], Image.Image]) -> Image.Image:
    changed = change(image.convert("RGB"))
    if image.mode == "RGBA":
        changed.putalpha(image.getchannel("A"))
    return changed


def tinted(image: Image.Image, colour: RGB, strength: float) -> Image.Image:
    """Colour the whole picture in the manner of a gel before the lamp."""
    toned = ImageOps.colorize(image.convert("L"), (12, 10, 24), (255, 252, 244), mid=colour)
    return _keeping_alpha(image, lambda rgb: Image.blend(rgb, toned, strength))


def balanced(image: Image.Image, gains: tuple[float, float, float]) -> Image.Image:
    """Scale the channels: over 1 in red is warmer, over 1 in blue cooler."""
    tables = [min(255, round(value * gain)) for gain in gains for value in range(256)]
    return _keeping_alpha(image, lambda rgb: rgb.point(tables))


def _vivid(rgb: Image.Image) -> Image.Image:
    return ImageEnhance.Color(ImageEnhance.Contrast(rgb).enhance(1.18)).enhance(1.6)


def _faded(rgb: Image.Image) -> Image.Image:
    return Image.blend(
        ImageEnhance.Color(rgb).enhance(0.5), Image.new("RGB", rgb.size, (236, 230, 224)), 0.22
    )


TONES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "warmer": lambda image: balanced(image, (1.13, 1.02, 0.8)),
    "cooler": lambda image: balanced(image, (0.84, 1.0, 1.16)),
    "darker": lambda image: balanced(image, (0.6, 0.6, 0.66)),
    "brighter": lambda image: balanced(image, (1.22, 1.22, 1.2)),
    "vivid": lambda image: _keeping_alpha(image, _vivid),
    "faded": lambda image: _keeping_alpha(image, _faded),
    "grey": lambda image: _keeping_alpha(image, lambda rgb: rgb.convert("L").convert("RGB")),
    "flip": ImageOps.mirror,
}


def at_hour(image: Image.Image, hour: str, subject: Image.Image, *, is_lit: bool = False) -> Image.Image:
    """Give the picture the light of dusk or night; with `is_lit` the subject is a light and shines.

    Every pixel is toned by its height alone, so that no outline can show.
    """
    horizon = max(0.3, min(_horizon(image), _usual(image)[1] + 0.12))
    tints = NIGHT if hour == "night" else DUSK
    toned = image.convert("RGB")
    heights = [share * horizon if share <= 1 else horizon + (share - 1) * (1 - horizon) for share, _ in tints]
    for top in range(0, image.height, STRIPE):
        box = (0, top, image.width, min(image.height, top + STRIPE))
        pixels = np.asarray(toned.crop(box), dtype=np.float32)
        light = pixels @ np.array((0.3, 0.59, 0.11), dtype=np.float32)
        rows = (np.arange(box[1], box[3], dtype=np.float32) + 0.5) / image.height
        tint = np.stack(
            [np.interp(rows, heights, channel) for channel in zip(*(t for _, t in tints), strict=True)], -1
        )
        muted = pixels * (1 - MUTED) + light[..., None] * MUTED
        shaded = muted * tint[:, None].astype(np.float32)
        toned.paste(Image.fromarray(shaded.clip(0, 255).astype(np.uint8)), (0, top))
    if is_lit:
        toned = _shining(toned, image.convert("RGB"), subject)
    return _keeping_alpha(image, lambda _: toned)


def _shining(toned: Image.Image, day: Image.Image, subject: Image.Image) -> Image.Image:
    """Let what is warm and bright in the subject keep its light, and cast some around."""
    red, _, blue = day.split()
    warm = curve(ImageChops.subtract(red, blue), lambda level: min(255, max(0, (level - 95) * 6)))
    bright = curve(red, lambda level: min(255, max(0, (level - 160) * 5)))
    lamp = ImageChops.multiply(ImageChops.multiply(warm, bright), _grown(subject))
    lit = Image.composite(balanced(day, (1.06, 1.02, 0.94)), toned, lamp)
    reach = max(day.size)
    for radius, strength in ((reach / 60, 0.35), (reach / 12, 0.55)):
        halo = blurred(Image.composite(day, Image.new("RGB", day.size), lamp), radius)
        lit = ImageChops.screen(lit, halo.point([round(level * strength) for level in range(256)] * 3))
    return lit


def _grown(subject: Image.Image) -> Image.Image:
    """Return the mask a little larger and solid: the colours draw the outline, not the mask."""
    small = subject.resize((max(1, subject.width // 8), max(1, subject.height // 8)))
    solid = curve(small, lambda level: 255 if level > 90 else 0).filter(ImageFilter.MaxFilter(5))
    return solid.resize(subject.size, Image.Resampling.BILINEAR)


def with_sky(image: Image.Image, colours: tuple[RGB, ...]) -> Image.Image:
    """Give the sky these colours from the top to the horizon, the last one as a thin band."""
    first, low = colours[0], colours[-1]
    usual, depth = _usual(image)
    horizon = min(_horizon(image), depth + 0.12)
    sky = Image.new("RGB", image.size, low)
    top = max(2, int(image.height * horizon))
    stops = ((0.0, first), (0.62, first), (0.86, mix(first, low, 0.45)), (1.0, low))
    sky.paste(gradient((image.width, top), stops), (0, 0))
    grey = ((0, 255), (max(0.02, horizon - 0.04), 255), (min(0.98, horizon + 0.04), 0), (1, 0))
    fade = gradient(image.size, [(at, (level, level, level)) for at, level in grey]).convert("L")
    for band in range(0, image.height, STRIPE):
        box = (0, band, image.width, min(image.height, band + STRIPE))
        pixels = np.asarray(image.convert("RGB").crop(box), dtype=np.float32)
        shares, details = _sky_in(pixels, usual[box[1] : box[3], None])
        lit = np.asarray(sky.crop(box), dtype=np.float32) * details[..., None]
        sky.paste(Image.fromarray(lit.clip(0, 255).astype(np.uint8)), (0, band))
        share = Image.fromarray((shares * 255).astype(np.uint8))
        fade.paste(ImageChops.multiply(fade.crop(box), share), (0, band))
    return _through(image, sky, fade)


def _usual(image: Image.Image) -> tuple[Field, float]:
    """Return the sky's colour row by row, and the share of the height at which rows are something else.

    From there on it is the last colour that the sky had.
    """
    rows = np.asarray(image.convert("RGB").resize((64, 100), Image.Resampling.BOX), dtype=np.float32)
    usual = np.median(rows, axis=1)
    ends = np.flatnonzero(np.abs(np.diff(usual, axis=0)).max(axis=1) > 24)
    end = int(ends[0]) + 1 if len(ends) else 100
    usual[end:] = usual[end - 1]
    padded = np.pad(usual, ((6, 6), (0, 0)), mode="edge")
    # Clouds that fill half a row must not change what counts as sky from one row to the next.
    smooth = np.stack([np.convolve(padded[:, at], np.full(13, 1 / 13), "valid") for at in range(3)], axis=-1)
    at = np.linspace(0, 99, image.height)
    return np.stack([np.interp(at, np.arange(100), smooth[:, one]) for one in range(3)], axis=-1), end / 100


def _sky_in(pixels: Field, usual: Field) -> tuple[Field, Field]:
    """Return what is sky, by colour alone so that outlines stay sharp, and the lights and shadows in it."""
    light, sky_light = pixels.mean(axis=-1), usual.mean(axis=-1)
    tint = (pixels[..., 0] - pixels[..., 2]) - (usual[..., 0] - usual[..., 2])
    shares = np.clip((58 - (sky_light - light)) / 24, 0, 1) * np.clip((180 - np.abs(tint)) / 40, 0, 1)
    return shares, np.clip(1 + (light - sky_light) / 420, 0.8, 1.25)


def _horizon(image: Image.Image) -> float:
    """Return where the strongest horizontal edge at both sides lies, as a share of the height."""
    small = np.asarray(image.convert("L").resize((40, 100), Image.Resampling.BOX), dtype=np.float32)
    sides = np.median(np.concatenate([small[:, :8], small[:, -8:]], axis=1), axis=1)
    steps = np.abs(np.diff(sides))[25:85]
    return (25 + int(steps.argmax())) / 100 if steps.max() > 6 else 0.6


def softened_behind(image: Image.Image, subject: Image.Image) -> Image.Image:
    """Blur everything but the subject."""
    keep = curve(subject.filter(ImageFilter.GaussianBlur(3)), lambda value: 255 - value)
    # What is behind it must not take its colour.
    behind = filled(image.convert("RGB"), subject.filter(ImageFilter.MaxFilter(9)))
    return _through(image, blurred(behind, max(image.size) / 45), keep)


def glowing(image: Image.Image, subject: Image.Image) -> Image.Image:
    """Let the subject shed a warm light around itself."""
    solid = curve(subject, lambda level: 255 if level > 200 else 0).getbbox()
    left, top, right, bottom = solid or (0, 0, *image.size)
    lit = image.convert("RGB")
    reach = max(right - left, bottom - top)
    centre = ((left + right) / 2, top + (bottom - top) * 0.6)
    glow(lit, centre, reach * 0.95, (255, 196, 92), 0.34)
    glow(lit, centre, reach * 0.5, (255, 226, 150), 0.42)
    return _through(image, lit, Image.new("L", image.size, 255))


def drifted(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Let every pixel wander by at most two steps, as a service that repaints the whole picture does."""
    alpha = image.getchannel("A") if image.mode == "RGBA" else None
    pixels = np.array(image.convert("RGB"))
    noise = rng.integers(-2, 3, (STRIPE, image.width, 3), dtype=np.int16)
    for top in range(0, image.height, STRIPE):
        part = pixels[top : top + STRIPE]
        pixels[top : top + STRIPE] = np.clip(part + np.roll(noise, top * 7, axis=1)[: len(part)], 0, 255)
    moved = Image.fromarray(pixels)
    if alpha is not None:
        moved.putalpha(alpha)
    return moved
