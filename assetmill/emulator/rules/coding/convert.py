"""Pictures converted to another format."""

from __future__ import annotations

import re

from assetmill.emulator.rules.coding.job import DATA, PICTURES, Job, script
from assetmill.emulator.rules.words import has

TEMPLATE = """
from pathlib import Path

from PIL import Image

# (source, result)
PICTURES = $pictures

for source, result in PICTURES:
    with Image.open(source) as opened:
        picture = opened.convert($mode) if $mode else opened.convert("RGBA" if "A" in opened.getbands() else "RGB")
    if Path(result).suffix.lower() in {".jpg", ".jpeg", ".pdf"} and picture.mode == "RGBA":
        flat = Image.new("RGB", picture.size, "white")
        flat.paste(picture, mask=picture.getchannel("A"))
        picture = flat
    picture.save(result, **({} if result.endswith(".pdf") else {"quality": $quality}))
    print(f"{Path(result).name}: {picture.width}x{picture.height}, {Path(result).stat().st_size:,} bytes")
"""
_FORMAT = r"(?:to|as|in|into)\s+(?:an?\s+)?(png|jpe?g|webp|gif|bmp|tiff?|pdf|gr[ae]yscale)\b"


def write(job: Job) -> str | None:
    """Write the code that converts pictures, if the request asks for it."""
    match = re.search(_FORMAT, job.text, re.IGNORECASE)
    verb = has(
        job.text, r"convert\w*", r"transform\w*", r"re-?encod\w*", r"turn\w*", r"export\w*", r"compress\w*"
    )
    if not job.pictures() or not verb or not (match or job.new_names(*PICTURES)):
        return None
    wanted = match.group(1).lower() if match else ""
    grey = wanted.startswith("gr")
    names = job.new_names(*PICTURES, ".pdf")
    pairs: list[tuple[str, str]] = []
    for place, picture in enumerate(job.chosen_pictures()):
        extension = picture.extension if grey or not wanted else f".{wanted}"
        stem = f"{picture.stem}-grey" if grey else picture.stem
        pairs.append((picture.path, DATA + (names[place] if place < len(names) else stem + extension)))
    quality = re.search(r"\bquality\s*(?:of\s*)?(\d{1,3})\b", job.text, re.IGNORECASE)
    level = max(1, min(100, int(quality.group(1)))) if quality else 90
    return script(TEMPLATE, pictures=pairs, mode="L" if grey else None, quality=level)
