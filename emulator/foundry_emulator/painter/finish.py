"""Finishes: what a style or a quality does to the whole picture at the end."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageChops, ImageEnhance, ImageFilter

from foundry_emulator.painter.ground import blurred, curve, gradient

STRIPE = 256


def finished(image: Image.Image, style: str | None, level: int, rng: np.random.Generator) -> Image.Image:
    """Give the picture the surface of its style, then grain by quality."""
    if style == "watercolour":
        image = watercolour(image, rng)
    elif style == "pixel":
        image = pixelated(image, 72 + 28 * level)
    elif style == "vintage":
        image = vintage(image)
    elif style == "photo":
        image = _photo(image)
    if level > 2 and style not in ("pixel", "watercolour"):
        image = _crisp(image, level)
    if style == "pixel" or level == 0:
        return image
    return grained(image, (0, 1.6, 2.2, 2.6, 3.0)[level], rng)


def _crisp(image: Image.Image, level: int) -> Image.Image:
    """Bring out edges, the difference of the two finest qualities."""
    return image.filter(ImageFilter.UnsharpMask(max(1.2, max(image.size) / 700), 45 * (level - 2), 2))


def grained(image: Image.Image, strength: float, rng: np.random.Generator) -> Image.Image:
    """Add monochrome grain; it also hides the steps of 8-bit gradients."""
    tile = rng.normal(0, strength, (STRIPE, STRIPE)).round().astype(np.int16)
    across = -(-image.width // STRIPE)
    row = np.tile(tile, (1, across))[:, : image.width, None]
    alpha = image.getchannel("A") if image.mode == "RGBA" else None
    pixels = np.array(image.convert("RGB"))
    for top in range(0, image.height, STRIPE):
        part = pixels[top : top + STRIPE]
        pixels[top : top + STRIPE] = np.clip(part + row[: len(part)], 0, 255)
    grainy = Image.fromarray(pixels)
    if alpha is not None:
        grainy.putalpha(alpha)
    return grainy


def watercolour(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Let edges wander, pool pigment at them, and show paper through."""
    alpha = image.getchannel("A") if image.mode == "RGBA" else None
    width, height = image.size
    scale = max(1, -(-max(width, height) // 760))
    small = image.convert("RGB").reduce(scale)
    wet = _displaced(small, rng, max(small.size) / 220).filter(ImageFilter.ModeFilter(5))
    edges = wet.convert("L").filter(ImageFilter.FIND_EDGES).filter(ImageFilter.GaussianBlur(1.2))
    pooled = ImageChops.subtract(
        wet, Image.merge("RGB", [curve(edges, lambda value: min(70, value // 2))] * 3)
    )
    wash = curve(
        _noise(small.size, rng, max(10, max(small.size) // 36)), lambda value: 214 + value * 41 // 255
    )
    fibre = curve(_noise(small.size, rng, 1), lambda value: 236 + value * 19 // 255)
    washed = ImageEnhance.Color(pooled).enhance(0.9)
    paper = Image.new("RGB", small.size, (252, 247, 236))
    washed = Image.composite(washed, paper, wash)
    washed = ImageChops.multiply(washed, Image.merge("RGB", [fibre] * 3))
    if alpha is None:
        washed = Image.composite(washed, paper, _ragged(small.size, rng))
    full = washed.resize(image.size, Image.Resampling.BICUBIC)
    if alpha is not None:
        full.putalpha(alpha)
    return full


def _displaced(image: Image.Image, rng: np.random.Generator, reach: float) -> Image.Image:
    width, height = image.size
    shift_x = (np.asarray(_noise(image.size, rng, 24), dtype=np.float32) - 128) / 128 * reach * 2.4
    shift_y = (np.asarray(_noise(image.size, rng, 24), dtype=np.float32) - 128) / 128 * reach * 2.4
    rows, columns = np.mgrid[0:height, 0:width]
    from_y = np.clip(rows + shift_y, 0, height - 1).astype(np.intp)
    from_x = np.clip(columns + shift_x, 0, width - 1).astype(np.intp)
    return Image.fromarray(np.asarray(image)[from_y, from_x])


def _noise(size: tuple[int, int], rng: np.random.Generator, cell: int) -> Image.Image:
    """Return smooth random blotches about `cell` pixels wide, values over the whole 0 to 255."""
    shape = (max(2, size[1] // cell), max(2, size[0] // cell))
    base = Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8))
    return base.resize(size, Image.Resampling.BICUBIC)


def _ragged(size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """Return a mask with an uneven border, as paint ends before the sheet does."""
    margin = max(6, min(size) // 22)
    frame = Image.new("L", size)
    frame.paste(255, (margin, margin, size[0] - margin, size[1] - margin))
    soft = np.asarray(frame.filter(ImageFilter.GaussianBlur(margin / 3)), dtype=np.float32)
    rough = (np.asarray(_noise(size, rng, max(3, margin // 3)), dtype=np.float32) - 128) * 0.9
    return Image.fromarray(np.clip((soft + rough - 110) * 6, 0, 255).astype(np.uint8))


def pixelated(image: Image.Image, cells: int) -> Image.Image:
    """Reduce to `cells` blocks along the longer edge and few colours."""
    share = cells / max(image.size)
    small = image.resize(
        (max(1, round(image.width * share)), max(1, round(image.height * share))), Image.Resampling.BOX
    )
    alpha = (
        curve(small.getchannel("A"), lambda value: 255 if value > 127 else 0)
        if image.mode == "RGBA"
        else None
    )
    few = small.convert("RGB").quantize(40, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).convert("RGB")
    if alpha is not None:
        few.putalpha(alpha)
    return few.resize(image.size, Image.Resampling.NEAREST)


def vintage(image: Image.Image) -> Image.Image:
    """Fade towards sepia with a vignette."""
    alpha = image.getchannel("A") if image.mode == "RGBA" else None
    rgb = image.convert("RGB")
    grey = rgb.convert("L")
    sepia = Image.merge(
        "RGB",
        [
            curve(grey, lambda v: min(255, 34 + v * 226 // 255)),
            curve(grey, lambda v: 24 + v * 208 // 255),
            curve(grey, lambda v: 16 + v * 170 // 255),
        ],
    )
    aged = vignetted(Image.blend(rgb, sepia, 0.62), 0.5)
    if alpha is not None:
        aged.putalpha(alpha)
    return aged


def vignetted(image: Image.Image, strength: float) -> Image.Image:
    """Darken the corners of an opaque picture."""
    reach = np.linspace(-1, 1, 64)
    fall = np.clip(np.hypot(reach[None, :], reach[:, None]) - 0.62, 0, 1) * 255 * strength
    mask = Image.fromarray(fall.astype(np.uint8)).resize(image.size, Image.Resampling.BICUBIC)
    dark = Image.new("RGB", image.size, (14, 10, 22))
    return Image.composite(dark, image, mask)


def _photo(image: Image.Image) -> Image.Image:
    if image.mode == "RGBA":
        return image
    light = gradient(image.size, ((0, (255, 250, 240)), (1, (226, 226, 236))))
    bloom = blurred(image, max(image.size) / 60)
    return vignetted(
        Image.blend(ImageChops.multiply(image, light), ImageChops.screen(image, bloom), 0.12), 0.42
    )
