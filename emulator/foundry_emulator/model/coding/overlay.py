"""Text laid over a picture, sized to fit, on a band that keeps it readable."""

from __future__ import annotations

import re

from foundry_emulator.model.coding.request import DATA, PICTURES, CodeRequest, fonts_for, script, wants_all
from foundry_emulator.model.words import has, quoted

TEMPLATE = """
from pathlib import Path

from PIL import Image, ImageColor, ImageDraw, ImageFont

# (source, result)
PICTURES = $pictures
TEXT = $text
COLOUR = $colour
BAND = $band  # None: no band behind the text
WHERE = $where  # top, middle or bottom


FONTS


def largest_font(pen, text, width, height):
    for size in range(int(height), 9, -2):
        font = font_of(size)
        left, top, right, bottom = pen.multiline_textbbox((0, 0), text, font=font, align="center")
        if right - left <= width and bottom - top <= height:
            return font
    return font_of(10)


for source, result in PICTURES:
    with Image.open(source) as opened:
        picture = opened.convert("RGBA")
    layer = Image.new("RGBA", picture.size, (0, 0, 0, 0))
    pen = ImageDraw.Draw(layer)
    font = largest_font(pen, TEXT, picture.width * 0.9, picture.height * 0.14)
    left, top, right, bottom = pen.multiline_textbbox((0, 0), TEXT, font=font, align="center")
    width, height, margin = right - left, bottom - top, picture.height * 0.04
    lowest = picture.height - height
    places = {"top": margin * 2, "middle": lowest / 2, "bottom": lowest - margin * 2}
    y = places[WHERE]
    if BAND:
        shade = ImageColor.getrgb(BAND) + (170,)
        pen.rectangle((0, y - margin, picture.width, y + height + margin), fill=shade)
    corner = ((picture.width - width) / 2 - left, y - top)
    pen.multiline_text(corner, TEXT, font=font, fill=COLOUR, align="center")
    picture = Image.alpha_composite(picture, layer)
    if Path(result).suffix.lower() in {".jpg", ".jpeg"}:
        picture = picture.convert("RGB")
    picture.save(result, quality=92)
    print(f"{Path(result).name}: {picture.width}x{picture.height}")
"""
_COLOURS = "white|black|red|green|blue|yellow|orange|purple|gold|navy|pink|gray|grey"


def write(request: CodeRequest) -> str | None:
    """Write the code that lays text over pictures, if the request asks for it."""
    made = tuple(source for source in request.made if source.extension in PICTURES)
    if (
        not (made or request.pictures())
        or not asked(request.text)
        or not (text := overlay_text(request.text))
    ):
        return None
    names = request.new_names(*PICTURES)
    one = request.one_picture()
    chosen = request.chosen_pictures() if wants_all(request.text) or one is None else (one,)
    pairs = [(picture.path, picture.path) for picture in made]
    for place, picture in enumerate(() if made else chosen):
        name = names[place] if place < len(names) else f"{picture.stem}-text{picture.extension}"
        pairs.append((picture.path, DATA + name))
    colour = _colour(request.text)
    band = (
        None
        if has(request.text, "no band", "without (?:a )?band")
        else "white"
        if _is_dark(colour)
        else "black"
    )
    return script(
        fonts_for(TEMPLATE, text),
        pictures=pairs,
        text=text,
        colour=colour,
        band=band,
        where=_where(request.text),
    )


def asked(text: str) -> bool:
    """Say whether the request is for text on a picture."""
    return has(
        text, r"overlay\w*",
        r"(?:text|title|caption|headline|slogan|watermark|label)\b.{0,60}\b(?:on|over|onto|to|across)",
        r"(?:add|put|write|lay|place|print|stamp)\b.{0,30}\b(?:text|title|caption|headline|slogan|watermark|words)",
        r"(?:add|put|write|lay|place|print|stamp)\s+[\"'\u201c].{1,120}[\"'\u201d]\s+(?:on|over|onto|across)",
    )  # fmt: skip


def overlay_text(text: str) -> str:
    """Return the words to lay over: the first quoted part, or what follows "text:" or "saying"."""
    said = [part for part in quoted(text) if not re.fullmatch(r"[\w.-]+\.\w{2,4}", part)]
    if said:
        return said[0]
    names = r"\b(?:text|title|caption|headline|slogan|watermark|saying|reading)\b"
    match = re.search(rf"{names}\s*:?\s+(?!on\b|over\b|onto\b|to\b)([^.;\n]+)", text, re.IGNORECASE)
    return (
        re.split(r"\s+(?:on|over|onto|across|at|in|to|and|as)\s+", match.group(1))[0].strip() if match else ""
    )


def _where(text: str) -> str:
    if has(text, "top", "above", "upper"):
        return "top"
    return "middle" if has(text, "middle", "cent(?:er|re)(?:ed|d)?") else "bottom"


def _colour(text: str) -> str:
    match = re.search(
        rf"#[0-9a-fA-F]{{6}}\b|\b(?:{_COLOURS})\b(?=\s+(?:text|letters|lettering|type|font|words|caption))",
        text,
    )
    return match.group(0) if match else "white"


def _is_dark(colour: str) -> bool:
    if colour.startswith("#"):
        red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
        return 0.3 * red + 0.59 * green + 0.11 * blue < 128
    return colour in {"black", "red", "green", "blue", "purple", "navy"}
