"""What the shards of a batch say in the store while their pieces last, so that no screen stands still.

A page tells of a piece when all of its rows have ended, minutes after the first was paid. Until then the
shard's heartbeat says how far it is.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from assetmill.batches.leases import BEATLESS_S
from assetmill.batches.records import ShardProgress
from assetmill.batches.work import RowWorker
from assetmill.records import RunId


@dataclass
class _Paged:
    """What the pages of one shard have told of."""

    stages: int = 0
    rows: int = 0
    done: int = 0
    spent_usd: float = 0.0
    unknown: int = 0


@dataclass
class _Said:
    """What a shard has said last, under which number, and when that was heard."""

    number: int = 0
    heard_at: float = 0.0
    progress: ShardProgress = field(default_factory=ShardProgress)


class Hearing:
    """Listens to the shards of one run of a batch, and shows in its tally what no page tells of yet.

    Used by one thread; the tally may be read by any.
    """

    def __init__(self, work: RowWorker, clock: Callable[[], float] = time.monotonic) -> None:
        self._work, self._clock = work, clock
        self._said: defaultdict[str, _Said] = defaultdict(_Said)
        self._paged: defaultdict[str, _Paged] = defaultdict(_Paged)
        self._elsewhere = ShardProgress()
        work.tally.elsewhere = lambda: self._elsewhere

    def listen(self) -> dict[str, int]:
        """Read what is new, and return the newest heartbeat of each flow run."""
        ledger, batch_id = self._work.batch.ledger, self._work.batch.batch_id
        beats = ledger.shard_beats(batch_id, self._work.halt_run)
        for flow_run_id, number in beats.items():
            said = self._said[flow_run_id]
            if said.number != number:
                said.number, said.heard_at = number, self._clock()
                said.progress = ledger.read_beat(batch_id, flow_run_id, number) or said.progress
                if said.progress.halt_run == self._work.halt_run:
                    self._work.payers.add(RunId(said.progress.run_id))
        for flow_run_id in self._said.keys() - beats.keys():
            del self._said[flow_run_id]
        self.read_pages()
        return beats

    def read_pages(self) -> None:
        """Take over what became of rows on other machines since the last look."""
        for page in self._work.read_new_pages():
            paged = self._paged[page.run_id]
            paged.rows += len(page.rows)
            paged.stages += sum(len(row.stages) for row in page.rows)
            paged.done += sum(row.is_done for row in page.rows)
            paged.spent_usd += sum(row.spent_usd or 0.0 for row in page.rows)
            paged.unknown += sum(row.spent_usd is None for row in page.rows)
        self._elsewhere = self._sum()

    def _sum(self) -> ShardProgress:
        """Return what those that are alive have done beyond their pages; the dead have nothing at work."""
        since = self._clock() - BEATLESS_S
        alive = [said.progress for said in self._said.values() if said.heard_at > since]
        ours = [told for told in alive if told.halt_run == self._work.halt_run]
        beyond = [(told, self._paged[told.run_id]) for told in ours]
        return ShardProgress(
            stages=sum(max(0, told.stages - paged.stages) for told, paged in beyond),
            rows=sum(max(0, told.rows - paged.rows) for told, paged in beyond),
            done=sum(max(0, told.done - paged.done) for told, paged in beyond),
            spent_usd=sum(max(0.0, told.spent_usd - paged.spent_usd) for told, paged in beyond),
            unknown=sum(max(0, told.unknown - paged.unknown) for told, paged in beyond),
            at_work=sum(told.at_work for told in ours),
            waits=max((told.waits for told in ours), default=""),
        )
