"""A shard says in the store that it is alive, so that its batch knows it from one whose worker has died.

The process of a batch says so too, and how far all of it is: pages tell of rows by the group, whoever looks
at the batch from elsewhere asks sooner, and one that is killed in the midst has paid for what no page tells.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress

from assetmill.batches.ledger import BatchLedger
from assetmill.batches.records import ShardProgress
from assetmill.batches.work import RowWorker
from assetmill.errors import RunStopped, StoreError
from tasks import policies

_log = logging.getLogger("assetmill.beating")


@contextmanager
def telling(work: RowWorker) -> Generator[None]:
    """Say how far a batch is, until it is sealed; one that has nothing to do says nothing."""
    if not work.batch.to_do:
        yield
        return
    with alive(work, policies.BATCH_BEAT_S):
        yield


@contextmanager
def alive(work: RowWorker, every_s: float = policies.SHARD_BEAT_S) -> Generator[None]:
    """Say that a flow run is alive, until it ends: every few seconds, and sooner when it is further."""
    beats = _Beats(work, every_s)
    thread = threading.Thread(target=beats.go_on, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        beats.ended.set()
        # Unless the store is away it ends at once: then what it said last goes stale by itself.
        thread.join(timeout=policies.SHARD_BEAT_S)


class _Beats:
    def __init__(self, work: RowWorker, every_s: float) -> None:
        self._work, self._every_s = work, every_s
        self._number, self._said, self._said_at = 0, ShardProgress(), -math.inf
        self.ended = threading.Event()

    def go_on(self) -> None:
        ledger, batch_id = self._work.batch.ledger, self._work.batch.batch_id
        # An order to stop ends waits for a store that is away, these too.
        with suppress(RunStopped):
            while not self.ended.is_set():
                try:
                    self._say(ledger, batch_id)
                except StoreError as error:
                    _log.info("no heartbeat: %s", error)
                self.ended.wait(self._every_s)
            with suppress(StoreError):
                ledger.end_beats(batch_id, self._work.flow_run_id, self._number)

    def _say(self, ledger: BatchLedger, batch_id: str) -> None:
        progress, now = self._work.progress(), time.monotonic()
        if progress == self._said and now - self._said_at < policies.SHARD_BEAT_S:
            return
        self._number += 1
        ledger.beat(batch_id, self._work.flow_run_id, self._number, progress)
        self._said, self._said_at = progress, now
