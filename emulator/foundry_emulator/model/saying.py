"""Words around results: links to files, quotations of passages, each with its annotation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from foundry_emulator.steps import Hit, Say, WrittenFile


def say_files(text: str, files: Sequence[WrittenFile]) -> Say:
    """Say `text`, then link every file that the code wrote.

    A displayed plot is cited first, at 0 to 0 and under its file ID, as the service does.
    """
    newest = list({file.path: file for file in files}.values())
    shown = [file for file in newest if file.displayed]
    annotations: list[Mapping[str, Any]] = [_citation(file, 0, 0) for file in shown]
    for file in newest:
        if file in shown:
            continue
        name, link = PurePosixPath(file.path).name, f"sandbox:{file.path}"
        text += f"\n[Download {name}]("
        annotations.append(_citation(file, len(text), len(text) + len(link)))
        text += f"{link})"
    return Say(text.strip("\n") if not annotations else text, annotations)


def _citation(file: WrittenFile, start: int, end: int) -> dict[str, Any]:
    return {
        "type": "container_file_citation",
        "container_id": file.container_id,
        "file_id": file.file_id,
        "filename": f"{file.file_id}.png" if file.displayed else PurePosixPath(file.path).name,
        "start_index": start,
        "end_index": end,
    }


def cite(hit: Hit, index: int) -> dict[str, Any]:
    """Cite the file that a passage comes from, at a place in the text."""
    return {"type": "file_citation", "file_id": hit.file_id, "filename": hit.filename, "index": index}
