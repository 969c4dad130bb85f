"""What is under way, by what it has left in the store so far: nobody has to be asked, or to be alive.

Stages leave an intent before they spend, every partial picture as it comes, and a verdict or a commit at the
end. All of it is written once, so that each object is read once however often somebody looks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TypeVar

from assetmill.batches.begun import BegunBatches
from assetmill.batches.ledger import BatchLedger
from assetmill.batches.records import BatchManifest, BatchRow
from assetmill.batches.rows import unpack
from assetmill.batches.so_far import BatchLooks
from assetmill.fingerprint import short_key
from assetmill.gallery.tiles import Slots, Tile, is_wanted, of_manifest, of_records, of_row
from assetmill.names import stage_label
from assetmill.records import BlobRef, Harvest, Intent, RunManifest, RunStart, StageRecord, Stored, Verdict
from assetmill.stage.owners import GIVEN_UP_S, is_alive
from assetmill.store import batch_layout, layout
from assetmill.store.backend import Backend
from assetmill.store.blobs import Blobs
from assetmill.store.record_objects import RecordObjects

Reused = Callable[[RunStart], Mapping[str, StageRecord]]
"""Returns the stages of a run that were there before it, by label."""

R = TypeVar("R", bound=Stored)
OfRun = TypeVar("OfRun", Intent, StageRecord)
_CLOCKS_DIFFER_S = 3600.0
"""An object that a store dates this much before a run began is none of its own."""
_REFUSED = frozenset({"StageBlocked", "Rejected"})


class RunUnderWay:
    """A run that has no manifest yet. `reused`: its stages that were there before it began."""

    def __init__(self, backend: Backend, start: RunStart, reused: Mapping[str, StageRecord]) -> None:
        self._backend, self._start = backend, start
        self._records = RecordObjects(backend)
        self._known: dict[str, Stored | None] = {}
        self._place = f"{short_key(start.pipeline)}/"
        self._reused = reused
        self._order = [stage_label(stage, variant) for stage, variant in start.stages]
        self.is_over = False

    def look(self) -> Slots:
        """Return the tiles of every stage, those to come as well."""
        run_id = self._start.run_id
        if manifest := self._read(layout.run_manifest(run_id), RunManifest):
            self.is_over = True
            return _slots_of(manifest)
        intents = self._ours(layout.INTENTS, Intent)
        made = self._made()
        newest = {one.stage: (stem, one) for stem, one in sorted(intents.items(), key=_by_time)}
        is_going = self._is_going(intents.values())
        labels = dict.fromkeys([*self._order, *made, *(newest if not self._start.spec_path else ())])
        return {
            label: _finished(made[label], label)
            if label in made
            else (self._unfinished(label, newest.get(label), is_going=is_going),)
            for label in labels
        }

    def is_going(self) -> bool:
        """Say whether somebody still works on it, as far as what it has stored can tell."""
        return self._is_going(self._ours(layout.INTENTS, Intent).values())

    def _made(self) -> dict[str, StageRecord]:
        """Return the newest commit of each stage. A choice comes after its draws, which have its label."""
        ours = self._ours(layout.STAGES, StageRecord).values()
        found = dict(self._reused)
        for record in sorted(ours, key=lambda one: one.finished_at):
            # What judges make is none of the run's stages; an edit's are made here, and in no pipeline.
            if record.label in self._order or not self._start.spec_path:
                found[record.label] = record
        return found

    def _unfinished(self, label: str, begun: tuple[str, Intent] | None, *, is_going: bool) -> Tile:
        stage = Tile(label, label, "queued")
        if begun is None:
            return stage if is_going else replace(stage, state="interrupted", reason=_NOT_BEGUN)
        stem, intent = begun
        verdict = self._read(layout.VERDICTS + stem.rpartition(".")[0], Verdict)
        if verdict:
            is_refused = verdict.kind == "refused" or verdict.error in _REFUSED
            return replace(stage, state="refused" if is_refused else "failed", reason=verdict.reason)
        frames = tuple(self._frames(stem))
        if not _is_at_work(intent):
            return replace(stage, state="interrupted", reason=_CUT_OFF, frames=frames)
        return replace(stage, state="drawing", frames=frames)

    def _frames(self, stem: str) -> Iterator[BlobRef]:
        """Yield the partial pictures of a turn in the order in which they came."""
        keys = [entry.key for entry in self._backend.list(f"{layout.HARVESTS}{stem}.")]
        found = [record for key in keys if (record := self._read(key, Harvest))]
        for record in sorted(found, key=lambda one: one.created_at):
            yield from (file.blob for file in record.files if file.handle.kind == "response")

    def _is_going(self, intents: Iterable[Intent]) -> bool:
        """Whether somebody still works on the run, by its last word; at first that is its start."""
        last = max(intents, key=lambda one: one.created_at, default=None)
        if last:
            return _is_at_work(last)
        start = self._start
        return is_alive(start.owner, start.started_at) and time.time() < start.started_at + GIVEN_UP_S

    def _ours(self, prefix: str, model: type[OfRun]) -> dict[str, OfRun]:
        """Return this run's records of a kind, by what follows the prefix in their keys."""
        since, found = self._start.started_at - _CLOCKS_DIFFER_S, dict[str, OfRun]()
        for entry in self._backend.list(prefix + self._place):
            if entry.modified_at < since:
                continue
            record = self._read(entry.key, model)
            if record and record.run_id == self._start.run_id:
                found[entry.key.removeprefix(prefix)] = record
            elif record:
                # Of another run: that it is no part of this one is all there is to know of it.
                self._known[entry.key] = None
        return found

    def _read(self, key: str, model: type[R]) -> R | None:
        """Return a record, which is never another once it is there."""
        if key not in self._known and (record := self._records.read_or_warn(key, model)):
            self._known[key] = record
        found = self._known.get(key)
        return found if isinstance(found, model) else None


_NO_FILE = "it has made no file to show"
_NOT_BEGUN = "its run was ended from outside before this; the next run goes on from what is stored"
_BATCH_ENDED = (
    "its batch was ended from outside before it told of this row; run again, it goes on from what is stored"
)
_CUT_OFF = "its run was ended from outside; the next run finds out what became of it, and pays nothing twice"


class BatchUnderWay:
    """A batch that was begun, or runs again: its rows as the newest manifest and later pages tell of them.

    It is over while it is sealed and nobody has begun it anew: the next look may find that somebody has.
    """

    def __init__(self, backend: Backend, batch_id: str, manifest: BatchManifest | None) -> None:
        self._ledger, self._blobs = BatchLedger(backend), Blobs(backend)
        self._begun, self._looks = BegunBatches(backend), BatchLooks(backend)
        self._batch_id, self._pipeline = batch_id, ""
        self._manifest: BatchManifest | None = manifest
        self._rows: dict[str, tuple[str, BatchRow | None]] = {}
        self._seen: set[str] = set()
        self._told_at, self._is_interrupted = 0.0, False
        self.is_over = False
        if manifest:
            self._tell(manifest.rows)
            self._pipeline = manifest.pipeline
        elif start := self._ledger.newest_start(batch_id):
            rows = unpack(self._blobs.get(start.rows))
            self._rows = {row.key: (row.name, None) for row in rows}
            self._pipeline = start.pipeline

    def look(self) -> Slots:
        """Return the tiles of every row, those to come as well."""
        # The mark first: it goes when the manifest is there.
        begun = self._begun.find(self._pipeline, self._batch_id) if self._pipeline else None
        newest = self._ledger.newest_manifest(self._batch_id)
        if newest and (self._manifest is None or newest.run_id != self._manifest.run_id):
            self._tell(newest.rows)
            self._manifest = newest
        self._read_pages()
        self.is_over = newest is not None and begun is None
        self._is_interrupted = begun is not None and not self._looks.is_going(begun, self._told_at)
        return self._slots()

    def _read_pages(self) -> None:
        sealed_ns = int(self._manifest.finished_at * 1e9) if self._manifest else 0
        for key in self._ledger.page_keys(self._batch_id):
            if key not in self._seen and batch_layout.page_time_ns(key) > sealed_ns:
                self._seen.add(key)
                self._told_at = batch_layout.page_time_ns(key) / 1e9
                if page := self._ledger.read_page(key):
                    self._tell(page.rows)

    def _tell(self, rows: Iterable[BatchRow]) -> None:
        self._rows.update({row.key: (row.name, row) for row in rows})

    def _slots(self) -> Slots:
        return {
            key: tuple(of_row(row)) if row else (self._to_come(name),)
            for key, (name, row) in self._rows.items()
        }

    def _to_come(self, name: str) -> Tile:
        if self._is_interrupted:
            return Tile(name, "", "interrupted", name, _BATCH_ENDED)
        return Tile(name, "", "queued", name)


def _finished(record: StageRecord, label: str) -> tuple[Tile, ...]:
    tiles = tuple(tile for tile in of_records([record]) if is_wanted(tile, None))
    return tiles or (Tile(label, label, "done", reason=_NO_FILE),)


def _slots_of(manifest: RunManifest) -> Slots:
    slots: dict[str, tuple[Tile, ...]] = {}
    for label, told in of_manifest(manifest):
        slots[label] = slots.get(label, ()) + tuple(tile for tile in told if is_wanted(tile, None))
    # What has nothing to show may hang as something that is being drawn: that it is not any more is told.
    return {label: tiles or (Tile(label, label, "done", reason=_NO_FILE),) for label, tiles in slots.items()}


def _is_at_work(intent: Intent) -> bool:
    return is_alive(intent.owner, intent.created_at) and time.time() < intent.lease_until + GIVEN_UP_S


def _by_time(item: tuple[str, Intent]) -> float:
    return item[1].created_at
