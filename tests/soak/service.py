"""The service of a storm: the emulator as a process, with a painter that paints no picture twice.

What a picture shows follows from the prompt and from what its inputs show, so that a clean run draws the
same; a number in each makes its bytes its own, so that none can stand in for another that was paid for.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import io
import secrets
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from foundry_emulator.painter import edits, tokens
from foundry_emulator.painter.request import ImageRequest, Painted, check, checked_size, has_free_sizes
from foundry_emulator.server import Emulator
from foundry_emulator.toolbox import default_toolbox
from PIL import Image
from PIL.PngImagePlugin import PngInfo

_SQUARE = (1024, 1024)
_CELLS = 24
"""A picture is so many coloured squares across: its file is larger than any record."""


def look(data: bytes) -> str:
    """Return a digest of what a picture shows, whatever else is in its file."""
    with Image.open(io.BytesIO(data)) as picture:
        shown = picture.convert("RGBA")
        return hashlib.sha256(f"{shown.size}".encode() + shown.tobytes()).hexdigest()


def paint(request: ImageRequest) -> Painted:
    """Carry out one image call."""
    check(request)
    sizes = tuple(_size(data) for data in request.pictures)
    size = _wanted(request, sizes)
    seen = "\x1f".join((request.prompt, request.action, f"{size}", *map(look, request.pictures)))
    chance = np.random.default_rng(int.from_bytes(hashlib.sha256(seen.encode()).digest()[:8], "big"))
    cells = chance.integers(0, 256, (_CELLS, _CELLS, 3), dtype=np.uint8)
    picture = Image.fromarray(cells).resize(size, Image.Resampling.NEAREST)
    quality = "high" if request.quality == "auto" else request.quality
    views = [_encoded(picture) for _ in range(request.partial_images)]
    return Painted(
        data=_encoded(picture),
        width=size[0],
        height=size[1],
        size=f"{size[0]}x{size[1]}",
        quality=quality,
        background="opaque",
        output_format="png",
        revised_prompt=" ".join(request.prompt.split()),
        partials=tuple(views),
        output_tokens=tokens.output_tokens(request.model, size, quality, len(views)),
        input_image_tokens=tokens.image_tokens(sizes, request.input_fidelity),
        input_text_tokens=tokens.text_tokens(request.prompt),
    )


def _size(data: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(data)) as picture:
        return picture.size


def _wanted(request: ImageRequest, inputs: Sequence[tuple[int, int]]) -> tuple[int, int]:
    if request.size != "auto":
        return checked_size(request.size, request.model)
    return edits.size_like(inputs[0], is_free=has_free_sizes(request.model)) if inputs else _SQUARE


def _encoded(picture: Image.Image) -> bytes:
    number = PngInfo()
    number.add_text("number", secrets.token_hex(8))
    sink = io.BytesIO()
    picture.save(sink, "PNG", compress_level=1, pnginfo=number)
    return sink.getvalue()


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    given = parser.parse_args()
    tools = replace(default_toolbox(given.state / "sandbox.json"), paint=paint)
    asyncio.run(Emulator(given.state, port=given.port, toolbox=tools).serve(handle_signals=True))


if __name__ == "__main__":
    main()
