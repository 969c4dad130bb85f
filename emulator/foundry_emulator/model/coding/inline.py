"""A small table that a request brings along in its own words: lines with commas, or `2021: 5, 2022: 7`."""

from __future__ import annotations

import re
from collections import Counter

_LEAST_ROWS = 2
_PAIR = re.compile(
    r"(?<![\w.])([A-Za-z][\w -]{0,30}?|\d{4}(?:-\d\d)?|Q[1-4])\s*(?::|=|\bhad\b|\bsold\b|-)\s*"
    r"(-?\d[\d.]*)(?![\w:])"
)


def table_in(text: str) -> str | None:
    """Return the table that a text holds as CSV, or None."""
    return _lines_in(text) or _pairs_in(text)


def _lines_in(text: str) -> str | None:
    lines = [line.strip() for line in text.splitlines()]
    counts = Counter(line.count(",") for line in lines if "," in line and not line.endswith((".", ":")))
    commas, rows = max(counts.items(), key=lambda pair: (pair[1], pair[0]), default=(0, 0))
    if rows < _LEAST_ROWS + 1:
        return None
    found = [line for line in lines if line.count(",") == commas and not line.endswith((".", ":"))]
    has_figures = all(re.search(r"\d", line) for line in found[1:])
    return "\n".join(found) + "\n" if has_figures and not re.search(r"[.?!] ", found[0]) else None


def _pairs_in(text: str) -> str | None:
    pairs = [(match[1].strip(), match[2].rstrip(".")) for match in _PAIR.finditer(text)]
    if len(pairs) <= _LEAST_ROWS:
        return None
    is_year = all(re.fullmatch(r"\d{4}", label) for label, _ in pairs)
    said = re.search(
        r"\b(?:of|plot|chart|graph|the)\s+(?:the\s+)?([a-z]{3,20})\s+(?:by|per|in|over|for)\b", text
    )
    head = f"{'year' if is_year else 'label'},{said[1] if said else 'value'}"
    return "\n".join([head, *(f"{label},{value}" for label, value in pairs)]) + "\n"
