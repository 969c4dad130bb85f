"""Ceilings that hold: what a stage may cost is reserved before the spend and settled after it.

The store has no compare-and-swap, so a scope's history is a row of numbered create-once entries: whoever
creates number n has seen all before it, and two workers cannot both reserve the same money. Without a
ceiling nothing is read or written here.
"""

from __future__ import annotations

import math
import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from assetmill.errors import InvalidInput, KeyExists, StoreError
from assetmill.money.history import History, MoneyEntry, MoneyKind
from assetmill.money.reading import keep_pages, read_on
from assetmill.store import layout
from assetmill.store.backend import Backend


@dataclass(frozen=True)
class Ceiling:
    """At most `usd` for everything under `scope`: `run/<id>`, `day/<date>` or `project`.

    Raises:
        InvalidInput: `usd` is no number; such a ceiling would hold nothing.
    """

    scope: str
    usd: float

    def __post_init__(self) -> None:
        if not math.isfinite(self.usd):
            raise InvalidInput(f"a ceiling of {self.usd} for {self.scope}: write an amount, or leave it out")


@dataclass(frozen=True)
class Refusal:
    """Why a reservation was not made."""

    ceiling: Ceiling
    spent_usd: float
    reserved_usd: float
    asked_usd: float

    @property
    def may_pass(self) -> bool:
        """Whether there would be room if no reservation were spent."""
        return self.spent_usd + self.asked_usd <= self.ceiling.usd

    def __str__(self) -> str:
        free = max(0.0, self.ceiling.usd - self.spent_usd - self.reserved_usd)
        return (
            f"it may cost ${self.asked_usd:.4f} and ${free:.4f} of the ceiling of ${self.ceiling.usd:.2f} "
            f"for {self.ceiling.scope} is left"
        )


class Budget:
    """Reservations against ceilings. Safe for threads and for any number of processes on one store."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._histories: dict[str, History] = {}
        # Threads of one process would otherwise race each other for every number.
        self._lock = threading.Lock()

    def reserve(self, reservation: str, usd: float, ceilings: Sequence[Ceiling]) -> Refusal | None:
        """Reserve `usd` under every ceiling, or say which one refuses. Repeating is free.

        What is reserved already is raised to `usd` and never lowered: another worker may rely on it. A
        refusal by a later scope releases what the earlier ones had given.
        """
        with self._lock:
            given: list[tuple[Ceiling, float | None]] = []
            for ceiling in ceilings:
                held_usd = self._read(ceiling.scope).reserved.get(reservation)
                refusal = self._reserve(ceiling, reservation, usd)
                if refusal is not None:
                    for earlier, before_usd in given:
                        if before_usd is None:
                            self._close(earlier, "release", reservation, 0.0)
                    return refusal
                given.append((ceiling, held_usd))
            return None

    def settle(self, reservation: str, usd: float, ceilings: Sequence[Ceiling]) -> None:
        """Replace a reservation by what was really spent. Repeating is free."""
        with self._lock:
            for ceiling in ceilings:
                self._close(ceiling, "settle", reservation, usd)

    def committed_usd(self, scope: str) -> float:
        """Return what is spent and reserved under a scope now."""
        with self._lock:
            return self._read(scope).committed_usd

    def usage(self, scope: str) -> tuple[float, dict[str, float]]:
        """Return what is spent under a scope now, and what is reserved, by reservation."""
        with self._lock:
            history = self._read(scope)
            return sum(history.settled.values()), dict(history.reserved)

    def _reserve(self, ceiling: Ceiling, reservation: str, usd: float) -> Refusal | None:
        while True:
            history = self._read(ceiling.scope)
            # Who slept while others closed the attempt will not get its intent: no money is held for it.
            held_usd = history.reserved.get(reservation, 0.0)
            if reservation in history.settled or (reservation in history.reserved and held_usd >= usd):
                return None
            if history.committed_usd - held_usd + usd > ceiling.usd + 1e-9:
                reserved_usd = sum(history.reserved.values())
                return Refusal(ceiling, history.committed_usd - reserved_usd, reserved_usd, usd)
            if self._append(ceiling.scope, history, "reserve", reservation, usd):
                return None

    def _close(self, ceiling: Ceiling, kind: MoneyKind, reservation: str, usd: float) -> None:
        while True:
            history = self._read(ceiling.scope)
            if reservation not in history.reserved:
                return
            if self._append(ceiling.scope, history, kind, reservation, usd):
                return

    def _read(self, scope: str) -> History:
        history = self._histories.setdefault(scope, History(scope))
        try:
            read_on(self._backend, history)
        except StoreError:
            # What was read before the fault must not pass for all there is.
            del self._histories[scope]
            raise
        return history

    def _append(self, scope: str, history: History, kind: MoneyKind, reservation: str, usd: float) -> bool:
        """Create the next entry; False when another process created it first."""
        keep_pages(self._backend, history)
        entry = MoneyEntry(
            nonce=uuid.uuid4().hex,
            kind=kind,
            reservation=reservation,
            usd=usd,
            created_at=time.time(),
            after=history.last or scope,
        )
        key = layout.money_entry(scope, history.count + 1)
        data = entry.model_dump_json().encode()
        try:
            self._backend.create(key, data)
        except KeyExists:
            # A lost reply makes one's own entry look like another's: the nonce tells.
            if self._backend.get(key) != data:
                return False
        history.add(entry)
        return True
