"""A shard says in the store that it is alive, so that its batch knows it from one whose worker has died."""

from __future__ import annotations

import logging
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress

from assetmill.batches.work import RowWorker
from assetmill.errors import RunStopped, StoreError
from tasks import policies

_log = logging.getLogger("assetmill.beating")


@contextmanager
def alive(work: RowWorker) -> Generator[None]:
    """Say every few seconds that a shard's flow run is alive, until it ends."""
    beats = _Beats(work)
    thread = threading.Thread(target=beats.go_on, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        beats.ended.set()
        # Unless the store is away it ends at once: then what it said last goes stale by itself.
        thread.join(timeout=policies.SHARD_BEAT_S)


class _Beats:
    def __init__(self, work: RowWorker) -> None:
        self._work, self._number = work, 0
        self.ended = threading.Event()

    def go_on(self) -> None:
        ledger, batch_id = self._work.batch.ledger, self._work.batch.batch_id
        # An order to stop ends waits for a store that is away, these too.
        with suppress(RunStopped):
            while not self.ended.is_set():
                self._number += 1
                try:
                    ledger.beat(batch_id, self._work.flow_run_id, self._number, self._work.progress())
                except StoreError as error:
                    _log.info("no heartbeat: %s", error)
                self.ended.wait(policies.SHARD_BEAT_S)
            with suppress(StoreError):
                ledger.end_beats(batch_id, self._work.flow_run_id, self._number)
