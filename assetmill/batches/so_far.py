"""How far a batch is that was begun and is not sealed, and whether anybody is at work at it.

Told by what lies in the store and by this machine's own processes: nobody has to be asked. Nothing there
tells all of it: a heartbeat is of some seconds ago, a page of rows that have ended together. Each tells of
so much at least, and the one that tells of more is shown.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from threading import Lock
from typing import NamedTuple

from assetmill.batches.begun import BegunBatch
from assetmill.batches.leases import BEATLESS_S
from assetmill.batches.ledger import BatchLedger
from assetmill.batches.records import BatchPage, BatchRow, ShardProgress
from assetmill.records import Intent, RunId
from assetmill.stage.owners import GIVEN_UP_S, is_alive, is_here
from assetmill.store import batch_layout, layout
from assetmill.store.backend import Backend
from assetmill.store.record_objects import TRIED, RecordObjects
from assetmill.store.run_ids import began_at, is_of_flow_run

MAY_STILL_RUN_S = 26 * 3600.0
"""Nothing is under way for longer without a word: the slowest lane takes a day."""

PAGES_A_LOOK = 64
"""A batch of 10,000 rows may have 625 pages: a look reads the newest, the next one those before."""

_READERS = 8
_SHOWN = 5
_KEPT = 8
"""So many batches are remembered: a page that was read is not read again."""


@dataclass(frozen=True)
class BatchSoFar:
    """How far a begun batch is. `done` rows are made and `spent_usd` is paid by its run, both at least.

    None where nothing tells of any: then nobody knows whether it is none.
    """

    is_going: bool
    done: int | None
    spent_usd: float | None
    shown: tuple[BatchRow, ...]
    """Some of the rows that have something to show."""


class _Beat(NamedTuple):
    """A heartbeat. `is_own`: of the process that began the run, and not of one of its shards."""

    flow_run_id: str
    number: int
    at: float
    is_own: bool


@dataclass
class _RunTold:
    """What was read of one run: pages, and what its own process said last, under which number."""

    seen: set[str] = field(default_factory=set[str])
    rows: dict[str, tuple[int, bool]] = field(default_factory=dict[str, tuple[int, bool]])
    """Whether rows are done, with the time of the page that says so."""
    spent_usd: float = 0.0
    shown: list[BatchRow] = field(default_factory=list[BatchRow])
    newest_at: float = 0.0
    beat: int = 0
    said: ShardProgress = field(default_factory=ShardProgress)

    @property
    def done(self) -> int:
        return max(self.said.done, sum(is_done for _, is_done in self.rows.values()))

    def take(self, time_ns: int, page: BatchPage) -> None:
        for row in page.rows:
            # A row that has failed may be told of again.
            if time_ns >= self.rows.get(row.key, (0, False))[0]:
                self.rows[row.key] = time_ns, row.is_done
            self.spent_usd += row.spent_usd or 0.0
            if row.assets and len(self.shown) < _SHOWN:
                self.shown.append(row)


class BatchLooks:
    """Looks at begun batches, each page once. Safe for threads."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._batches, self._records = BatchLedger(backend), RecordObjects(backend)
        self._told: OrderedDict[RunId, _RunTold] = OrderedDict()
        # Two pages that are loaded at once would count the same rows twice.
        self._lock = Lock()

    def look(self, begun: BegunBatch) -> BatchSoFar:
        """Return how far a batch is: two listings, a heartbeat, and some pages of its run that are new."""
        with self._lock:
            told = self._told.setdefault(begun.run_id, _RunTold())
            self._told.move_to_end(begun.run_id)
            while len(self._told) > _KEPT:
                self._told.popitem(last=False)
            self._read_new(begun, told)
            beats = self._beats(begun)
            self._hear(begun, beats, told)
            untouched = max(0, begun.start.row_count - begun.to_do)
            done = min(begun.start.row_count, untouched + told.done)
            spent_usd = round(max(told.spent_usd, told.said.spent_usd), 8)
            is_going = self._is_going(begun, told.newest_at, beats)
            return BatchSoFar(is_going, done or None, spent_usd or None, tuple(told.shown))

    def is_going(self, begun: BegunBatch, told_at: float = 0.0) -> bool:
        """Say whether somebody is at work at a batch; `told_at` is when its last rows were told of."""
        return self._is_going(begun, told_at, self._beats(begun))

    def _is_going(self, begun: BegunBatch, told_at: float, beats: Sequence[_Beat]) -> bool:
        now, is_asked = time.time(), is_here(begun.owner)
        last = max([begun.marked_at, told_at, *(beat.at for beat in beats if beat.is_own)])
        # A process of this host that was killed has said that it is alive a moment ago.
        if any(beat.at > now - 2 * BEATLESS_S and not (is_asked and beat.is_own) for beat in beats):
            return True
        if is_asked:
            # By its ID: that time is of this host's clock, as the process's own is.
            return is_alive(begun.owner, began_at(begun.run_id)) and now < last + MAY_STILL_RUN_S
        return now < last + GIVEN_UP_S or self._has_lease(begun, now)

    def _read_new(self, begun: BegunBatch, told: _RunTold) -> None:
        since_ns = int(begun.began_at * 1e9)
        keys = self._batches.page_keys(begun.start.batch_id)
        ours = [key for key in keys if batch_layout.page_time_ns(key) >= since_ns]
        new = [key for key in ours if key not in told.seen][-PAGES_A_LOOK:]
        with ThreadPoolExecutor(_READERS, "pages") as pool:
            pages = list(pool.map(self._batches.read_page, new))
        for key, page in zip(new, pages, strict=True):
            told.seen.add(key)
            if page:
                told.take(batch_layout.page_time_ns(key), page)
        if ours:
            told.newest_at = batch_layout.page_time_ns(ours[-1]) / 1e9

    def _beats(self, begun: BegunBatch) -> list[_Beat]:
        return [
            _Beat(flow_run_id, number, at, is_of_flow_run(begun.run_id, flow_run_id))
            for flow_run_id, number, at in self._batches.each_beat(begun.start.batch_id)
        ]

    def _hear(self, begun: BegunBatch, beats: Sequence[_Beat], told: _RunTold) -> None:
        """Read what the run's own process says of all of it, unless that is known."""
        newest = max((beat for beat in beats if beat.is_own), key=lambda beat: beat.number, default=None)
        if newest is None or newest.number <= told.beat:
            return
        said = self._batches.read_beat(begun.start.batch_id, newest.flow_run_id, newest.number)
        if said and said.run_id == begun.run_id:
            told.beat, told.said = newest.number, said

    def _has_lease(self, begun: BegunBatch, now: float) -> bool:
        """Whether a stage of the run is leased to a process elsewhere, by the newest intents."""
        listed = self._backend.list(layout.intents_of(begun.start.pipeline))
        since = (entry for entry in listed if entry.modified_at >= begun.marked_at)
        newest = sorted(since, key=lambda entry: entry.modified_at, reverse=True)
        read = (self._records.read_or_warn(entry.key, Intent) for entry in islice(newest, TRIED))
        return any(one.run_id == begun.run_id and now < one.lease_until + GIVEN_UP_S for one in read if one)
