"""Edits: changes to a given picture that leave everything else as it was."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageFilter

from foundry_emulator.painter import additions, backdrops, cutout, regrade, subject_note
from foundry_emulator.painter.compose import LEVELS, mood_of
from foundry_emulator.painter.finish import grained, pixelated, vintage, watercolour
from foundry_emulator.painter.ground import curve
from foundry_emulator.painter.instruction import Clause, clauses
from foundry_emulator.painter.request import FEWEST_PIXELS, LONGEST_EDGE, MOST_PIXELS

LIGHTS = frozenset({"lamp", "candle", "lighthouse", "fire"})
FIXED = ((1024, 1024), (1536, 1024), (1024, 1536))


@dataclass(frozen=True)
class Order:
    """What to change: the words, the picture, further pictures to refer to, and where changes may go.

    `mask` is white where changes may go, at the picture's size.
    """

    prompt: str
    size: tuple[int, int]
    quality: str
    background: str
    picture: Image.Image
    references: tuple[Image.Image, ...]
    mask: Image.Image | None


@dataclass(frozen=True)
class _Canvas:
    """The picture under work and what the changes need to know."""

    image: Image.Image
    subject: Image.Image
    order: Order
    rng: np.random.Generator

    @property
    def level(self) -> int:
        return LEVELS[self.order.quality]


def size_like(size: tuple[int, int], *, is_free: bool) -> tuple[int, int]:
    """Return the allowed size that is nearest to a picture's own shape."""
    aspect = min(3.0, max(1 / 3, size[0] / size[1]))
    if not is_free:
        return min(FIXED, key=lambda one: abs(np.log(one[0] / one[1] / aspect)))
    pixels = min(max(size[0] * size[1], FEWEST_PIXELS * 1.05), MOST_PIXELS * 0.97)
    width = min(LONGEST_EDGE, (pixels * aspect) ** 0.5)
    height = min(LONGEST_EDGE, width / aspect)
    rounded = (max(16, round(width / 16) * 16), max(16, round(height / 16) * 16))
    long, short = max(rounded), min(rounded)
    if long > 3 * short:
        short = -(-long // 48) * 16
    return (long, short) if rounded[0] >= rounded[1] else (short, long)


def carry_out(order: Order, rng: np.random.Generator) -> Image.Image:
    """Edit the first picture; pixels that the edit does not touch drift by two steps at most."""
    start = fitted(order.picture, order.size)
    if order.background == "opaque" and start.mode == "RGBA":
        start = _on_backdrop(start)
    mask = fitted_mask(order.mask, order.size) if order.mask is not None else None
    known = subject_note.attached(order.picture)
    subject = cutout.foreground(start) if known is None else fitted_mask(known, order.size)
    canvas = _Canvas(start, subject, replace(order, mask=mask), rng)
    wanted = clauses(order.prompt)
    for clause in wanted:
        canvas = replace(canvas, image=_changed(canvas, clause))
    if order.references:
        canvas = replace(canvas, image=additions.insets(canvas.image, order.references, mask, rng))
    if _is_same(canvas.image, start) and not _is_reshaped(order):
        canvas = replace(canvas, image=_anyhow(canvas))
    image = canvas.image if mask is None else _within(start, canvas.image, mask)
    if order.background == "transparent" and image.mode == "RGB":
        image = image.copy()
        image.putalpha(canvas.subject)
    image = regrade.drifted(image, rng)
    image.info.clear()
    is_there = known is not None and not any("remove" in clause.asks for clause in wanted)
    return subject_note.attach(image, subject if is_there else None)


def fitted(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Scale a picture to a size; where shapes differ, its edges are continued, nothing is cropped."""
    if abs(image.width * size[1] / (image.height * size[0]) - 1) < 0.03:
        return image.resize(size, Image.Resampling.LANCZOS) if image.size != size else image.copy()
    left, top, inner = _inside(image.size, size)
    small = image.resize(inner, Image.Resampling.LANCZOS)
    if image.mode == "RGBA":
        sheet = Image.new("RGBA", size)
        sheet.paste(small, (left, top))
        return sheet
    sheet = Image.new("RGB", size)
    sheet.paste(small, (left, top))
    return cutout.continued(sheet, (left, top, left + inner[0], top + inner[1]))


def fitted_mask(mask: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Scale a mask as `fitted` scales its picture; what is added around it may not change."""
    if abs(mask.width * size[1] / (mask.height * size[0]) - 1) < 0.03:
        return mask.resize(size, Image.Resampling.BILINEAR)
    left, top, inner = _inside(mask.size, size)
    sheet = Image.new("L", size)
    sheet.paste(mask.resize(inner, Image.Resampling.BILINEAR), (left, top))
    return sheet


def _inside(size: tuple[int, int], frame: tuple[int, int]) -> tuple[int, int, tuple[int, int]]:
    share = min(frame[0] / size[0], frame[1] / size[1])
    inner = (max(1, round(size[0] * share)), max(1, round(size[1] * share)))
    return (frame[0] - inner[0]) // 2, (frame[1] - inner[1]) // 2, inner


def _changed(canvas: _Canvas, clause: Clause) -> Image.Image:
    """Apply one clause."""
    asks, brief, image = clause.asks, clause.brief, canvas.image
    if "remove" in asks and "replace" not in asks:
        return _removed(canvas, clause)
    if brief.texts:
        image = additions.text(image, brief, canvas.order.mask)
        canvas = replace(canvas, image=image)
        if not asks - {"add", "recolour"} and not brief.wanted:
            return image
    if canvas.order.mask is not None and brief.wanted:
        ground = cutout.filled(image, canvas.order.mask) if "replace" in asks else image
        return additions.subjects(ground, brief, canvas.order.mask, canvas.level, canvas.rng)
    if brief.hour and not (clause.is_about_background and brief.setting):
        is_lit = any(want.subject in LIGHTS for want in brief.wanted)
        image = regrade.at_hour(image, brief.hour, canvas.subject, is_lit=is_lit)
    elif brief.setting == "sky" and (shades := _shades(clause)):
        image = regrade.with_sky(image, shades)
    elif _moves_scene(clause):
        image = _before(canvas, clause)
    elif brief.wanted and "add" in asks and not ("recolour" in asks and "add" not in clause.text.lower()):
        image = additions.subjects(image, brief, None, canvas.level, canvas.rng, side=clause.side)
    elif "grey" not in asks and (colour := _colour(clause)):
        image = regrade.recoloured(image, colour, _part(canvas, clause))
    return _toned(image, clause, canvas)


def _colour(clause: Clause) -> tuple[int, int, int] | None:
    brief = clause.brief
    own = [colour for want in brief.wanted for colour in want.colours]
    found = [*([brief.backdrop] if brief.backdrop else []), *brief.colours, *own]
    return found[-1] if found else None


def _shades(clause: Clause) -> tuple[tuple[int, int, int], ...]:
    brief = clause.brief
    return (*brief.colours, *([brief.backdrop] if brief.backdrop else []))


def _moves_scene(clause: Clause) -> bool:
    if clause.brief.setting in (None, "sky"):
        return False
    return clause.is_about_background or bool(clause.asks & {"add", "replace", "recolour"}) or not clause.asks


def _part(canvas: _Canvas, clause: Clause) -> Image.Image:
    if canvas.order.mask is not None:
        return canvas.order.mask
    if clause.is_about_background:
        return curve(canvas.subject, lambda value: 255 - value)
    return canvas.subject


def _removed(canvas: _Canvas, clause: Clause) -> Image.Image:
    if clause.is_about_background and canvas.order.mask is None:
        if canvas.image.mode == "RGBA":
            return canvas.image
        cut = canvas.image.copy()
        cut.putalpha(canvas.subject)
        return cut if canvas.order.background != "opaque" else _on_backdrop(cut)
    hole = canvas.order.mask or canvas.subject.filter(ImageFilter.MaxFilter(9)).filter(
        ImageFilter.GaussianBlur(4)
    )
    if canvas.image.mode == "RGBA" and canvas.order.mask is None:
        return Image.new("RGBA", canvas.image.size)
    return grained(cutout.filled(canvas.image, hole), 1.6, canvas.rng)


def _before(canvas: _Canvas, clause: Clause) -> Image.Image:
    """Put the subject before another setting."""
    mood = mood_of(clause.brief, canvas.rng)
    if clause.brief.setting in ("studio", "plain") and (shades := _shades(clause)):
        mood = replace(mood, asked=shades[0])
    ground = backdrops.paint(
        clause.brief.setting or "studio", canvas.image.size, mood, canvas.rng, canvas.level
    )
    scene = ground.image
    subject = canvas.subject.filter(ImageFilter.MinFilter(3))
    shade = subject.resize((canvas.image.width // 8, canvas.image.height // 8)).filter(
        ImageFilter.GaussianBlur(3)
    )
    shade = curve(shade, lambda value: value // 3).resize(canvas.image.size, Image.Resampling.BICUBIC)
    scene.paste(ground.shadow, (0, max(2, canvas.image.height // 90)), shade)
    scene.paste(canvas.image.convert("RGB"), (0, 0), subject)
    return scene


def _toned(image: Image.Image, clause: Clause, canvas: _Canvas) -> Image.Image:
    for name in sorted(clause.asks & regrade.TONES.keys()):
        image = regrade.TONES[name](image)
    if "blur" in clause.asks:
        image = regrade.softened_behind(image, canvas.subject)
    if "glow" in clause.asks:
        image = regrade.glowing(image, canvas.subject)
    if "closer" in clause.asks:
        inset_x, inset_y = image.width // 7, image.height // 7
        box = (inset_x, inset_y, image.width - inset_x, image.height - inset_y)
        image = image.resize(image.size, Image.Resampling.LANCZOS, box)
    style = clause.brief.style
    if style == "watercolour":
        return watercolour(image, canvas.rng)
    if style == "pixel":
        return pixelated(image, 96)
    if style == "vintage":
        return vintage(image)
    if style == "neon":
        return regrade.TONES["vivid"](regrade.tinted(image, (150, 40, 200), 0.55))
    return image


def _anyhow(canvas: _Canvas) -> Image.Image:
    """Answer words that name no known change: draw what they name, or colour the picture by them."""
    brief = clauses(canvas.order.prompt)[0].brief if clauses(canvas.order.prompt) else None
    if brief and brief.wanted:
        return additions.subjects(canvas.image, brief, canvas.order.mask, canvas.level, canvas.rng)
    hue = mood_of(brief, canvas.rng).main if brief else (90, 110, 160)
    return regrade.tinted(canvas.image, hue, 0.4)


def _is_same(image: Image.Image, start: Image.Image) -> bool:
    return image is start or (image.mode == start.mode and image.tobytes() == start.tobytes())


def _is_reshaped(order: Order) -> bool:
    """Say whether another shape or a transparent backdrop is itself the change that was asked for."""
    aspect = order.picture.width * order.size[1] / (order.picture.height * order.size[0])
    return abs(aspect - 1) > 0.03 or order.background == "transparent"


def _within(start: Image.Image, image: Image.Image, mask: Image.Image) -> Image.Image:
    soft = mask.filter(ImageFilter.GaussianBlur(1))
    if "RGBA" in (start.mode, image.mode):
        return Image.composite(image.convert("RGBA"), start.convert("RGBA"), soft)
    return Image.composite(image, start, soft)


def _on_backdrop(image: Image.Image) -> Image.Image:
    sheet = Image.new("RGB", image.size, (240, 236, 230))
    sheet.paste(image.convert("RGB"), (0, 0), image.getchannel("A"))
    return sheet
