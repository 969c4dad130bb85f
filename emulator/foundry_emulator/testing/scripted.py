"""Rules that follow a script in the prompt, a painter that paints nothing: quick parts for tests.

A prompt is a list of words: `say:hello draw edit code search call:name computer list:label mcp:label.tool
pause:seconds`.
"""

from __future__ import annotations

import base64
import functools
import struct
import time
import zlib
from collections.abc import Callable
from pathlib import Path

from foundry_emulator.interpreter.code import CodeOutcome
from foundry_emulator.painter.image import ImageRequest, ImageToolError, Painted
from foundry_emulator.search.ranking import chunk, extract_text, search
from foundry_emulator.steps import (
    CallFunction,
    CallMcp,
    CodeRan,
    Draw,
    FoundPassages,
    ListMcpTools,
    RunCode,
    Say,
    SearchFiles,
    Step,
    StepResult,
    Steps,
    Turn,
    UseComputer,
)
from foundry_emulator.toolbox import Toolbox


def _png(width: int, height: int) -> bytes:
    def piece(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(b"".join(b"\x00" + bytes(width) for _ in range(height)))
    return b"\x89PNG\r\n\x1a\n" + piece(b"IHDR", header) + piece(b"IDAT", rows) + piece(b"IEND", b"")


PICTURE = _png(8, 8)
PICTURE_URL = "data:image/png;base64," + base64.b64encode(PICTURE).decode()


def paint(request: ImageRequest) -> Painted:
    """Return the one picture there is, in the shape that was asked for."""
    if request.size == "77x77":
        raise ImageToolError("invalid_value", "77x77 is no size of this model")
    return Painted(
        data=PICTURE,
        width=8,
        height=8,
        size="1024x1024" if request.size == "auto" else request.size,
        quality="high" if request.quality == "auto" else request.quality,
        background="opaque",
        output_format=request.output_format,
        revised_prompt=f"{request.action}: {request.prompt}",
        partials=(PICTURE,) * request.partial_images,
        output_tokens=100 + 100 * request.partial_images,
        input_image_tokens=10 * len(request.pictures),
        input_text_tokens=5,
    )


def run_code(code: str, workdir: Path) -> CodeOutcome:
    """Pretend to run code: it leaves one file with the code itself in it."""
    data = code.encode()
    (workdir / "out.txt").write_bytes(data)
    return CodeOutcome(logs="ran\n", files=(("out.txt", data),), error=None)


def decide(turn: Turn) -> Steps:
    """Follow the script in the turn's text."""
    for word in turn.text.split():
        verb, _, rest = word.partition(":")
        if verb == "pause":
            time.sleep(float(rest))
        if verb == "boom":
            raise RuntimeError("a bug in the rules")
        step = _STEPS[verb](rest) if verb in _STEPS else None
        if step is not None:
            result: StepResult = yield step
            yield from _cited(result)


def _cited(result: StepResult) -> Steps:
    if isinstance(result, FoundPassages) and result.hits:
        hit = result.hits[0]
        citation = {"type": "file_citation", "file_id": hit.file_id, "filename": hit.filename, "index": 5}
        yield Say("found it", [citation])
    if isinstance(result, CodeRan) and result.files:
        made = result.files[0]
        citation = {
            "type": "container_file_citation",
            "file_id": made.file_id,
            "container_id": made.container_id,
            "filename": "out.txt",
            "start_index": 0,
            "end_index": 5,
        }
        yield Say("saved it", [citation])


def _mcp(rest: str) -> Step:
    label, _, name = rest.partition(".")
    return CallMcp(label, name, {"a": 1})


_STEPS: dict[str, Callable[[str], Step]] = {
    "say": lambda rest: Say(rest.replace("_", " ")),
    "draw": lambda rest: Draw(rest or "a picture"),
    "edit": lambda rest: Draw(rest or "another", "edit"),
    "code": lambda rest: RunCode(rest or "print(1)"),
    "search": lambda rest: SearchFiles([rest or "teal"]),
    "call": lambda rest: CallFunction(rest, {"city": "Seattle"}),
    "computer": lambda rest: UseComputer(
        {"type": "screenshot"}, [{"id": "sc_1", "code": "x", "message": rest}]
    ),
    "list": ListMcpTools,
    "mcp": _mcp,
}


@functools.cache
def toolbox() -> Toolbox:
    """Return the quick parts together."""
    return Toolbox(
        decide=decide,
        paint=paint,
        run_code=run_code,
        extract_text=extract_text,
        chunk=chunk,
        search=search,
        sandbox_tier=lambda: "scripted",
        refuses=lambda prompt: ("violence",) if "gore" in prompt else (),
    )
