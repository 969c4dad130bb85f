"""The tables of docs/traces.md, from the names in `words.py`."""

from __future__ import annotations

from collections.abc import Sequence

from assetmill.traces import words


def tables() -> str:
    """Return the tables as Markdown."""
    attributes = [(name, one.meaning, one.since or "ours") for name, one in words.ATTRIBUTES.items()]
    metrics = [
        (name, one.meaning, one.kind.replace("up_down", "up-down counter"), one.unit)
        for name, one in words.METRICS.items()
    ]
    return "\n".join(
        [
            _table(("Span", "What it is"), list(words.SPANS.items())),
            _table(("Attribute", "What it is", "Since"), attributes),
            _table(("Event", "What it is"), list(words.EVENTS.items())),
            _table(("Metric", "What it is", "Kind", "Unit"), metrics),
        ]
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [
        f"| {' | '.join(head)} |",
        f"|{'---|' * len(head)}",
        *(f"| `{name}` | {' | '.join(rest)} |" for name, *rest in rows),
    ]
    return "\n".join([*lines, ""])
