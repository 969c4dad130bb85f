"""Differences that were looked at and accepted, each with its reason, in TOML files: our own and a user's."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from foundry_emulator.comparing.exchange import Exchange
from foundry_emulator.comparing.shapes import Difference

OWN = Path(__file__).with_name("accepted.toml")


class UnreadableVerdicts(Exception):
    """The file of accepted differences cannot be used; the message says why."""


@dataclass(frozen=True)
class Accepted:
    """A pattern of differences that are as they should be; `*` stands for anything."""

    operation: str
    field: str
    kind: str
    exchange: str
    reason: str
    recorded: str = "*"
    here: str = "*"
    """What stands on either side, where only that is accepted."""
    only_shortened: bool = False
    """Whether it is accepted only where something of the answer was left out when it was written down."""

    def covers(self, exchange: Exchange, operation: str, difference: Difference) -> bool:
        """Say whether a difference is one of these."""
        return (
            (exchange.is_shortened or not self.only_shortened)
            and fnmatchcase(operation, self.operation)
            and fnmatchcase(difference.field.replace("[", "(").replace("]", ")"), self._field())
            and self.kind in ("*", difference.kind)
            and fnmatchcase(difference.recorded, self.recorded)
            and fnmatchcase(difference.here, self.here)
            and fnmatchcase(exchange.name, self.exchange)
        )

    def _field(self) -> str:
        # Brackets are part of a path here and a set of letters there.
        return self.field.replace("[", "(").replace("]", ")")


def read_accepted(path: Path) -> Sequence[Accepted]:
    """Read accepted differences.

    Raises:
        UnreadableVerdicts: the file cannot be read, or one of them lacks its field or its reason.
    """
    try:
        told: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise UnreadableVerdicts(
            f"cannot read accepted differences from {str(path)!r}: {problem}"
        ) from problem
    found: list[Accepted] = []
    for number, raw in enumerate(told.get("accepted") or [], 1):
        if not raw.get("field") or not raw.get("reason"):
            raise UnreadableVerdicts(f"{str(path)!r}: number {number} lacks `field` or `reason`")
        found.append(
            Accepted(
                operation=str(raw.get("operation", "*")),
                field=str(raw["field"]),
                kind=str(raw.get("kind", "*")),
                exchange=str(raw.get("exchange", "*")),
                reason=str(raw["reason"]),
                recorded=str(raw.get("recorded", "*")),
                here=str(raw.get("here", "*")),
                only_shortened=bool(raw.get("shortened")),
            )
        )
    return found
