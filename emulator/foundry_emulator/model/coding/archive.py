"""Files put into a zip archive."""

from __future__ import annotations

from foundry_emulator.model.coding.request import CodeRequest, named, script
from foundry_emulator.model.words import has

TEMPLATE = """
import zipfile
from pathlib import Path

FILES = $files  # (path, name inside the archive)
RESULT = $result

with zipfile.ZipFile(RESULT, "w", zipfile.ZIP_DEFLATED) as archive:
    for path, name in FILES:
        archive.write(path, name)
        print("added", name)
print(f"{Path(RESULT).name}: {len(FILES)} files, {Path(RESULT).stat().st_size:,} bytes")
"""


def write(request: CodeRequest) -> str | None:
    """Write the code that zips what was made just now, or the mounted files, if the request asks for it."""
    files = request.made or named(request.sources, request.text) or request.sources
    if not files or not asked(request.text):
        return None
    pairs = [(source.path, source.name) for source in files]
    return script(TEMPLATE, files=pairs, result=request.target("files.zip", ".zip"))


def asked(text: str) -> bool:
    """Say whether the request is for an archive."""
    return has(text, "zip", "zipped", "archive", r"[\w.-]+\.zip")
