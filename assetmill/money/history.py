"""The history of a ceiling: numbered lines, each of which names the one before."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from assetmill.records import Stored
from assetmill.store import layout

MoneyKind = Literal["reserve", "settle", "release"]


class MoneyEntry(Stored):
    """One line of a scope's history. `reservation` names an attempt: its fingerprint and number.

    A reservation is settled once its attempt is over, and released when the attempt was not begun. `after` is
    the nonce of the line before, of the first one its scope; lines of old have none.
    """

    schema_version: Literal[1] = 1
    nonce: str
    kind: MoneyKind
    reservation: str
    usd: float
    created_at: float
    after: str = ""


class LinePage(Stored):
    """A copy of some lines of a scope, from `first` on: what is read in one request instead of one each."""

    schema_version: Literal[1] = 1
    scope: str
    first: int
    lines: tuple[MoneyEntry, ...]


@dataclass
class History:
    """What a scope's lines add up to, as far as they were read. `unkept` are pages that nobody has stored."""

    scope: str
    count: int = 0
    reserved: dict[str, float] = field(default_factory=dict[str, float])
    settled: dict[str, float] = field(default_factory=dict[str, float])
    last: str = ""
    is_chained: bool = False
    unkept: dict[str, LinePage] = field(default_factory=dict[str, LinePage])

    def follows(self, entry: MoneyEntry) -> bool:
        """Whether a line is the next one: it names the last, or all are of old."""
        return entry.after == (self.last or self.scope) or not (entry.after or self.is_chained)

    def add(self, entry: MoneyEntry) -> None:
        """Take the next line in."""
        self.count += 1
        self.last, self.is_chained = entry.nonce, self.is_chained or bool(entry.after)
        if entry.kind == "reserve":
            self.reserved[entry.reservation] = entry.usd
        else:
            self.reserved.pop(entry.reservation, None)
        if entry.kind == "settle":
            self.settled[entry.reservation] = entry.usd

    def take(self, lines: Iterable[MoneyEntry]) -> bool:
        """Take lines in until one is not the next; say whether all were."""
        for line in lines:
            if not self.follows(line):
                return False
            self.add(line)
        return True

    @property
    def prefix(self) -> str:
        """Where its lines lie."""
        return layout.money(self.scope)

    @property
    def committed_usd(self) -> float:
        """What is spent and reserved."""
        return sum(self.reserved.values()) + sum(self.settled.values())
