"""What waits for reviewers: runs and batches whose pictures are to be looked at, and a page of them."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import islice
from typing import Any

from assetmill.batches.ledger import BatchLedger
from assetmill.batches.records import BatchManifest, BatchRow, BatchStage
from assetmill.errors import InvalidSpec
from assetmill.fingerprint import Digest
from assetmill.gallery.links import LinkScope
from assetmill.gallery.site import page_file
from assetmill.gallery.tiles import Tile, of_entry, of_row
from assetmill.plan.rounds import Position
from assetmill.records import BlobRef, RunManifest, StageEntry, StageRecord
from assetmill.runs.reviewed import StoredWords
from assetmill.settings import Settings
from assetmill.spec.loading import load_pipeline
from assetmill.store.backend import Backend
from assetmill.store.ledger import Ledger

_SHOWN = 5
_LOOKED_UP = 50
"""More pictures than this of which something was said are not read for a page: they count as waiting."""

_DECIDED = "Everything is decided: the next run goes on with it."


@dataclass(frozen=True)
class Waiting:
    """A run or a batch of which pictures wait. `what` names its wall."""

    what: str
    pipeline: str
    pictures: int
    said: str
    since: float
    shows: tuple[BlobRef, ...] = ()
    """Some of the pictures."""


def what_waits(backend: Backend, settings: Settings, pipelines: Iterable[str]) -> tuple[Waiting, ...]:
    """Return what waits in a store, by each pipeline's newest run and newest batch, the newest first.

    Four requests for each pipeline, however many runs there were, and one for all that was said; two more for
    each of so many pictures of which something was said since.
    """
    ledger, batches, found = Ledger(backend), BatchLedger(backend), list[Waiting]()
    now = _Now(backend, settings, ledger)
    for pipeline in pipelines:
        if (run := ledger.latest_manifest(pipeline)) and (one := _of_run(run, now)):
            found.append(one)
        if (batch := batches.newest_of(pipeline)) and (one := _of_batch(batch, now)):
            found.append(one)
    return tuple(sorted(found, key=lambda one: -one.since))


class _Now:
    """Where what waited stands by now: a run or a batch tells only where it stood when it ended."""

    def __init__(self, backend: Backend, settings: Settings, ledger: Ledger) -> None:
        self._settings, self._ledger = settings, ledger
        self._words = StoredWords(settings, backend, ledger)
        self._left = _LOOKED_UP

    def waits(self, digests: Iterable[Digest], read: Callable[[], StageRecord | None]) -> bool:
        """Whether a stage that made these bytes still waits; where nobody can say, it does."""
        if self._left <= 0 or self._words.heard().isdisjoint(digests):
            return True
        self._left -= 1
        position = self.position(read())
        return position is None or position.stand == "waiting"

    def entry_waits(self, entry: StageEntry) -> bool:
        """Whether a stage of a run still waits."""
        outputs = entry.record.outputs if entry.record else ()
        return self.waits((one.blob.digest for one in outputs), lambda: entry.record)

    def row_waits(self, pipeline: str, row: BatchRow) -> bool:
        """Whether a row still waits."""
        return any(
            self.waits((one.digest for one in stage.assets), partial(self.read, pipeline, stage))
            for stage in row.stages
            if stage.status == "waiting"
        )

    def read(self, pipeline: str, stage: BatchStage) -> StageRecord | None:
        """Return the record of a row's stage."""
        return self._ledger.read_stage(pipeline, stage.fingerprint) if stage.fingerprint else None

    def position(self, record: StageRecord | None) -> Position | None:
        """Return where a stage stands; None where its pipeline does not say any more."""
        try:
            spec = load_pipeline(record.pipeline, self._settings.configs).spec if record else None
        except InvalidSpec:
            return None
        for stage in spec.stages if spec else ():
            if record and stage.name == record.stage and stage.needs_approval:
                return self._words.position(stage, record)
        return None


def _of_run(run: RunManifest, now: _Now) -> Waiting | None:
    entries = [entry for entry in run.stages if entry.status == "waiting" and entry.record]
    if not entries:
        return None
    left = [entry for entry in entries if now.entry_waits(entry)]
    first = (left or entries)[0]
    shown = _shown(tile for entry in left or entries for tile in of_entry(entry))
    said = _said(first.error, left, now.position(first.record))
    return Waiting(run.run_id, run.pipeline, len(left), said, run.finished_at, shown)


def _of_batch(batch: BatchManifest, now: _Now) -> Waiting | None:
    rows = [row for row in batch.rows if row.state == "waiting"]
    if not rows:
        return None
    left = [row for row in rows if now.row_waits(batch.pipeline, row)]
    first = (left or rows)[0]
    stage = next((one for one in first.stages if one.status == "waiting"), None)
    record = now.read(batch.pipeline, stage) if stage else None
    tiles = (tile for row in (left or rows)[:_SHOWN] for tile in of_row(row))
    said = _said(first.reason, left, now.position(record))
    return Waiting(batch.batch_id, batch.pipeline, len(left), said, batch.finished_at, _shown(tiles))


def _said(then: str | None, left: Sequence[object], position: Position | None) -> str:
    """Return what it waits for, as it is now and not as it was when the run or the batch ended."""
    if not left:
        return _DECIDED
    return _for_people(position.said if position else then or "")


def _shown(tiles: Iterable[Tile]) -> tuple[BlobRef, ...]:
    pictures = (tile.blob for tile in tiles if tile.blob and tile.is_picture and tile.state == "output")
    return tuple(islice(pictures, _SHOWN))


def _for_people(said: str) -> str:
    """Return a reason as a sentence."""
    return f"{said[:1].upper()}{said[1:]}"


_MAY = {
    "look": "Your link shows the pictures.",
    "decide": "Look, approve, reject or comment: ? on a wall lists the keys.",
    "spend": "Look, decide, change pictures, and confirm what is drawn at its price.",
}


@cache
def _template() -> Any:
    from jinja2 import Environment

    return Environment(autoescape=True).from_string(page_file("waiting.html").decode())


def waiting_page(reviewer: str, scope: LinkScope, found: Sequence[Waiting]) -> str:
    """Return the page that lists what waits for somebody; what names say is text."""
    told = [{**vars(one), "day": _day(one.since)} for one in found]
    return str(_template().render(reviewer=reviewer, told=_MAY[scope], found=told))


def _day(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
