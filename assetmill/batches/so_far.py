"""How far a batch is that was begun and is not sealed, and whether anybody is at work at it.

Told by what lies in the store and by this machine's own processes: nobody has to be asked.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from threading import Lock

from assetmill.batches.begun import BegunBatch
from assetmill.batches.leases import BEATLESS_S
from assetmill.batches.ledger import BatchLedger
from assetmill.batches.records import BatchRow
from assetmill.records import Intent, RunId
from assetmill.stage.owners import GIVEN_UP_S, is_alive, is_here
from assetmill.store import batch_layout, layout
from assetmill.store.backend import Backend
from assetmill.store.record_objects import TRIED, RecordObjects
from assetmill.store.run_ids import began_at

MAY_STILL_RUN_S = 26 * 3600.0
"""Nothing is under way for longer without a word: the slowest lane takes a day."""

_READERS = 8
_SHOWN = 5
_KEPT = 8
"""So many batches are remembered: a page that was read is not read again."""


@dataclass(frozen=True)
class BatchSoFar:
    """How far a begun batch is. `spent_usd` is what its run has paid, None when a cost is unknown.

    `shown` are some of the rows that have something to show.
    """

    is_going: bool
    done: int
    spent_usd: float | None
    shown: tuple[BatchRow, ...]


@dataclass
class _PagesTold:
    """What the pages of one run have told of."""

    seen: set[str] = field(default_factory=set[str])
    done: set[str] = field(default_factory=set[str])
    spent_usd: float | None = 0.0
    shown: list[BatchRow] = field(default_factory=list[BatchRow])
    newest_at: float = 0.0


class BatchLooks:
    """Looks at begun batches, each page once. Safe for threads."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._batches, self._records = BatchLedger(backend), RecordObjects(backend)
        self._told: OrderedDict[RunId, _PagesTold] = OrderedDict()
        # Two pages that are loaded at once would count the same rows twice.
        self._lock = Lock()

    def look(self, begun: BegunBatch) -> BatchSoFar:
        """Return how far a batch is: a listing, and the pages of its run that are new."""
        with self._lock:
            told = self._told.setdefault(begun.run_id, _PagesTold())
            self._told.move_to_end(begun.run_id)
            while len(self._told) > _KEPT:
                self._told.popitem(last=False)
            self._read_new(begun, told)
            untouched = max(0, begun.start.row_count - begun.to_do)
            done = min(begun.start.row_count, untouched + len(told.done))
            return BatchSoFar(self.is_going(begun, told.newest_at), done, told.spent_usd, tuple(told.shown))

    def is_going(self, begun: BegunBatch, told_at: float = 0.0) -> bool:
        """Say whether somebody is at work at a batch; `told_at` is when its last rows were told of."""
        now, last = time.time(), max(begun.marked_at, told_at)
        if self._has_beat(begun, now):
            return True
        if is_here(begun.owner):
            # By its ID: that time is of this host's clock, as the process's own is.
            return is_alive(begun.owner, began_at(begun.run_id)) and now < last + MAY_STILL_RUN_S
        return now < last + GIVEN_UP_S or self._has_lease(begun, now)

    def _read_new(self, begun: BegunBatch, told: _PagesTold) -> None:
        since_ns = int(begun.began_at * 1e9)
        keys = self._batches.page_keys(begun.start.batch_id)
        new = [key for key in keys if key not in told.seen and batch_layout.page_time_ns(key) >= since_ns]
        with ThreadPoolExecutor(_READERS, "pages") as pool:
            pages = list(pool.map(self._batches.read_page, new))
        for key, page in zip(new, pages, strict=True):
            told.seen.add(key)
            told.newest_at = max(told.newest_at, batch_layout.page_time_ns(key) / 1e9)
            _count(page.rows if page else (), told)

    def _has_beat(self, begun: BegunBatch, now: float) -> bool:
        """Whether a shard says that it is alive: it goes on without whoever handed it out."""
        beats = self._backend.list(batch_layout.beats(begun.start.batch_id))
        return any(entry.modified_at > now - 2 * BEATLESS_S for entry in beats)

    def _has_lease(self, begun: BegunBatch, now: float) -> bool:
        """Whether a stage of the run is leased to a process elsewhere, by the newest intents."""
        listed = self._backend.list(layout.intents_of(begun.start.pipeline))
        since = (entry for entry in listed if entry.modified_at >= begun.marked_at)
        newest = sorted(since, key=lambda entry: entry.modified_at, reverse=True)
        read = (self._records.read_or_warn(entry.key, Intent) for entry in islice(newest, TRIED))
        return any(one.run_id == begun.run_id and now < one.lease_until + GIVEN_UP_S for one in read if one)


def _count(rows: Iterable[BatchRow], told: _PagesTold) -> None:
    for row in rows:
        # A row that has failed may be told of again.
        told.done.discard(row.key)
        if row.is_done:
            told.done.add(row.key)
        told.spent_usd = (
            None if told.spent_usd is None or row.spent_usd is None else told.spent_usd + row.spent_usd
        )
        if row.assets and len(told.shown) < _SHOWN:
            told.shown.append(row)
