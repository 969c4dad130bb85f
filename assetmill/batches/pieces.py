"""A batch in small pieces: a few rows that a worker takes at once, and takes over from one that has died."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from assetmill.batches.leases import END, Held, Leases, Silence
from assetmill.batches.records import BatchPage
from assetmill.batches.rows import Row
from assetmill.batches.work import GROUP_ROWS, RowWorker
from assetmill.store import batch_layout
from assetmill.store.backend import Backend

PIECES_A_WORKER = 8
"""So many pieces for each worker, or more: the smaller they are, the less one waits for others at the end."""

LAST_PART = 4
"""In the last quarter pieces become ever smaller, so that all workers come to the end together.

By the square: a piece is leased for the first slot that is free, and its other rows must not wait for long.
"""

ALL = "all"
"""The name under which it is noted that all pieces are over."""

PIECE_LOSSES = 3
"""Rows with which so many workers have died have something wrong with them that no further one will mend."""


def piece_rows(row_count: int, width: int, most: int) -> int:
    """Return how many rows make a piece where so many workers share the rows that are to be done."""
    return max(1, min(GROUP_ROWS, most, row_count // (PIECES_A_WORKER * width)))


@dataclass(frozen=True)
class Piece:
    """Some rows of a batch, with the lease under which they are in hand. `lost` workers had them before."""

    name: str
    generation: int
    rows: tuple[Row, ...]

    @property
    def is_hopeless(self) -> bool:
        """Whether too many workers have died with it."""
        return self.generation >= PIECE_LOSSES


class Pieces:
    """The pieces of one run of a batch as one worker sees them. Used by one thread at a time."""

    def __init__(self, work: RowWorker, size: int, silence: Silence | None = None) -> None:
        batch = work.batch
        self._work, self._silence = work, silence or Silence()
        self._rows = _cut([plan.row for plan in batch.plans], size, {p.row.number for p in batch.to_do})
        prefix = batch_layout.piece_leases(batch.batch_id, work.halt_run)
        self._leases = Leases(batch.services.backend, prefix, work.flow_run_id)
        self._held = self._leases.held()
        self._mine: set[str] = set()
        self._leased_rows = 0

    @property
    def is_over(self) -> bool:
        """Whether nobody has anything left to do, as far as was seen when pieces were last looked for."""
        return self._rows.keys() <= self._held.ended

    def close(self) -> None:
        """Let whoever comes late know that nothing is left, before it plans anything."""
        if self.is_over and ALL not in self._held.ended:
            self._leases.end(ALL)

    @property
    def rows_in_hand(self) -> int:
        """How many rows this worker has leased that have not come to their end."""
        return self._leased_rows - self._work.tally.rows

    def has_rows(self) -> bool:
        """Whether this worker has rows in hand."""
        return bool(self._mine)

    def has_room(self) -> bool:
        """Whether this worker would begin a further piece now."""
        services = self._work.batch.services
        if services.stop.is_set() or services.gate.refusal(services.clock()):
            return False
        idle = services.settings.run.concurrency - self.rows_in_hand
        # One piece more than there are slots, so that none is empty while the next one is leased.
        return idle > 0 or (idle == 0 and self._are_plenty())

    def next(self) -> Piece | None:
        """Lease the first piece that is free, or whose holder has died; None when there is none now."""
        while name := self._free():
            if self._leases.take(name):
                return self._taken(name, 0)
            self._held = self._leases.held()
        self._held = self._leases.held()
        if name := self._free():
            return self._taken(name, 0) if self._leases.take(name) else None
        return self._abandoned()

    def end(self, piece: Piece) -> None:
        """Say that the rows of a piece were told of, or leave them to others when this worker is drained."""
        self._mine.discard(piece.name)
        if self._work.is_drained:
            return self._leases.give_back(piece.name, piece.generation)
        self._held.ended.add(piece.name)
        return self._leases.end(piece.name)

    def give_up(self, piece: Piece) -> None:
        """Tell of the rows with which one worker after the other has died."""
        work = self._work
        work.give_up(
            frozenset(row.number for row in piece.rows),
            f"{PIECE_LOSSES} workers were lost while they had it in hand",
        )
        told = tuple(work.results[row.number] for row in piece.rows)
        page = BatchPage(batch_id=work.batch.batch_id, run_id=work.run_id, rows=told)
        work.batch.ledger.write_page(page)
        self._leased_rows -= len(piece.rows)
        self.end(piece)

    def _are_plenty(self) -> bool:
        """Whether more rows are free than all workers have slots for.

        Near the end a row that waits for a slot here would be begun sooner by whoever has one. Before a row
        of this worker has ended, the others may not have begun.
        """
        batch = self._work.batch
        slots = batch.services.settings.run.concurrency
        if not self._work.tally.rows or self._free_rows() <= slots:
            return False
        self._held = self._leases.held()
        workers = batch.ledger.shard_beats(batch.batch_id, self._work.halt_run)
        return self._free_rows() > slots * max(1, len(workers))

    def _free_rows(self) -> int:
        return sum(len(self._rows[name]) for name in self._all_free())

    def _taken(self, name: str, generation: int) -> Piece:
        self._held.generations[name] = generation
        self._mine.add(name)
        self._leased_rows += len(self._rows[name])
        return Piece(name, generation, self._rows[name])

    def _free(self) -> str:
        return next(self._all_free(), "")

    def _all_free(self) -> Iterator[str]:
        held: Held = self._held
        return (n for n in self._rows if n not in held.generations and n not in held.ended)

    def _abandoned(self) -> Piece | None:
        batch = self._work.batch
        left = [n for n in self._rows if n not in self._held.ended and n not in self._mine]
        beats = batch.ledger.beats(batch.batch_id) if left else {}
        for name in left:
            generation = self._held.generations[name]
            holder = self._leases.holder_of(name, generation)
            is_lost = bool(holder) and self._silence.is_dead(holder, beats.get(holder))
            if is_lost and self._leases.take(name, generation + 1):
                return self._taken(name, generation + 1)
        return None


def is_over(backend: Backend, batch_id: str, run: str) -> bool:
    """Whether all pieces of a run of a batch were told of: one request."""
    return backend.head(f"{batch_layout.piece_leases(batch_id, run)}{ALL}{END}") is not None


def _cut(rows: Sequence[Row], size: int, wanted: set[int]) -> dict[str, tuple[Row, ...]]:
    """Return pieces by name; all workers cut alike, whatever is done when they begin."""
    pieces: dict[str, Sequence[Row]] = {}
    count = -(-len(rows) // size)
    for number in range(count):
        name, piece = f"{number:06d}", rows[number * size : (number + 1) * size]
        part = min(size, math.ceil(size * (LAST_PART * (count - number) / count) ** 2))
        if part == size:
            pieces[name] = piece
            continue
        # Names of their own: earlier versions know the whole piece alone, or parts called x of other sizes.
        parts = [piece[first : first + part] for first in range(0, len(piece), part)]
        pieces |= {f"{name}y{place}": rows_of_part for place, rows_of_part in enumerate(parts)}
    left = {name: tuple(row for row in piece if row.number in wanted) for name, piece in pieces.items()}
    return {name: piece for name, piece in left.items() if piece}
