"""Size variants of pictures: resized and cropped to what was asked, under the names that were asked for."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from foundry_emulator.model.coding.request import DATA, PICTURES, CodeRequest, Source, script, wants_all
from foundry_emulator.model.words import has, names_and_sizes

_DISTORTED = r"(?:stretch|distort)\w*"
DEFAULT_SIZES = ((1200, 630), (1080, 1080), (1080, 1920))

TEMPLATE = """
from pathlib import Path

from PIL import Image, ImageOps

# (source, result, width, height)
VARIANTS = $variants
FIT = $fit  # cover: fill the frame and crop; contain: keep everything and pad; stretch: distort


def fitted(picture, size):
    if FIT == "stretch":
        return picture.resize(size, Image.Resampling.LANCZOS)
    if FIT == "contain":
        background = (0, 0, 0, 0) if "A" in picture.getbands() else $padding
        return ImageOps.pad(picture, size, Image.Resampling.LANCZOS, color=background)
    return ImageOps.fit(picture, size, Image.Resampling.LANCZOS)


for source, result, width, height in VARIANTS:
    with Image.open(source) as opened:
        picture = ImageOps.exif_transpose(opened)
        clear = "A" in picture.getbands() or "transparency" in picture.info
        picture = picture.convert("RGBA" if clear else "RGB")
    variant = fitted(picture, (width, height))
    if Path(result).suffix.lower() in {".jpg", ".jpeg"}:
        flat = Image.new("RGB", variant.size, "white")
        flat.paste(variant, mask=variant.getchannel("A") if variant.mode == "RGBA" else None)
        variant = flat
    variant.save(result, quality=92)
    print(f"{Path(result).name}: {width}x{height}")
"""


def write(request: CodeRequest) -> str | None:
    """Write the code for size variants, if the request asks for any."""
    if not request.pictures() or not asked(request.text):
        return None
    variants = [(source.path, DATA + name, *size) for source, name, size in plan(request)]
    if not variants:
        return None
    return script(TEMPLATE, variants=variants, fit=_fit(request.text), padding=_padding(request.text))


def asked(text: str) -> bool:
    """Say whether the request is for other sizes of pictures."""
    verbs = (
        "resiz\\w*",
        "crop\\w*",
        "scale[ds]?",
        "thumbnails?",
        "size variants?",
        "variants?",
        "shrink",
        "enlarge",
    )
    sized = bool([mark for mark in names_and_sizes(text) if isinstance(mark, tuple)])
    sheet_only = has(text, "contact sheet", "overlay", "chart", "side by side", "combine")
    edge = re.search(r"\b\d{2,4}\s?(?:px|pixels?)\b", text) is not None
    return has(text, *verbs) or ((sized or edge) and not sheet_only)


def plan(request: CodeRequest) -> list[tuple[Source, str, tuple[int, int]]]:
    """Say which picture becomes which file in which size, in the order of the request."""
    text = re.sub(r"\b\d+\s?[x\u00d7]\s?\d+(?=\s+(?:grid|contact|layout))", " ", request.text)
    wanted = _named_sizes(text, request)
    every = wants_all(text) and not any(name for name, _ in wanted)
    pictures = request.chosen_pictures(text) if every else tuple(filter(None, [request.one_picture(text)]))
    extension = _extension(text)
    found: list[tuple[Source, str, tuple[int, int]]] = []
    for picture in pictures:
        for name, size in wanted:
            made = f"{picture.stem}-{size[0]}x{size[1]}{extension or picture.extension}"
            found.append((picture, name or made, size))
    return found


def _named_sizes(text: str, request: CodeRequest) -> list[tuple[str | None, tuple[int, int]]]:
    fresh = set(request.new_names(*PICTURES, text=text))
    marks = [mark for mark in names_and_sizes(text) if isinstance(mark, tuple) or mark in fresh]
    marks = [mark for mark in marks if isinstance(mark, tuple) or not _is_sheet(mark)]
    sizes = [mark for mark in marks if isinstance(mark, tuple)]
    names = [mark for mark in marks if isinstance(mark, str)]
    if not sizes:
        return _edges(text, names)
    if len(names) == len(sizes):
        return list(zip(names, sizes, strict=True))
    names_lead = isinstance(marks[0], str)
    paired: list[tuple[str | None, tuple[int, int]]] = []
    for place, mark in enumerate(marks):
        if isinstance(mark, tuple):
            beside = place - 1 if names_lead else place + 1
            name = marks[beside] if 0 <= beside < len(marks) else None
            paired.append((name if isinstance(name, str) else None, mark))
    return list(dict.fromkeys(paired))


def _edges(text: str, names: list[str]) -> list[tuple[str | None, tuple[int, int]]]:
    edges = [int(edge) for edge in re.findall(r"\b(\d{2,4})\s?(?:px|pixels?)\b", text)]
    if not edges and has(text, "thumbnails?"):
        edges = [int(edge) for edge in re.findall(r"\b(\d{2,4})\b", text)][:1] or [256]
    sizes = [(edge, edge) for edge in edges] or list(DEFAULT_SIZES)
    padded = [*names, *[None] * len(sizes)]
    return [(padded[place], size) for place, size in enumerate(sizes)]


def _is_sheet(name: str) -> bool:
    return has(
        PurePosixPath(name).stem.replace("-", " ").replace("_", " "), "sheet", "contact", "collage", "grid"
    )


def _extension(text: str) -> str | None:
    match = re.search(r"\b(?:as|in|to|into)\s+(?:an?\s+)?(png|jpe?g|webp)\b(?!\w|\.)", text, re.IGNORECASE)
    return f".{match.group(1).lower()}" if match else None


def _fit(text: str) -> str:
    if has(
        text,
        "contain",
        "letterbox\\w*",
        "pad(?:ded|ding)?",
        "without cropping",
        "no cropping",
        "keep everything",
    ):
        return "contain"
    unwanted = rf"(?:not?|nothing|never|without|avoid\w*|don't|isn't)\W+(?:\w+\W+){{0,3}}{_DISTORTED}"
    allowed = re.sub(unwanted, " ", text, flags=re.IGNORECASE)
    return "stretch" if has(allowed, _DISTORTED) else "cover"


def _padding(text: str) -> str:
    match = re.search(r"#[0-9a-fA-F]{6}\b", text)
    return match.group(0) if match else "white"
