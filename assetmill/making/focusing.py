"""What stays in view when something is cut off: the middle, the busiest part, the subject."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assetmill.spec.making import focus_point
from assetmill.spec.measures import parse_box

if TYPE_CHECKING:
    from PIL import Image

Point = tuple[float, float]
"""A place in a picture, from 0 to 1 in its width and its height."""

_LOOKED_AT = 160
"""Pixels of the longer side that are looked at: what matters of a composition is in them."""

CENTRE: Point = (0.5, 0.5)


def focus_of(picture: Image.Image, focus: str | None, aspect: float, subject: Any = None) -> Point:
    """Return the point that stays in view; `aspect` is that of the part which will be cut out.

    `subject` is a box as it is written, or a picture that is white where the subject is.
    """
    if focus in {None, "centre"}:
        return CENTRE
    if focus == "entropy":
        return _busiest(picture, aspect)
    if focus == "subject":
        return _subject(picture, subject)
    across, down = focus_point(str(focus))
    return across.of(picture.width) / picture.width, down.of(picture.height) / picture.height


def _busiest(picture: Image.Image, aspect: float) -> Point:
    """Return the middle of the window in which neighbouring pixels differ most."""
    import numpy as np

    grey = np.asarray(_small(picture).convert("L"), dtype=np.float32)
    height, width = grey.shape
    busy = np.zeros_like(grey)
    busy[:, 1:] += np.abs(np.diff(grey, axis=1))
    busy[1:, :] += np.abs(np.diff(grey, axis=0))
    # The window has the whole width, or the whole height.
    if width / height > aspect:
        return _best_window(busy.sum(axis=0), max(1, round(height * aspect))), 0.5
    return 0.5, _best_window(busy.sum(axis=1), max(1, round(width / aspect)))


def _best_window(sums: Any, length: int) -> float:
    import numpy as np

    total = np.concatenate(([0.0], np.cumsum(sums)))
    length = min(length, len(sums))
    windows = total[length:] - total[:-length]
    # Of equal windows the one nearest to the middle.
    best = np.flatnonzero(windows >= windows.max() * (1 - 1e-6))
    start = min(best, key=lambda at: abs(at + length / 2 - len(sums) / 2))
    return float((start + length / 2) / len(sums))


def _subject(picture: Image.Image, subject: Any) -> Point:
    if isinstance(subject, str):
        left, top, right, bottom = parse_box(subject).within(*picture.size)
        return (left + right) / 2 / picture.width, (top + bottom) / 2 / picture.height
    return _weighted(_small(subject).convert("L") if subject is not None else _standing_out(picture))


def _standing_out(picture: Image.Image) -> Image.Image:
    """Return where a picture differs from its own border; what is opaque, where it has no ground."""
    import numpy as np
    from PIL import Image

    small = _small(picture)
    if small.mode == "RGBA":
        return small.getchannel("A")
    pixels = np.asarray(small.convert("RGB"), dtype=np.float32)
    border = np.concatenate((pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]))
    away = np.sqrt(((pixels - np.median(border, axis=0)) ** 2).sum(axis=2))
    usual = float(np.percentile(np.sqrt(((border - np.median(border, axis=0)) ** 2).sum(axis=1)), 90))
    return Image.fromarray(np.clip(away - usual, 0, 255).astype(np.uint8))


def _weighted(mask: Image.Image) -> Point:
    import numpy as np

    weights: Any = np.asarray(mask, dtype=np.float64) ** 2
    total = weights.sum()
    if not total:
        return CENTRE
    height, width = weights.shape
    across: Any = (weights.sum(axis=0) * (np.arange(width) + 0.5)).sum() / total / width
    down: Any = (weights.sum(axis=1) * (np.arange(height) + 0.5)).sum() / total / height
    return float(across), float(down)


def _small(picture: Image.Image) -> Image.Image:
    share = _LOOKED_AT / max(picture.size)
    if share >= 1:
        return picture
    size = (max(1, round(picture.width * share)), max(1, round(picture.height * share)))
    return picture.resize(size, reducing_gap=1.5)
