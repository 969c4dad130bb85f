"""Several pictures made into one: side by side, stacked, or a report with a title, a cover and its charts."""

from __future__ import annotations

import re

from foundry_emulator.model.coding.request import PICTURES, CodeRequest, Source, fonts_for, named, script
from foundry_emulator.model.words import has, quoted, sizes

STRIP = """
from pathlib import Path

from PIL import Image, ImageOps

SOURCES = $sources
RESULT = $result
STACKED = $stacked
GAP = 16

pictures = []
for source in SOURCES:
    with Image.open(source) as opened:
        pictures.append(opened.convert("RGBA"))
if STACKED:
    width = max(picture.width for picture in pictures)
    pictures = [ImageOps.scale(picture, width / picture.width) for picture in pictures]
    size = (width, sum(picture.height for picture in pictures) + GAP * (len(pictures) - 1))
else:
    height = max(picture.height for picture in pictures)
    pictures = [ImageOps.scale(picture, height / picture.height) for picture in pictures]
    size = (sum(picture.width for picture in pictures) + GAP * (len(pictures) - 1), height)
canvas = Image.new("RGB", size, "white")
place = 0
for picture in pictures:
    canvas.paste(picture, (0, place) if STACKED else (place, 0), picture)
    place += (picture.height if STACKED else picture.width) + GAP
if $size:
    canvas = ImageOps.pad(canvas, $size, color="white")
canvas.save(RESULT)
print(f"{Path(RESULT).name}: {canvas.width}x{canvas.height}, {len(pictures)} pictures")
"""

REPORT = """
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

COVER = $cover
FIGURES = $figures
TITLE = $title
NOTES = $notes
RESULT = $result
WIDTH, MARGIN = $width, 48


def read(path):
    with Image.open(path) as opened:
        picture = opened.convert("RGBA")
    flat = Image.new("RGB", picture.size, "white")
    flat.paste(picture, mask=picture)
    return flat


FONTS


def heading(text, size, width):
    font = font_of(size)
    words, lines = text.split(), [""]
    for word in words:
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    strip = Image.new("RGB", (width, int(size * 1.35 * len(lines)) + size // 2), "white")
    pen = ImageDraw.Draw(strip)
    pen.multiline_text((0, 0), "\\n".join(lines), font=font, fill="#1f2937", spacing=size // 4)
    return strip


inner = WIDTH - 2 * MARGIN
parts = [heading(TITLE, 52, inner)]
if COVER:
    parts.append(ImageOps.contain(read(COVER), (inner, inner)))
parts += [heading(note, 24, inner) for note in NOTES]
figures = [read(path) for path in FIGURES]
columns = min(2, len(figures)) or 1
column = (inner - MARGIN // 2 * (columns - 1)) // columns
for start in range(0, len(figures), columns):
    pair = [ImageOps.contain(figure, (column, column)) for figure in figures[start : start + columns]]
    row = Image.new("RGB", (inner, max(figure.height for figure in pair)), "white")
    for place, figure in enumerate(pair):
        row.paste(figure, (place * (column + MARGIN // 2), 0))
    parts.append(row)

gap = MARGIN // 2
height = 2 * MARGIN + sum(part.height for part in parts) + gap * (len(parts) - 1)
page = Image.new("RGB", (WIDTH, height), "white")
y = MARGIN
for part in parts:
    page.paste(part, (MARGIN + (inner - part.width) // 2, y))
    y += part.height + gap
if $size:
    page = ImageOps.pad(page, $size, color="white")
page.save(RESULT, **({"resolution": 120} if RESULT.endswith(".pdf") else {}))
print(f"{Path(RESULT).name}: {page.width}x{page.height}, cover and {len(figures)} figures")
"""
_JOINING = (
    r"combin\w*|merg\w*|join\w*|stitch\w*|assembl\w*|arrang\w*|compos\w*|lay\w* out|place\w*|"
    r"put\b.{0,40}\btogether"
)


def write(request: CodeRequest) -> str | None:
    """Write the code that makes one picture or PDF of several, if the request asks for it."""
    sources = chosen(request)
    if not asked(request.text) or len(sources) < 1 or (len(sources) < 2 and not _is_report(request)):
        return None
    size = next(iter(sizes(request.text)), None)
    if not _is_report(request):
        stacked = has(request.text, "stack\\w*", "on top of", "vertical\\w*", "above", "below", "one column")
        target = request.target("combined.png", *PICTURES, ".pdf")
        return script(STRIP, sources=[one.path for one in sources], result=target, stacked=stacked, size=size)
    cover, figures = _parts(request, sources)
    title, notes = _title(request), _notes(request)
    default = "report.pdf" if has(request.text, "pdf") else "report.png"
    return script(
        fonts_for(REPORT, " ".join([title, *notes])),
        cover=cover.path if cover else None,
        figures=[figure.path for figure in figures],
        title=title,
        notes=notes,
        result=request.target(default, ".pdf", *PICTURES),
        width=1600,
        size=size,
    )


def asked(text: str) -> bool:
    """Say whether the request is for one thing made of several pictures."""
    joins = has(text, "side by side", "side-by-side", "next to each other", "stack\\w*", _JOINING)
    one = r"(?:one|single|report|page|poster|pdf|picture|image|strip|composite|banner|dashboard)"
    makes = has(text, r"(?:make|create|build|produce|write)\b.{0,40}\b(?:report|pdf|dashboard|one-pager)\b")
    return (
        joins and has(text, one, r"\w+\.(?:png|jpe?g|webp|pdf)", "side[ -]by[ -]side", "them", "both")
    ) or makes


def chosen(request: CodeRequest) -> tuple[Source, ...]:
    """Return the pictures to join, those made earlier in this response included."""
    made = tuple(source for source in request.made if source.extension in PICTURES)
    by_name = tuple(source for source in request.pictures() if source.name.lower() in request.text.lower())
    return (by_name if len(by_name) > 1 else request.pictures()) + made


def _is_report(request: CodeRequest) -> bool:
    if has(request.text, "side[ -]by[ -]side", "next to each other", r"stack\w*"):
        return False
    return has(request.text, "report", "one[- ]pager", "cover", "dashboard", "page", r"pdf")


def _parts(request: CodeRequest, sources: tuple[Source, ...]) -> tuple[Source | None, tuple[Source, ...]]:
    covers = [
        one
        for one in sources
        if has(one.stem.replace("-", " ").replace("_", " "), "cover", "hero", "title", "front")
    ]
    charts = named(sources, "chart graph plot") or tuple(one for one in sources if has(one.stem, ".*chart.*"))
    others = [one for one in sources if one not in charts]
    cover = covers[0] if covers else others[0] if charts and others else None
    if cover is None and has(request.text, "cover"):
        cover = sources[0]
    return cover, tuple(one for one in sources if one is not cover)


def _title(request: CodeRequest) -> str:
    said = [part for part in quoted(request.text) if "." not in part]
    if said:
        return said[0]
    match = re.search(
        r"\b(?:titled|entitled|title[d]?:?|called|headed)\s+([A-Z][^.;,\n]{2,80})", request.text
    )
    about = re.search(r"\b((?:[\w-]+ ){1,3}report)\b", request.text)
    if match:
        return match.group(1).strip()
    plain = re.sub(r"^(?:a|an|the|one|single|into|page)\s+", "", about.group(1)) if about else "report"
    return plain[:1].upper() + plain[1:]


def _notes(request: CodeRequest) -> list[str]:
    return [part for part in quoted(request.text)[1:5] if "." not in part or " " in part]
