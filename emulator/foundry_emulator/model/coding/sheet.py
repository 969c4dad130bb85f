"""A contact sheet: every picture small, in a grid, with its name beneath."""

from __future__ import annotations

import re

from foundry_emulator.model.coding.request import PICTURES, CodeRequest, named, script
from foundry_emulator.model.words import NUMBER_WORDS, has

TEMPLATE = """
import math
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

SOURCES = $sources
RESULT = $result
COLUMNS = $columns
CELL, GAP, CAPTION = $cell, 24, 30

columns = min(COLUMNS, len(SOURCES))
rows = math.ceil(len(SOURCES) / columns)
width = columns * CELL + (columns + 1) * GAP
height = rows * (CELL + CAPTION) + (rows + 1) * GAP
sheet = Image.new("RGB", (width, height), "white")
pen = ImageDraw.Draw(sheet)
font = ImageFont.load_default(16)
for place, source in enumerate(SOURCES):
    left = GAP + (place % columns) * (CELL + GAP)
    top = GAP + (place // columns) * (CELL + CAPTION + GAP)
    with Image.open(source) as opened:
        size = opened.size
        picture = ImageOps.contain(opened.convert("RGBA"), (CELL, CELL))
    pen.rectangle((left, top, left + CELL - 1, top + CELL - 1), fill="#f2f2f2")
    corner = (left + (CELL - picture.width) // 2, top + (CELL - picture.height) // 2)
    sheet.paste(picture, corner, picture)
    caption = f"{Path(source).name[-28:]}  {size[0]}x{size[1]}"
    pen.text((left + CELL // 2, top + CELL + 6), caption, fill="#333333", font=font, anchor="ma")
sheet.save(RESULT, quality=92)
print(f"{Path(RESULT).name}: {len(SOURCES)} pictures, {width}x{height}")
"""


def write(request: CodeRequest) -> str | None:
    """Write the code for a contact sheet of the pictures made just now, or of the mounted ones."""
    made = tuple(source for source in request.made if source.extension in PICTURES)
    if not asked(request.text) or not (request.pictures() or made):
        return None
    chosen = named(request.pictures(), request.text)
    sources = (
        (made or chosen or request.pictures())
        if not _with_originals(request.text)
        else request.pictures() + made
    )
    return script(
        TEMPLATE,
        sources=[source.path for source in sources],
        result=request.target("contact-sheet.png", *PICTURES, text=_about_sheet(request)),
        columns=_columns(request.text, len(sources)),
        cell=320,
    )


def asked(text: str) -> bool:
    """Say whether the request is for a contact sheet."""
    return has(
        text,
        "contact[ -]?sheet",
        "collage",
        "(?:image|picture|photo) grid",
        "grid of",
        "proof sheet",
        "montage",
    )


def _with_originals(text: str) -> bool:
    return has(text, "originals?", "sources?", "everything")


def _about_sheet(request: CodeRequest) -> str:
    names = request.new_names(*PICTURES)
    telling = [
        name for name in names if has(name.replace("-", " ").replace("_", " "), "sheet", "contact", "collage")
    ]
    if telling:
        return telling[0]
    match = re.search(r"contact[ -]?sheet|collage|montage|grid", request.text, re.IGNORECASE)
    after = request.text[match.start() :] if match else request.text
    return after.split("\n")[0]


def _columns(text: str, count: int) -> int:
    grid = re.search(r"\b(\d{1,2})\s?[x\u00d7]\s?\d{1,2}\b(?!\d)", text)
    number = rf"(\d{{1,2}}|{'|'.join(NUMBER_WORDS)})"
    stated = re.search(rf"\b{number}[ -]columns?\b", text, re.IGNORECASE)
    match = grid or stated
    if match is None:
        return max(1, min(4, round(count**0.5 + 0.49)))
    return max(1, NUMBER_WORDS.get(match.group(1).lower()) or int(match.group(1)))
