"""A background of one colour made transparent, and taken out of the edges of what stood before it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assetmill.spec.making import MatteSpec
from assetmill.spec.measures import parse_colour

if TYPE_CHECKING:
    from PIL import Image


def without_ground(picture: Image.Image, spec: MatteSpec) -> Image.Image:
    """Return a picture that is transparent where it has the background's colour."""
    import numpy as np
    from PIL import Image

    pixels = np.asarray(picture.convert("RGBA"), dtype=np.float32)
    ground = np.array(parse_colour(spec.colour)[:3], dtype=np.float32)
    away = np.abs(pixels[..., :3] - ground).max(axis=2)
    share = np.clip((away - spec.tolerance) / max(1, spec.softness), 0.0, 1.0)
    colours = _despilled(pixels[..., :3], share, ground) if spec.despill else pixels[..., :3]
    alpha = pixels[..., 3] * share
    made = np.dstack((colours, alpha)).round().clip(0, 255).astype(np.uint8)
    return Image.fromarray(made, "RGBA")


def _despilled(colours: Any, share: Any, ground: Any) -> Any:
    """Return the colours of the foreground alone: a pixel at the edge is a mixture of it and the ground."""
    import numpy as np

    part: Any = share[..., None]
    edge: Any = (part > 0) & (part < 1)
    own: Any = (colours - (1 - part) * ground) / np.where(part > 0, part, 1)
    return np.where(edge, own.clip(0, 255), colours)
