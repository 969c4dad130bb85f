"""Work on what file search found: run code that a passage holds, or work out figures that it lists."""

from __future__ import annotations

import ast
import re

from foundry_emulator.model.coding.request import CodeRequest, script
from foundry_emulator.model.words import has, numbers, words

FIGURES = """
import statistics

# Taken from $filename
VALUES = $values

figures = list(VALUES.values())
print("data count:", len(figures))
print("total:", round(sum(figures), 4))
print("average:", round(statistics.mean(figures), 4))
print("minimum:", min(figures))
print("maximum:", max(figures))
"""

_LISTED = re.compile(
    r"^[\s*\-|]*([A-Za-z][\w ./&()-]{0,50}?)\s*[:=|]"
    r"\s*[$\u20ac\u00a3]?(-?[\d,]+(?:\.\d+)?)\s*(?:[%\w\u00b0]*)\s*\|?$"
)


def write(request: CodeRequest) -> str | None:
    """Write the code that the request wants run over what was found, if it asks for that."""
    return _run_found_code(request) or _figures(request)


def listed_figures(text: str) -> dict[str, float]:
    """Read the lines of the form `label: number`, totals left out."""
    found: dict[str, float] = {}
    for line in text.splitlines():
        match = _LISTED.match(line.strip())
        if match and not has(match.group(1), "total", "overall", "sum"):
            found.setdefault(match.group(1).strip(), numbers(match.group(2))[0])
    return found


def _figures(request: CodeRequest) -> str | None:
    if not has(
        request.text,
        r"calculat\w*",
        r"comput\w*",
        "averages?",
        "mean",
        "totals?",
        "sum",
        r"statistic\w*",
        r"analy\w*",
    ):
        return None
    for hit in request.hits:
        values = listed_figures(hit.text)
        if len(values) > 1:
            plain = {name: int(value) if value.is_integer() else value for name, value in values.items()}
            code = FIGURES.replace("$filename", re.sub(r"[^\w. -]", "_", hit.filename))
            return script(code, values=plain)
    return None


def _run_found_code(request: CodeRequest) -> str | None:
    if not has(request.text, "run", r"execut\w*", "test", r"calculat\w*"):
        return None
    for hit in request.hits:
        names = _functions(hit.text)
        call = next((call for call in _calls(request.text) if call.split("(")[0] in names), None)
        if call:
            said = f"From {hit.filename}: {call} ="
            return f"{hit.text.rstrip()}\n\n\nprint({said!r}, {call})\n"
        named = [name for name in names if set(words(name)) <= set(words(request.text))]
        if named and not numbers(request.text):
            return hit.text.rstrip() + "\n"
    return None


def _functions(text: str) -> list[str]:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    return [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]


def _calls(text: str) -> list[str]:
    # Only calls with plain numbers and strings: what the request says is turned into code here.
    literal = r"(?:-?\d+(?:\.\d+)?|'[\w ]*'|\"[\w ]*\"|\[[\d., -]*\])"
    return re.findall(rf"\b[A-Za-z_]\w*\((?:{literal}(?:,\s*{literal})*)?\)", text)
