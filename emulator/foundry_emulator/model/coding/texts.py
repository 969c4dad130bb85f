"""Text files written as asked: quoted content, a haiku, a list."""

from __future__ import annotations

import re

from foundry_emulator.model.coding import charts
from foundry_emulator.model.coding.request import CodeRequest, script
from foundry_emulator.model.verses import verse
from foundry_emulator.model.words import has, quoted

TEMPLATE = """
from pathlib import Path

# (path, content)
FILES = $files

for path, content in FILES:
    Path(path).write_text(content, encoding="utf-8")
    print(f"{Path(path).name}: {len(content)} characters")
"""
_KINDS = (".txt", ".md", ".json", ".html", ".csv", ".py", ".svg")


def write(request: CodeRequest) -> str | None:
    """Write the code that writes the text files which the request names, if it asks for any."""
    names = [
        name for name in request.new_names(*_KINDS) if not (name.endswith(".csv") and _is_of_a_chart(request))
    ]
    if not names or not has(
        request.text, r"writ\w*", r"creat\w*", r"sav\w*", r"mak\w*", r"put", r"generat\w*", "produce"
    ):
        return None
    return script(TEMPLATE, files=[(f"/mnt/data/{name}", content(request, name)) for name in names])


def _is_of_a_chart(request: CodeRequest) -> bool:
    """Say whether the chart's own code writes the CSV files that are asked for."""
    return charts.write(request) is not None


def content(request: CodeRequest, name: str) -> str:
    """Return what belongs in the file `name`: what is quoted after "with", a verse, or what was found."""
    said = [part for part in quoted(request.text) if part != name]
    if said:
        return "\n".join(said) + "\n"
    if lines := verse(f"{request.text} {name}"):
        return lines + "\n"
    match = re.search(
        r"\b(?:containing|contains|with the (?:text|content|words|line)|that says|saying)\s*:?\s+(.+)",
        request.text,
    )
    if match:
        return match.group(1).strip() + "\n"
    if request.hits:
        return "\n\n".join(hit.text for hit in request.hits[:3]) + "\n"
    if name.endswith(".json"):
        return "{}\n"
    return request.text.strip() + "\n"
