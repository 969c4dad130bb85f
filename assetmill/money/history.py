"""The history of a ceiling: numbered lines, each of which names the one before.

A line that is missing, unreadable or another's might be a reservation, so that nobody knows what is still
free: a history with such a line is refused, until a repair has counted it at its highest possible amount.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from assetmill.errors import KeyMissing, StoreError
from assetmill.records import Stored
from assetmill.store import layout
from assetmill.store.backend import Backend
from assetmill.store.kinds import Unreadable, validated

MoneyKind = Literal["reserve", "settle", "release"]
LINE = re.compile(rf"{layout.MONEY}((?:run|day|batch)/[^/]+|project)/(\d{{8}})")


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


@dataclass
class History:
    """What a scope's lines add up to, as far as they were read."""

    scope: str
    count: int = 0
    reserved: dict[str, float] = field(default_factory=dict[str, float])
    settled: dict[str, float] = field(default_factory=dict[str, float])
    last: str = ""
    is_chained: bool = False

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

    @property
    def prefix(self) -> str:
        """Where its lines lie."""
        return layout.money(self.scope)

    @property
    def committed_usd(self) -> float:
        """What is spent and reserved."""
        return sum(self.reserved.values()) + sum(self.settled.values())


def read_on(backend: Backend, history: History) -> None:
    """Take in the lines that came since.

    Raises:
        StoreError: one of them is missing, unreadable or another's.
    """
    # At first one listing tells how far it goes; later one question tells that there is nothing new, where
    # listing a batch of thousands each time would cost more than the batch.
    listed = 0 if history.count else max((n for _, n in numbered(backend, history.prefix)), default=0)
    while listed > history.count or history.count:
        number = history.count + 1
        try:
            entry = read_line(backend, history.scope, number)
        except KeyMissing:
            if number > listed:
                return
            raise _refused(backend, history, "is missing") from None
        except Unreadable as error:
            raise _refused(backend, history, f"cannot be read: {error}") from error
        if not history.follows(entry):
            raise _refused(backend, history, "does not follow the line before it")
        history.add(entry)


def read_line(backend: Backend, scope: str, number: int) -> MoneyEntry:
    """Return one line.

    Raises:
        KeyMissing: it is not there.
        Unreadable: it is not one.
    """
    return validated(MoneyEntry, backend.get(layout.money_entry(scope, number)))


def numbered(backend: Backend, prefix: str) -> Iterator[tuple[str, int]]:
    """Yield the scope and number of every line below a prefix; what else lies there is a stray."""
    for entry in backend.list(prefix):
        if found := LINE.fullmatch(entry.key):
            yield found[1], int(found[2])


def _refused(backend: Backend, history: History, what: str) -> StoreError:
    key = layout.money_entry(history.scope, history.count + 1)
    return StoreError(
        f"{key} in {backend.name} {what}: what is spent under the ceiling for {history.scope} is not known, "
        "and nothing more is; `assetmill repair` counts it at its highest amount"
    )
