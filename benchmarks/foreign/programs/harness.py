"""What the Python programs share: coined words, checks, and a line of JSON per program.

Runs in the environment of the client that is tried, which has nothing of ours: standard library alone.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import struct
import sys
import traceback
import zlib
from collections.abc import Awaitable, Callable

ENDPOINT = os.environ["FOUNDRY_PROJECT_ENDPOINT"]
OPENAI = f"{ENDPOINT}/openai/v1"
SCOPE = "https://ai.azure.com/.default"
MODEL = os.environ["FOUNDRY_MODEL_NAME"]
IMAGE_MODEL = os.environ["IMAGE_GENERATION_MODEL_DEPLOYMENT_NAME"]
IMAGE_HEADER = {"x-ms-oai-image-generation-deployment": IMAGE_MODEL}
# Coined for this run: no answer can have been written before the question.
WORDS: dict[str, str] = json.loads(os.environ["FOREIGN_WORDS"])
PERSON, TOWN, PRODUCT = WORDS["person"], WORDS["town"], WORDS["product"]
DEGREES, WEIGHT = WORDS["degrees"], WORDS["weight"]
MANUAL = (
    f"# {PRODUCT}\n\nThe {PRODUCT} is a folding stool.\n\n## Weight\n\nThe {PRODUCT} weighs {WEIGHT} grams.\n"
)
CHART = "chart.png"
"""What the programs ask to be saved. A figure that was shown is cited as well, by its ID."""
_PNG = b"\x89PNG\r\n\x1a\n"
_COLOUR_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}

Program = Callable[[], Awaitable[None]]
_programs: list[tuple[str, Program]] = []


def program(run: Program) -> Program:
    """Add a program; its name is the function's."""
    _programs.append((run.__name__, run))
    return run


def main() -> None:
    """Run what was asked for by name, or everything, and print a line of JSON for each."""
    wanted = sys.argv[1:]
    chosen = [(name, run) for name, run in _programs if not wanted or name in wanted]
    asyncio.run(_all(chosen))


async def _all(chosen: list[tuple[str, Program]]) -> None:
    for name, run in chosen:
        problem = ""
        try:
            await run()
        except Exception as error:
            # Whatever a client raises is this program's failure, and not the end of the others.
            traceback.print_exc()
            problem = f"{type(error).__name__}: {error}"
        print(json.dumps({"program": name, "problem": problem}), flush=True)


def says(text: str, *wanted: str) -> None:
    """Check that a text has all these words in it, in any case."""
    missing = [word for word in wanted if word.lower() not in text.lower()]
    assert not missing, f"{text!r} lacks {missing[0]!r}"


def is_png(data: bytes, width: int, height: int) -> None:
    """Check that these bytes are a whole PNG of that size: every chunk's sum, and every row of pixels."""
    assert data.startswith(_PNG), f"no PNG: {data[:16]!r}"
    place, header, pixels, kind = len(_PNG), b"", b"", b""
    while place < len(data):
        (length,) = struct.unpack(">I", data[place : place + 4].rjust(4, b"\xff"))
        assert place + 12 + length <= len(data), f"cut after {len(data)} bytes"
        kind, body = data[place + 4 : place + 8], data[place + 8 : place + 8 + length]
        (crc,) = struct.unpack(">I", data[place + 8 + length : place + 12 + length])
        assert crc == zlib.crc32(kind + body), f"the sum of chunk {kind!r} is wrong"
        header, pixels = (body if kind == b"IHDR" else header), pixels + (body if kind == b"IDAT" else b"")
        place += 12 + length
    assert kind == b"IEND", f"the PNG ends with {kind!r}"
    assert header, "no header"
    wide, high, depth, colour = struct.unpack(">IIBB", header[:10])
    assert (wide, high) == (width, height), f"{wide}x{high} and not {width}x{height}"
    row = 1 + (wide * _COLOUR_CHANNELS[colour] * depth + 7) // 8
    assert len(zlib.decompress(pixels)) == row * high, "rows of pixels are missing"


def data_of(url: str) -> bytes:
    """Return the bytes of a data URL of a PNG."""
    head, _, body = url.partition(",")
    assert head == "data:image/png;base64", head
    return base64.b64decode(body, validate=True)


def is_chart(filename: str, data: bytes) -> None:
    """Check that these bytes are a whole PNG, as large as a chart is, under a name for one."""
    assert filename.endswith(".png"), filename
    assert data.startswith(_PNG), f"no PNG: {data[:16]!r}"
    is_png(data, *struct.unpack(">II", data[16:24]))
    assert len(data) > 1000, f"only {len(data)} bytes"
