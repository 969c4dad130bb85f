"""Additions to a finished picture: drawn subjects, text, and prints of other pictures."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from foundry_emulator.painter import book
from foundry_emulator.painter.brief import Brief
from foundry_emulator.painter.colours import RGB, lighter, readable_on
from foundry_emulator.painter.compose import mood_of
from foundry_emulator.painter.ground import blurred, curve, stamp
from foundry_emulator.painter.lettering import Box, letter
from foundry_emulator.painter.pen import Inks, draw

MOST_ADDED = 6


def subjects(
    image: Image.Image,
    brief: Brief,
    mask: Image.Image | None,
    level: int,
    rng: np.random.Generator,
    *,
    side: str | None = None,
) -> Image.Image:
    """Draw the named subjects into the mask, or where the picture has room for them: first at `side`."""
    image = image.copy()
    mood = mood_of(brief, rng)
    things = [want for want in brief.wanted for _ in range(want.count)][:MOST_ADDED]
    for at, want in enumerate(things):
        subject = book.subjects()[want.subject]
        place = at + 1 if side == "left" else at
        box = _share(mask, at, len(things)) if mask is not None else _room(image.size, subject, place)
        main = want.colours[0] if want.colours else subject.colour or mood.main
        _put(image, subject, box, Inks(main, subject.accent or mood.accent, level))
    return image


def _room(size: tuple[int, int], subject: book.Subject, at: int) -> Box:
    """Return a corner: air things go to the top, others to the foot, right and left in turn."""
    side = int(min(size) * 0.32)
    margin = int(min(size) * 0.04)
    column = at // 2
    left = size[0] - margin - side - column * side if at % 2 == 0 else margin + column * side
    is_high = subject.place == "air" and subject.home != "studio"
    return Box(left, margin if is_high else size[1] - margin - side, side, side)


def _share(mask: Image.Image, at: int, count: int) -> Box:
    left, top, right, bottom = curve(mask, lambda value: 255 if value > 127 else 0).getbbox() or (
        0,
        0,
        *mask.size,
    )
    width = max(1, (right - left) // count)
    return Box(left + at * width, top, width, max(1, bottom - top))


def _put(image: Image.Image, subject: book.Subject, box: Box, inks: Inks) -> None:
    wide, tall = subject.box[2] - subject.box[0], subject.box[3] - subject.box[1]
    side = max(8, int(min(box.width / wide, box.height / tall) * 96))
    tile = draw(subject, side, inks)
    left = box.left + (box.width - tile.image.width) // 2
    top = box.top + box.height - tile.image.height - int(box.height * 0.02)
    if image.mode == "RGB":
        reach = max(3, tile.image.width // 14)
        shadow = Image.new("L", (tile.image.width + 2 * reach, tile.image.height + 2 * reach))
        shadow.paste(tile.image.getchannel("A"), (reach, reach))
        soft = curve(blurred(shadow, reach / 2), lambda value: value * 90 // 255)
        stamp(image, (16, 12, 30), (left - reach, top - reach + reach // 2), soft)
    stamp(image, tile.image.convert("RGB"), (left, top), tile.image.getchannel("A"))


def text(image: Image.Image, brief: Brief, mask: Image.Image | None) -> Image.Image:
    """Set the texts large, on the mask or across the top, in a colour that reads."""
    image = image.copy()
    width, height = image.size
    boxes = [Box(int(width * 0.07), int(height * 0.04), int(width * 0.86), int(height * 0.17))]
    if mask is not None:
        boxes = [_share(mask, at, 1) for at in range(1)]
    boxes.append(Box(int(width * 0.1), int(height * 0.86), int(width * 0.8), int(height * 0.1)))
    for words, box in zip(brief.texts, boxes, strict=False):
        letter(image, words, box, _colour(image, box, brief))
    return image


def _colour(image: Image.Image, box: Box, brief: Brief) -> RGB:
    if brief.colours:
        return brief.colours[0]
    behind = image.convert("RGB").crop((box.left, box.top, box.left + box.width, box.top + box.height))
    mean = np.asarray(behind.resize((8, 8), Image.Resampling.BOX)).reshape(-1, 3).mean(axis=0)
    return readable_on((int(mean[0]), int(mean[1]), int(mean[2])))


def insets(
    image: Image.Image,
    references: tuple[Image.Image, ...],
    mask: Image.Image | None,
    rng: np.random.Generator,
) -> Image.Image:
    """Lay prints of the other pictures into the mask or along the lower left edge."""
    image = image.copy()
    shown = references[:3]
    for at, reference in enumerate(shown):
        if mask is not None:
            box = _share(mask, at, len(shown))
            side = min(box.width, box.height) * 9 // 10
            centre = (box.left + box.width // 2, box.top + box.height // 2)
        else:
            side = int(min(image.size) * 0.27)
            centre = (int(side * (0.68 + 1.16 * at)), image.height - int(side * 0.68))
        _print(image, reference, max(16, side), centre, float(rng.uniform(-5, 5)))
    return image


def _print(
    image: Image.Image, reference: Image.Image, side: int, centre: tuple[int, int], turn: float
) -> None:
    card = reference.convert("RGBA")
    card.thumbnail((side, side), Image.Resampling.LANCZOS)
    border = max(3, side // 22)
    sheet = Image.new(
        "RGBA", (card.width + 2 * border, card.height + 2 * border), (*lighter((244, 240, 232)), 255)
    )
    sheet.alpha_composite(card, (border, border))
    ImageDraw.Draw(sheet).rectangle((0, 0, sheet.width - 1, sheet.height - 1), outline=(208, 200, 190, 255))
    turned = sheet.rotate(turn, Image.Resampling.BICUBIC, expand=True)
    corner = (centre[0] - turned.width // 2, centre[1] - turned.height // 2)
    reach = max(3, side // 16)
    shadow = Image.new("L", (turned.width + 2 * reach, turned.height + 2 * reach))
    shadow.paste(turned.getchannel("A"), (reach, reach))
    soft = curve(blurred(shadow, reach / 2), lambda value: value * 120 // 255)
    stamp(image, (16, 12, 30), (corner[0] - reach, corner[1] - reach + reach // 2), soft)
    stamp(image, turned.convert("RGB"), corner, turned.getchannel("A"))
