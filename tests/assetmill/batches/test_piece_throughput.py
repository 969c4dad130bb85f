"""How the time of a batch follows the number of its workers, by the leases and on a clock of its own."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from assetmill.batches.opening import SHARD_ROWS
from assetmill.batches.pieces import Piece, Pieces, piece_rows
from assetmill.batches.work import RowWorker
from assetmill.records import RunId
from assetmill.stage.services import Services
from assetmill.store.memory import MemoryStore
from assetmill.store.run_ids import make_run_id
from tests.batchworks import ONE, plan_batch, products
from tests.millworks import painter, services_on, settings_in

ROWS, WIDTH, ROW_S = 128, 4, 40.0
"""Two stages of 20 s one after the other, four rows at once in each worker."""

BEGINS_S, MORE_S = 8.0, 4.0
"""A process starts in so long, and each further one on the same machine so much later."""

STEP_S = 0.5
TARGET = 3.6


class Hand:
    """One worker: rows in its slots, pieces that it has leased."""

    def __init__(self, work: RowWorker, pieces: Pieces, begins_at: float) -> None:
        self.work, self.pieces, self.begins_at = work, pieces, begins_at
        self._busy: list[tuple[float, Piece]] = []
        self._queue: list[Piece] = []
        self._left: Counter[str] = Counter()
        self._has_begun = False

    def step(self, now: float) -> None:
        if not self._has_begun:
            self.work.batch.ledger.beat(self.work.batch.batch_id, self.work.flow_run_id, 1)
            self._has_begun = True
        for until, piece in [one for one in self._busy if one[0] <= now]:
            self._busy.remove((until, piece))
            self.work.tally.rows += 1
            self._left[piece.name] -= 1
            if not self._left[piece.name]:
                self.pieces.end(piece)
        while self.pieces.has_room() and (piece := self.pieces.next()):
            self._left[piece.name] = len(piece.rows)
            self._queue += [piece] * len(piece.rows)
        # One after another, as in a process: they end apart, and a piece is leased for the first free slot.
        if self._queue and len(self._busy) < WIDTH:
            self._busy.append((now + ROW_S, self._queue.pop(0)))


class Shop:
    """A batch that workers share in a store."""

    def __init__(self, services: Services, folder: Path, count: int) -> None:
        self._services, self._count = services, count
        self._rows = products(folder, *(f"thing {number}" for number in range(count)))
        self._works: list[RowWorker] = []

    def takes_s(self, count: int) -> float:
        run = make_run_id(str(uuid.uuid4()), 0.0)
        size = piece_rows(self._count, count, SHARD_ROWS)
        hands = [self._hire(run, size, BEGINS_S + number * MORE_S) for number in range(count)]
        now = 0.0
        while sum(hand.work.tally.rows for hand in hands) < self._count:
            now += STEP_S
            for hand in hands:
                if hand.begins_at <= now:
                    hand.step(now)
        return now

    def _hire(self, run: RunId, size: int, begins_at: float) -> Hand:
        work = RowWorker(plan_batch(self._services, self._rows, "one"), run, str(uuid.uuid4()), run)
        self._works.append(work)
        return Hand(work, Pieces(work, size), begins_at)

    def close(self) -> None:
        for work in self._works:
            work.close()


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    settings = settings_in(tmp_path, one=ONE)
    run = settings.run.model_copy(update={"concurrency": WIDTH})
    services = services_on(settings.model_copy(update={"run": run}), MemoryStore(), painter())
    yield services
    services.close()


@contextmanager
def shop(services: Services, folder: Path, count: int) -> Generator[Shop]:
    opened = Shop(services, folder, count)
    try:
        yield opened
    finally:
        opened.close()


def test_four_workers_are_nearly_four_times_as_fast_as_one(services: Services, tmp_path: Path) -> None:
    with shop(services, tmp_path, ROWS) as opened:
        alone = opened.takes_s(1)
        assert alone <= BEGINS_S + ROWS / WIDTH * ROW_S * 1.01, "no slot is empty between two pieces"
        assert alone / opened.takes_s(4) >= TARGET
        assert alone / opened.takes_s(2) >= TARGET / 2


@pytest.mark.parametrize("rounds", [1, 3, 25])
def test_at_the_end_no_row_waits_at_one_worker_while_another_has_a_slot(
    services: Services, tmp_path: Path, rounds: int
) -> None:
    count = 4
    with shop(services, tmp_path, rounds * count * WIDTH) as opened:
        last_begins_s = BEGINS_S + (count - 1) * MORE_S
        assert opened.takes_s(count) <= last_begins_s + rounds * ROW_S + count * STEP_S
