"""Two pictures side by side: how alike they look, how much of them changed, and where.

SSIM as MATLAB computes it, by blazediff-ssim: luma, downsampled to about 256 pixels on the short side.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, cast

import blazediff_ssim
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops

from assetmill.looking import DARK, LIGHT, Form, Levels, Look, is_clear, over
from assetmill.pictures import PictureDamaged, examine

Grey = NDArray[np.uint8]

THRESHOLD = 8
"""A channel that differs by no more than this of 255 is what codecs and dithering do, not a change."""

_SHORTEST = 11
"""The window of SSIM; smaller pictures have no score."""

_HEAT_SIZE = 1440
"""Wider or taller, a heat map is not shown; at the largest picture's size it took gigabytes."""

_HEAT = ((0.0, (28, 22, 66)), (0.15, (122, 30, 108)), (0.45, (229, 80, 57)), (1.0, (255, 221, 87)))


@dataclass(frozen=True)
class Comparison:
    """How two pictures differ. `ssim` is 1.0 for the same, None when they are too small.

    `changed` is the share of pixels that differ visibly; `largest` the strongest difference of a channel, of
    255; `is_resized` says that the new one was scaled to the old one's size to be compared. `heat_map` has
    that size too, unless it is a large one. `before` and `after` are what was compared: of animations the
    frames that differ most. `notes` are what figures do not tell.
    """

    ssim: float | None
    changed: float
    largest: int
    is_resized: bool
    heat_map: Image.Image
    before: Image.Image
    after: Image.Image
    notes: tuple[str, ...] = ()


def open_picture(data: bytes) -> Look | None:
    """Return a whole picture to look at; None when the bytes are none, or a damaged or too large one."""
    try:
        examine(data)
    except PictureDamaged:
        return None
    return Look(data)


def compare_looks(before: Look, after: Look) -> Comparison:
    """Compare all frames of two pictures as they are seen; those that one has alone count as changed."""
    count = changed = missing = slower = 0.0
    scores: list[float] = []
    worst: Comparison | None = None
    levels = _joint_levels(before, after)
    for old, new in itertools.zip_longest(before.frames(levels=levels), after.frames(levels=levels)):
        count += 1
        if old is None or new is None:
            missing += 1
            continue
        slower += old.duration_ms != new.duration_ms
        found = compare(old.picture, new.picture)
        scores += [found.ssim] if found.ssim is not None else []
        changed += found.changed
        if worst is None or (found.changed, found.largest) > (worst.changed, worst.largest):
            worst = found
    if worst is None:
        raise ValueError("a picture without frames")
    notes = [*_form_notes(before.form, after.form), *(["frames are shown for other times"] if slower else [])]
    if not missing and not worst.changed:
        notes.append(
            f"no pixel differs by more than {worst.largest} of 255" if worst.largest else "it looks the same"
        )
    share = (changed + missing) / count
    return replace(worst, ssim=min(scores, default=None), changed=share, notes=tuple(notes))


def compare(before: Image.Image, after: Image.Image) -> Comparison:
    """Compare two RGBA pictures, over light and over dark where something shows through."""
    is_resized = before.size != after.size
    if is_resized:
        after = after.resize(before.size, Image.Resampling.LANCZOS)
    grounds = (LIGHT, DARK) if is_clear(before) or is_clear(after) else (LIGHT,)
    difference, scores = Image.new("L", before.size), list[float]()
    for ground in grounds:
        old, new = over(before, ground), over(after, ground)
        for channel in ImageChops.difference(old, new).split():
            difference = ImageChops.lighter(difference, channel)
        if (score := _ssim(old, new)) is not None:
            scores.append(score)
    counts = difference.histogram()
    return Comparison(
        ssim=min(scores, default=None),
        changed=sum(counts[THRESHOLD + 1 :]) / (before.width * before.height),
        largest=max(value for value, number in enumerate(counts) if number),
        is_resized=is_resized,
        heat_map=_heat_map(over(after, LIGHT), difference),
        before=before,
        after=after,
    )


def _joint_levels(before: Look, after: Look) -> Levels | None:
    """Return the levels over which both are spread: the same for both, or they could not be compared."""
    if before.levels and after.levels:
        return min(before.levels[0], after.levels[0]), max(before.levels[1], after.levels[1])
    return (0, 65535) if before.levels or after.levels else None


def _form_notes(old: Form, new: Form) -> Iterator[str]:
    """Yield what changed of how the file is to be shown, whether it is seen or not."""
    for name, first, second in (
        ("frames", old.frames, new.frames),
        ("bits a channel", old.depth_bits, new.depth_bits),
        ("camera's turn", old.turn, new.turn),
        ("colour profile", old.profile or "sRGB or none", new.profile or "sRGB or none"),
        ("print colours", old.is_cmyk, new.is_cmyk),
    ):
        if first != second:
            yield f"{name}: {first} \N{RIGHTWARDS ARROW} {second}"
    if min(old.depth_bits, new.depth_bits) > 8 and not (
        old.mode.startswith("I") and new.mode.startswith("I")
    ):
        yield "compared at 8 of 16 bits"


def _ssim(old: Image.Image, new: Image.Image) -> float | None:
    if min(old.size) < _SHORTEST:
        return None
    sides = (picture.convert("RGBA").tobytes() for picture in (old, new))
    # The package ships no types: what it returns is known from its documentation.
    result = cast(Any, blazediff_ssim).compare_rgba(*sides, old.width, old.height)
    return float(result.score)


def _heat_map(picture: Image.Image, difference: Image.Image) -> Image.Image:
    """Lay the differences in colour over a pale grey copy, so that one sees where they are.

    A large picture is scaled down first; of each square the strongest difference counts, so none is lost.
    """
    factor = -(-max(picture.size) // _HEAT_SIZE)
    small = np.asarray(picture.reduce(factor))
    strongest = _strongest(np.asarray(difference), factor)
    grey = small.astype(np.float32).mean(axis=2, keepdims=True) * 0.35 + 160.0
    strength = np.where(strongest > THRESHOLD, strongest / 255.0, 0.0).astype(np.float32)
    # A weak difference must be seen too, so it starts at half cover.
    cover = np.where(strength > 0, 0.5 + strength / 2, 0.0)[..., np.newaxis]
    stops = [stop for stop, _ in _HEAT]
    channels = [np.interp(strength, stops, [colour[n] for _, colour in _HEAT]) for n in range(3)]
    mixed = grey * (1 - cover) + np.stack(channels, axis=2) * cover
    return Image.fromarray(mixed.clip(0, 255).astype(np.uint8), "RGB")


def _strongest(difference: Grey, factor: int) -> Grey:
    height, width = difference.shape
    padded = np.pad(difference, ((0, -height % factor), (0, -width % factor)))
    rows, columns = padded.shape[0] // factor, padded.shape[1] // factor
    return padded.reshape(rows, factor, columns, factor).max(axis=(1, 3))
