"""A look at what is mounted: the plain thing to do when a request for code says nothing more definite."""

from __future__ import annotations

from foundry_emulator.model.coding.request import CodeRequest, script

TEMPLATE = """
from pathlib import Path

FILES = $files

for path in map(Path, FILES):
    print(f"{path.name}: {path.stat().st_size:,} bytes")
    if path.suffix.lower() in {".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp"}:
        from PIL import Image

        with Image.open(path) as picture:
            print(f"  {picture.format} picture, {picture.width}x{picture.height}, {picture.mode}")
    elif path.suffix.lower() in {".csv", ".tsv"}:
        import pandas as pd

        table = pd.read_csv(path, sep=None, engine="python")
        print(f"  {len(table)} rows, columns: {', '.join(map(str, table.columns))}")
    else:
        print("  " + path.read_text(encoding="utf-8", errors="replace")[:300].replace("\\n", "\\n  "))
"""

NOTHING = """
import platform

print("Python", platform.python_version())
print("No files are mounted under /mnt/data.")
"""


def write(request: CodeRequest) -> str:
    """Write code that lists the mounted files and what they hold."""
    if not request.sources:
        return script(NOTHING)
    return script(TEMPLATE, files=[source.path for source in request.sources])
