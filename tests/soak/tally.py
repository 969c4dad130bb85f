"""What a storm has done and met, counted; a person reads the table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

_HEADS = {
    "rounds": "rounds",
    "commands": "commands",
    "exits": "exit codes",
    "kills": "killed and signalled",
    "faults": "faults that struck",
    "damage": "objects damaged",
    "repairs": "told by repair",
    "trouble": "other trouble",
    "person": "a person's words",
    "money": "charges",
    "checked": "held against each other",
}


@dataclass
class Tally:
    """Counts by group and kind."""

    counts: dict[str, Counter[str]] = field(default_factory=lambda: {group: Counter() for group in _HEADS})
    minutes: float = 0.0
    billed_usd: float = 0.0
    spent_usd: float = 0.0

    def count(self, group: str, kind: str, number: int = 1) -> None:
        """Count something."""
        self.counts[group][kind] += number

    def count_all(self, group: str, kinds: Mapping[str, int]) -> None:
        """Count several things."""
        self.counts[group].update(kinds)

    def table(self) -> str:
        """Return everything, a line for each group."""
        lines = [
            f"{self.minutes:.1f} minutes; ${self.billed_usd:.4f} billed, ${self.spent_usd:.4f} in the books"
        ]
        for group, head in _HEADS.items():
            counts = self.counts[group]
            each = ", ".join(f"{kind} {number}" for kind, number in sorted(counts.items()))
            lines.append(f"{head:<24}{sum(counts.values()):>7}  {each}")
        return "\n".join(lines)
