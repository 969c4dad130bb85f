"""Workers that share the rows of a batch piece by piece, and one that is no more."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from assetmill.batches.leases import BEATLESS_S, UNHEARD_S, Silence
from assetmill.batches.pieces import PIECE_LOSSES, Piece, Pieces, is_over, piece_rows
from assetmill.batches.work import RowWorker
from assetmill.stage.services import Services
from assetmill.store.memory import MemoryStore
from assetmill.store.run_ids import make_run_id
from tests.batchworks import ONE, plan_batch, products
from tests.doubles import ScriptedGateway
from tests.millworks import painter, services_on, settings_in

BEGINNER = "00000000-0000-0000-0000-000000000007"
"""The flow run of the batch itself, whose process says how far all of it is and takes no rows."""

RUN = make_run_id(BEGINNER, 1.0)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def services(tmp_path: Path, gateway: ScriptedGateway) -> Iterator[Services]:
    services = services_on(settings_in(tmp_path, one=ONE), MemoryStore(), gateway)
    yield services
    services.close()


class Workers:
    """Machines that plan the same rows; `clock` is what those that wait for a silent one look at."""

    def __init__(self, services: Services, rows: str) -> None:
        self.services, self._rows, self.clock = services, rows, Clock()
        self._works: list[RowWorker] = []

    def start(self, size: int = 2) -> tuple[RowWorker, Pieces]:
        batch = plan_batch(self.services, self._rows, "one")
        work = RowWorker(batch, RUN, str(uuid.uuid4()), RUN)
        self._works.append(work)
        return work, Pieces(work, size, Silence(self.clock))

    def close(self) -> None:
        for work in self._works:
            work.close()


@pytest.fixture
def gateway() -> ScriptedGateway:
    return painter()


@pytest.fixture
def workers(services: Services, tmp_path: Path) -> Iterator[Workers]:
    workers = Workers(services, products(tmp_path, *(f"thing {n}" for n in range(6))))
    yield workers
    workers.close()


def leased(pieces: Pieces) -> Piece:
    piece = pieces.next()
    assert piece is not None
    return piece


def do(work: RowWorker, pieces: Pieces) -> Piece:
    piece = leased(pieces)
    work.carry_out(piece.rows)
    pieces.end(piece)
    return piece


def test_every_row_is_one_workers_and_whoever_is_free_takes_the_next(
    workers: Workers, gateway: ScriptedGateway
) -> None:
    first, second = workers.start(), workers.start()
    done = [do(*first), do(*first), do(*second)]
    numbers = [row.number for piece in done for row in piece.rows]
    assert numbers == [2, 3, 4, 5, 6, 7]
    assert (first[1].next(), second[1].next()) == (None, None)
    assert first[1].is_over
    assert second[1].is_over
    assert len(gateway.posts) == 6


def test_a_worker_that_comes_when_all_is_over_is_told_so_by_one_request(workers: Workers) -> None:
    work, pieces = workers.start(size=6)
    batch_id = work.batch.batch_id
    pieces.close()
    assert not is_over(workers.services.backend, batch_id, RUN)
    do(work, pieces)
    pieces.close()
    assert is_over(workers.services.backend, batch_id, RUN)


@pytest.mark.parametrize(("beats", "patience_s"), [(True, BEATLESS_S), (False, UNHEARD_S)])
def test_what_a_dead_worker_had_in_hand_is_taken_over(
    workers: Workers, beats: bool, patience_s: float
) -> None:
    dead, dying = workers.start(size=6)
    if beats:
        dead.batch.ledger.beat(dead.batch.batch_id, dead.flow_run_id, 7)
    lost = leased(dying)
    _, heir = workers.start(size=6)
    assert heir.next() is None
    workers.clock.now = patience_s
    assert heir.next() is None
    workers.clock.now += 1
    taken = leased(heir)
    assert (taken.name, taken.generation, taken.rows) == (lost.name, 1, lost.rows)
    assert not heir.is_over


def test_a_worker_that_goes_on_saying_that_it_is_alive_keeps_its_piece(workers: Workers) -> None:
    alive, pieces = workers.start(size=6)
    leased(pieces)
    _, other = workers.start(size=6)
    for number in range(5):
        alive.batch.ledger.beat(alive.batch.batch_id, alive.flow_run_id, number)
        assert other.next() is None
        workers.clock.now += BEATLESS_S


def test_what_a_drained_worker_leaves_is_free_at_once(workers: Workers) -> None:
    drained, pieces = workers.start(size=6)
    piece = leased(pieces)
    drained.batch.services.stop.set()
    pieces.end(piece)
    drained.batch.services.stop.clear()
    assert leased(workers.start(size=6)[1]).generation == 0


def test_rows_with_which_one_worker_after_another_dies_are_given_up_with_a_reason(workers: Workers) -> None:
    leased(workers.start(size=6)[1])
    for generation in range(1, PIECE_LOSSES):
        assert leased_from_dead(workers)[1].generation == generation
    pieces, piece = leased_from_dead(workers)
    assert piece.is_hopeless
    pieces.give_up(piece)
    watcher, left = workers.start(size=6)
    assert left.is_over
    page = watcher.batch.ledger.read_page(next(iter(watcher.batch.known.seen_pages)))
    assert page
    assert {(row.state, row.spent_usd) for row in page.rows} == {("failed", None)}
    assert f"{PIECE_LOSSES} workers were lost" in str(page.rows[0].reason)


def leased_from_dead(workers: Workers) -> tuple[Pieces, Piece]:
    _, pieces = workers.start(size=6)
    assert pieces.next() is None
    workers.clock.now += UNHEARD_S + 1
    return pieces, leased(pieces)


def test_rows_are_leased_as_slots_become_free_not_as_pieces_end(services: Services, tmp_path: Path) -> None:
    workers = Workers(services, products(tmp_path, *(f"thing {n}" for n in range(30))))
    work, pieces = workers.start(size=2)
    slots = work.batch.services.settings.run.concurrency
    begun = [leased(pieces) for _ in range(slots // 2)]
    assert not pieces.has_room(), "no slot is empty"
    work.carry_out(begun[0].rows[:1])
    assert pieces.has_room()
    leased(pieces)
    assert not pieces.has_room()
    work.carry_out(begun[1].rows[:1])
    assert pieces.has_room(), "one piece more, for the moment in which the next one is leased"
    leased(pieces)
    assert not pieces.has_room()
    work.carry_out(begun[2].rows)
    assert pieces.has_room()
    work.batch.services.gate.reason = "called off"
    assert not pieces.has_room()
    workers.close()


@pytest.mark.parametrize(
    ("rows", "width", "most", "wanted"),
    [(120, 4, 50, 3), (120, 1, 50, 15), (9000, 2, 50, 16), (9, 8, 50, 1), (900, 1, 5, 5)],
)
def test_pieces_are_small_enough_for_all_to_end_together(
    rows: int, width: int, most: int, wanted: int
) -> None:
    assert piece_rows(rows, width, most) == wanted


def test_the_last_pieces_become_ever_smaller_and_all_workers_cut_them_alike(
    services: Services, tmp_path: Path
) -> None:
    workers = Workers(services, products(tmp_path, *(f"thing {n}" for n in range(64))))
    _, first = workers.start(size=4)
    _, second = workers.start(size=4)
    pieces = [leased((first, second)[number % 2]) for number in range(23)]
    assert [len(piece.rows) for piece in pieces] == [4] * 13 + [3] + [1] * 9
    assert [row.number for piece in pieces for row in piece.rows] == list(range(2, 66))
    workers.close()


def test_a_row_that_would_have_to_wait_is_left_to_workers_with_empty_slots(
    services: Services, tmp_path: Path
) -> None:
    slots = services.settings.run.concurrency
    workers = Workers(services, products(tmp_path, *(f"thing {n}" for n in range(4 * slots + 1))))
    (busy, first), (idle, second) = workers.start(size=1), workers.start(size=1)
    for flow_run_id in (busy.flow_run_id, idle.flow_run_id, BEGINNER):
        busy.batch.ledger.beat(busy.batch.batch_id, flow_run_id, 1)
    do(busy, first)
    for _ in range(slots):
        leased(first)
    assert first.has_room(), "there is enough for both"
    do(idle, second)
    for _ in range(slots - 2):
        leased(second)
    assert first.has_room(), "what another one leases is seen in the store alone"
    leased(second)
    leased(second)
    assert second.has_room() is first.has_room() is False
    workers.close()
