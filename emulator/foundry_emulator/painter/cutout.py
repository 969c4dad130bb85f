"""Cut-outs: which part of a picture is its subject, and what would be behind it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from foundry_emulator.painter.ground import curve

SIDE = 200
SMOOTH = 9.0
LIGHT_RANGE = 80.0
Field = NDArray[np.floating]


def foreground(image: Image.Image) -> Image.Image:
    """Return a soft mask of the subject, white inside, at the picture's size.

    A transparent picture says so itself. Otherwise what differs from a smooth backdrop, or from the colours
    at both ends of its own row, and does not reach the border, is the subject.
    """
    if image.mode == "RGBA":
        return image.getchannel("A")
    share = SIDE / max(image.size)
    small = image.resize(
        (max(8, round(image.width * share)), max(8, round(image.height * share))), Image.Resampling.BOX
    )
    pixels = np.asarray(small, dtype=np.float32)
    apart = np.minimum(_from_surface(pixels), _from_rows(pixels))
    limit = max(16.0, float(apart.mean()) * 0.75)
    # Lights and shadows on a wall change slowly; the outline of a thing does not.
    inside = ~_reached((apart < limit) | ((_steepness(pixels) < SMOOTH) & (apart < LIGHT_RANGE)))
    # What is seen through a handle is backdrop as well.
    through = Image.fromarray(((apart < limit * 0.5) * 255).astype(np.uint8)).filter(ImageFilter.MinFilter(5))
    inside &= np.asarray(through.filter(ImageFilter.MaxFilter(5))) == 0
    if not 0.004 < inside.mean() < 0.8:
        inside = _middle(inside.shape)
    mask = Image.fromarray((inside * 255).astype(np.uint8))
    mask = mask.filter(ImageFilter.MedianFilter(3)).filter(ImageFilter.GaussianBlur(0.8))
    return mask.resize(image.size, Image.Resampling.BICUBIC)


def _from_surface(pixels: Field) -> Field:
    """Return the distance from a quadratic surface fitted to the border."""
    height, width, _ = pixels.shape
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    y, x = rows / height - 0.5, columns / width - 0.5
    terms = np.stack([np.ones_like(x), x, y, x * x, y * y, x * y, y**3], axis=-1)
    edge = (np.abs(x) > 0.44) | (np.abs(y) > 0.44)
    weights = np.linalg.lstsq(terms[edge], pixels[edge], rcond=None)[0]
    return np.sqrt((((terms @ weights) - pixels) ** 2).sum(axis=-1)).astype(np.float32)


def _from_rows(pixels: Field) -> Field:
    """Return the distance from a blend of both ends of the row: landscapes lie in layers."""
    width = pixels.shape[1]
    edge = max(1, width // 40)
    left, right = pixels[:, :edge].mean(axis=1), pixels[:, -edge:].mean(axis=1)
    share = np.linspace(0, 1, width, dtype=np.float32)[None, :, None]
    layered = left[:, None] * (1 - share) + right[:, None] * share
    return np.sqrt(((layered - pixels) ** 2).sum(axis=-1)).astype(np.float32)


def _steepness(pixels: Field) -> Field:
    down, across = np.gradient(pixels, axis=(0, 1))
    return np.sqrt((down**2 + across**2).sum(axis=-1)).astype(np.float32)


def _reached(passable: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return what can be reached from the border through passable cells."""
    reached = np.zeros_like(passable)
    reached[0], reached[-1], reached[:, 0], reached[:, -1] = (
        passable[0],
        passable[-1],
        passable[:, 0],
        passable[:, -1],
    )
    count = -1
    while count != (count := int(reached.sum())):
        for _ in range(8):
            grown = reached.copy()
            grown[1:] |= reached[:-1]
            grown[:-1] |= reached[1:]
            grown[:, 1:] |= reached[:, :-1]
            grown[:, :-1] |= reached[:, 1:]
            reached = grown & passable
    return reached


def _middle(shape: tuple[int, ...]) -> NDArray[np.bool_]:
    y, x = np.linspace(-1, 1, shape[0])[:, None], np.linspace(-1, 1, shape[1])[None, :]
    return (x / 0.55) ** 2 + ((y - 0.1) / 0.7) ** 2 < 1


def filled(image: Image.Image, hole: Image.Image) -> Image.Image:
    """Fill the white part of `hole` from its surroundings, smoothly."""
    rgb = image.convert("RGB")
    share = min(1.0, 512 / max(rgb.size))
    size = (max(2, round(rgb.width * share)), max(2, round(rgb.height * share)))
    known = (
        1
        - np.asarray(
            hole.resize(size, Image.Resampling.BOX).filter(ImageFilter.MaxFilter(5)), dtype=np.float32
        )
        / 255
    )
    known[known < 0.98] = 0
    spread = _push_pull(np.asarray(rgb.resize(size, Image.Resampling.BOX), dtype=np.float32), known)
    patch = Image.fromarray(spread.clip(0, 255).astype(np.uint8)).resize(rgb.size, Image.Resampling.BICUBIC)
    wider = curve(hole.filter(ImageFilter.GaussianBlur(2)), lambda value: min(255, value * 2))
    mended = Image.composite(patch, rgb, wider)
    if image.mode == "RGBA":
        mended.putalpha(image.getchannel("A"))
    return mended


def _push_pull(pixels: Field, known: Field) -> Field:
    """Average known pixels over ever larger blocks and use the finest that knows anything."""
    if min(known.shape) < 2 or known.min() > 0:
        return pixels
    height, width = known.shape[0] // 2 * 2, known.shape[1] // 2 * 2
    if not height or not width:
        return pixels
    blocks = (height // 2, 2, width // 2, 2)
    weight = np.einsum("aibj->ab", known[:height, :width].reshape(blocks))
    total = np.einsum("aibjc->abc", (pixels * known[..., None])[:height, :width].reshape(*blocks, 3))
    smaller = total / np.maximum(weight, 1e-6)[..., None]
    coarse = _push_pull(smaller.astype(np.float32), np.minimum(weight, 1).astype(np.float32))
    rows = [min(row // 2, height // 2 - 1) for row in range(known.shape[0])]
    columns = [min(column // 2, width // 2 - 1) for column in range(known.shape[1])]
    wide = coarse[rows][:, columns]
    soft = np.stack([_softened(wide[..., channel]) for channel in range(3)], axis=-1)
    share = np.minimum(known, 1)[..., None]
    return (pixels * share + soft * (1 - share)).astype(np.float32)


def _softened(channel: Field) -> Field:
    padded = np.pad(channel, 1, mode="edge")
    lines = (padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4
    return (lines[:, :-2] + 2 * lines[:, 1:-1] + lines[:, 2:]) / 4


def continued(sheet: Image.Image, known: tuple[int, int, int, int]) -> Image.Image:
    """Continue the part inside `known` to the edges of the sheet, blurring with distance."""
    left, top, right, bottom = known
    inner = sheet.crop(known)
    wide = Image.new("RGB", sheet.size)
    strips = (
        ((0, top, left, bottom), inner.crop((0, 0, 1, inner.height))),
        ((right, top, sheet.width, bottom), inner.crop((inner.width - 1, 0, inner.width, inner.height))),
        ((0, 0, sheet.width, top), inner.crop((0, 0, inner.width, 1))),
        (
            (0, bottom, sheet.width, sheet.height),
            inner.crop((0, inner.height - 1, inner.width, inner.height)),
        ),
    )
    for box, strip in strips:
        if box[0] < box[2] and box[1] < box[3]:
            soft = strip.resize((max(1, strip.width // 24), max(1, strip.height // 24)), Image.Resampling.BOX)
            wide.paste(soft.resize((box[2] - box[0], box[3] - box[1]), Image.Resampling.BICUBIC), box[:2])
    wide.paste(inner, (left, top))
    feather = max(2, min(sheet.size) // 60)
    blend = Image.new("L", sheet.size)
    blend.paste(
        255,
        (
            left + feather * (left > 0),
            top + feather * (top > 0),
            right - feather * (right < sheet.width),
            bottom - feather * (bottom < sheet.height),
        ),
    )
    blend = blend.filter(ImageFilter.BoxBlur(feather))
    blend.paste(0, (0, 0, left, sheet.height))
    blend.paste(0, (right, 0, sheet.width, sheet.height))
    behind = wide.filter(ImageFilter.GaussianBlur(feather))
    return Image.composite(sheet, behind, blend)
