"""Pictures converted to another format."""

from __future__ import annotations

import re

from foundry_emulator.model.coding.request import DATA, PICTURES, CodeRequest, Source, script
from foundry_emulator.model.words import has

TEMPLATE = """
from pathlib import Path

from PIL import Image

# (source, result)
PICTURES = $pictures

for source, result in PICTURES:
    with Image.open(source) as opened:
        picture = opened.convert($mode or ("RGBA" if "A" in opened.getbands() else "RGB"))
    if Path(result).suffix.lower() in {".jpg", ".jpeg", ".pdf"} and picture.mode == "RGBA":
        flat = Image.new("RGB", picture.size, "white")
        flat.paste(picture, mask=picture.getchannel("A"))
        picture = flat
    picture.save(result, **({} if result.endswith(".pdf") else {"quality": $quality}))
    print(f"{Path(result).name}: {picture.width}x{picture.height}, {Path(result).stat().st_size:,} bytes")
"""
_FORMAT = r"(?:png|jpe?g|webp|gif|bmp|tiff?|pdf|gr[ae]yscale)"
_LIST = (
    rf"\b(?:to|as|in|into)\s+(?:an?\s+)?({_FORMAT}(?:(?:,\s*|\s+and\s+|,\s+and\s+)(?:to\s+)?{_FORMAT})*)\b"
)


def write(request: CodeRequest) -> str | None:
    """Write the code that converts pictures, if the request asks for it."""
    match = re.search(_LIST, request.text, re.IGNORECASE)
    names = request.new_names(*PICTURES, ".pdf")
    if not request.pictures() or not asked(request.text) or not (match or names):
        return None
    wanted = (
        [found.lower() for found in re.findall(_FORMAT, match.group(1), re.IGNORECASE)] if match else [""]
    )
    pairs: list[tuple[str, str]] = []
    for picture in request.chosen_pictures():
        for kind in wanted:
            name = names[len(pairs)] if len(pairs) < len(names) else _name(picture, kind)
            pairs.append((picture.path, DATA + name))
    quality = re.search(r"\bquality\s*(?:of\s*)?(\d{1,3})\b", request.text, re.IGNORECASE)
    level = max(1, min(100, int(quality.group(1)))) if quality else 90
    grey = any(kind.startswith("gr") for kind in wanted)
    return script(TEMPLATE, pictures=pairs, mode="L" if grey else None, quality=level)


def asked(text: str) -> bool:
    """Say whether the request is for another format."""
    return has(
        text, r"convert\w*", r"transform\w*", r"re-?encod\w*", r"turn\w*", r"export\w*", r"compress\w*"
    )


def _name(picture: Source, kind: str) -> str:
    if kind.startswith("gr"):
        return f"{picture.stem}-grey{picture.extension}"
    return picture.stem + (f".{kind}" if kind else picture.extension)
