"""A worker that stays: it leases piece after piece of a batch from the store until all of it is told of."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

from assetmill.batches.pieces import Piece, Pieces
from assetmill.batches.work import RowWorker
from assetmill.traces.runs import carried
from tasks import policies
from tasks.batches import submit_rows


async def pull(work: RowWorker, pieces: Pieces) -> None:
    """Carry out pieces as tasks of the current flow, and stay until nobody has any left."""
    running: dict[asyncio.Future[Any], Piece] = {}
    while running or _goes_on(work, pieces):
        if piece := await asyncio.to_thread(_lease, work, pieces):
            running[asyncio.ensure_future(submit_rows(piece.rows, work))] = piece
            continue
        if not running:
            await asyncio.sleep(policies.PIECE_POLL_S)
            continue
        ended, _ = await asyncio.wait(
            running, timeout=policies.PIECE_POLL_S, return_when=asyncio.FIRST_COMPLETED
        )
        for future in ended:
            if isinstance(outcome := future.result(), BaseException):
                raise outcome
            await asyncio.to_thread(pieces.end, running.pop(future))


def pull_here(work: RowWorker, pieces: Pieces) -> int:
    """Carry out pieces in threads of this process, as a task of whatever runs it; return how many rows."""
    running: dict[Future[Any], Piece] = {}
    told = 0
    with ThreadPoolExecutor(work.batch.services.settings.run.concurrency) as pool:
        while running or _goes_on(work, pieces):
            if piece := _lease(work, pieces):
                running[pool.submit(carried(work.carry_out), piece.rows)] = piece
                continue
            if not running:
                # Others have the rest in hand: what they leave is seen in the store alone.
                time.sleep(policies.PIECE_POLL_S)
            for future in wait(running, policies.PIECE_POLL_S, FIRST_COMPLETED).done:
                told += len(future.result())
                pieces.end(running.pop(future))
    pieces.close()
    return told


def _goes_on(work: RowWorker, pieces: Pieces) -> bool:
    if pieces.is_over:
        return False
    work.look_for_halt()
    services = work.batch.services
    return not (services.stop.is_set() or services.gate.refusal(services.clock()))


def _lease(work: RowWorker, pieces: Pieces) -> Piece | None:
    """Return a piece to begin now, None when there is no room or no piece."""
    while pieces.has_room() and (piece := pieces.next()):
        if not piece.is_hopeless:
            return piece
        pieces.give_up(piece)
    return None
