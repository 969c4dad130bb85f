"""Mends the histories of ceilings so that none can be exceeded unseen.

A line that is lost may have been a reservation of any attempt. It is counted as spent, at the most that
anything in this store was ever reserved for or has cost; a day's ceiling forgets it with its day. The chain
of lines is closed again, so that it also fits what running processes have in memory.
"""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from assetmill.care.repairs import Repaired, replace
from assetmill.errors import KeyMissing
from assetmill.money.history import History, MoneyEntry
from assetmill.money.reading import numbered, read_line
from assetmill.store import layout
from assetmill.store.backend import Backend
from assetmill.store.kinds import Newer, Unreadable


@dataclass
class MoneyRepairer:
    """Mends every history of a store; `most_usd` is the most that any attempt was reserved for."""

    backend: Backend
    most_usd: float
    _nonces: Counter[str] = field(default_factory=Counter[str])
    _newer: dict[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])

    def repair(self) -> Iterator[Repaired]:
        """Mend the histories, and yield what became of each line that was not as it must be."""
        last: dict[str, int] = {}
        for scope, number in numbered(self.backend, layout.MONEY):
            last[scope] = number  # listed in their order
        histories = {scope: [self._read(scope, n + 1) for n in range(end)] for scope, end in last.items()}
        lines = [line for found in histories.values() for line in found if line]
        self._nonces.update(line.nonce for line in lines)
        self.most_usd = max([self.most_usd, *(line.usd for line in lines)])
        for scope, found in histories.items():
            if scope in self._newer:
                key, said = self._newer[scope]
                yield Repaired("newer", key, f"ceiling for {scope}", said)
            else:
                yield from self._mend(scope, found)

    def _read(self, scope: str, number: int) -> MoneyEntry | None:
        """Return a line, None when it is not there or is none that this version can read."""
        try:
            return read_line(self.backend, scope, number)
        except Newer as error:
            self._newer[scope] = layout.money_entry(scope, number), str(error)
        except (Unreadable, KeyMissing):
            pass
        return None

    def _mend(self, scope: str, lines: list[MoneyEntry | None]) -> Iterator[Repaired]:
        history, unseen = History(scope), 0
        for number, line in enumerate(lines, start=1):
            if line is not None and history.follows(line):
                history.add(line)
            elif line is not None and line.kind == "reserve" and self._nonces[line.nonce] == 1:
                # It holds money of its own; what it came after was replaced by another process's line.
                unseen += 1
                yield self._put(history, line.model_copy(update={"after": history.last or scope}))
            else:
                yield self._put(history, self._highest(history, lines[number:]))
        for _ in range(unseen):
            yield self._put(history, self._highest(history, []))

    def _put(self, history: History, line: MoneyEntry) -> Repaired:
        key = layout.money_entry(history.scope, history.count + 1)
        replace(self.backend, key, line.model_dump_json().encode())
        history.add(line)
        said = f"${self.most_usd:.4f} counts as spent, the most that anything here was reserved for"
        return Repaired("mended", key, f"ceiling for {history.scope}", f"a line is lost: {said}")

    def _highest(self, history: History, following: list[MoneyEntry | None]) -> MoneyEntry:
        """Return what stands for a lost line: spent, at its highest amount, as the lines after it expect."""
        known = next((line for line in following if line), None)
        is_of_old = known is not None and not known.after and not history.is_chained
        return MoneyEntry(
            nonce=(following[0].after if following and following[0] else "") or uuid.uuid4().hex,
            kind="settle",
            reservation=f"lost.{history.count + 1}",
            usd=self.most_usd,
            created_at=time.time(),
            after="" if is_of_old else history.last or history.scope,
        )
