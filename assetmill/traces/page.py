"""The tables of docs/traces.md, from the names in `words.py`."""

from __future__ import annotations

from collections.abc import Mapping

from assetmill.traces import words


def tables() -> str:
    """Return the tables as Markdown."""
    providers = {words.provider(one): f"the service, in version {one}" for one in words.CONVENTIONS}
    metrics = {name: f"{said} (`{unit}`)" for name, (unit, said) in words.METRICS.items()}
    parts = {
        "Span": words.SPANS,
        "Attribute": {**providers, **words.ATTRIBUTES},
        "Event of a stage's span": words.EVENTS,
        "Metric": metrics,
    }
    return "\n".join(_table(title, rows) for title, rows in parts.items())


def _table(title: str, rows: Mapping[str, str]) -> str:
    lines = [
        f"| {title} | What it is |",
        "|---|---|",
        *(f"| `{name}` | {said} |" for name, said in rows.items()),
    ]
    return "\n".join([*lines, ""])
