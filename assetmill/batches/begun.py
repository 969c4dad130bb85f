"""Batches that were begun and are not sealed: under way on some machine, or killed.

No head names such a batch. A mark does, written before anything is spent and deleted when the head is there:
there are never more of them than batches under way or killed. It leads to a batch and promises nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from assetmill.batches.ledger import BATCH_ID, BatchLedger, is_name_of_manifest
from assetmill.batches.records import BatchStart
from assetmill.errors import KeyExists, KeyMissing
from assetmill.records import RunId
from assetmill.store import batch_layout, layout
from assetmill.store.backend import Backend, ObjectHead
from assetmill.store.kinds import RUN, Unreadable
from assetmill.store.record_objects import TRIED, RecordObjects
from assetmill.store.run_ids import counted_from, is_of_flow_run

_MARK = re.compile(
    rf"(?P<start>v1/n/(?P<batch>{BATCH_ID.pattern})/start\.[0-9a-f]+)\n"
    rf"(?P<owner>[^\n]{{0,300}})\n(?P<run>{RUN})\n(?P<to_do>[0-9]{{1,9}})(\n.*)?",
    re.DOTALL,
)


@dataclass(frozen=True)
class BegunBatch:
    """A batch with a mark: by which process it was begun, as which run, with so many rows to do.

    `marked_at` is by the store's clock.
    """

    start: BatchStart
    owner: str
    run_id: RunId
    to_do: int
    marked_at: float

    @property
    def began_at(self) -> float:
        """When its run began, by the clock of whoever began it."""
        return counted_from(self.run_id, self.marked_at)


@dataclass(frozen=True)
class _Mark:
    batch_id: str
    start: str
    owner: str
    run_id: RunId
    to_do: int


class BegunBatches:
    """The marks of a store. Safe for threads; holds only what it has told."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._batches, self._records = BatchLedger(backend), RecordObjects(backend)

    def write(self, start: BatchStart, owner: str, run_id: RunId, *, to_do: int) -> None:
        """Mark that a run of a batch begins, in the place of a run that was killed."""
        key = batch_layout.begun(start.pipeline, start.batch_id)
        told = [batch_layout.start(start.batch_id, start.content), owner, run_id, str(to_do)]
        data = "\n".join(told).encode()
        try:
            return self._backend.create(key, data, media_type="text/plain")
        except KeyExists:
            self._end(start.batch_id, key)
        # Whoever begins the same batch in this moment may have been quicker: theirs leads there too.
        with suppress(KeyExists):
            self._backend.create(key, data, media_type="text/plain")

    def end(self, pipeline: str, batch_id: str) -> None:
        """Delete the mark of a batch: its head is there, or nothing of it was left to do."""
        self._backend.delete(batch_layout.begun(pipeline, batch_id))

    def _end(self, batch_id: str, key: str) -> None:
        """Delete the mark of a run that was killed, and what its process said last of how far it was."""
        with suppress(KeyMissing, Unreadable):
            run_id = _parsed(self._backend.get(key)).run_id
            for flow_run_id, number in self._batches.beats(batch_id).items():
                if is_of_flow_run(run_id, flow_run_id):
                    self._batches.end_beats(batch_id, flow_run_id, number)
        self._backend.delete(key)

    def newest(self, most: int, pipeline: str = "") -> list[BegunBatch]:
        """Return the batches of a store, or of one pipeline, that were marked last, the last one first."""
        prefix = batch_layout.marks(pipeline) if pipeline else layout.BEGUN
        listed = sorted(self._backend.list(prefix), key=lambda entry: entry.modified_at, reverse=True)
        found: list[BegunBatch] = []
        for entry in listed[: most * TRIED]:
            if len(found) < most and (one := self._read(entry)):
                found.append(one)
        return found

    def find(self, pipeline: str, batch_id: str) -> BegunBatch | None:
        """Return a batch if it is begun and not sealed."""
        entry = self._backend.head(batch_layout.begun(pipeline, batch_id))
        return self._read(entry) if entry else None

    def stale(self) -> Iterator[ObjectHead]:
        """Yield the marks that lead nowhere: the batch is sealed, or has no start, or is not the one named.

        What cannot be read is not among them: that is for a repair.
        """
        for entry in self._backend.list(layout.BEGUN):
            with suppress(KeyMissing, Unreadable):
                mark = _parsed(self._backend.get(entry.key))
                is_there = self._backend.head(mark.start) is not None
                if not _is_of(entry.key, mark) or not is_there or self._is_sealed(mark, entry):
                    yield entry

    def _read(self, entry: ObjectHead) -> BegunBatch | None:
        try:
            mark = _parsed(self._backend.get(entry.key))
        except KeyMissing:
            return None
        except Unreadable as error:
            self._records.warn(entry.key, str(error))
            return None
        start = self._records.read_or_warn(mark.start, BatchStart)
        if start is None or not _is_of(entry.key, mark) or self._is_sealed(mark, entry):
            return None
        is_its = entry.key == batch_layout.begun(start.pipeline, start.batch_id)
        return BegunBatch(start, mark.owner, mark.run_id, mark.to_do, entry.modified_at) if is_its else None

    def _is_sealed(self, mark: _Mark, entry: ObjectHead) -> bool:
        """Whether the run was sealed and died before it took its mark away, or another one was since."""
        listed = self._backend.list(batch_layout.manifests(mark.batch_id), limit=TRIED)
        newest = next((one for one in listed if is_name_of_manifest(one.key)), None)
        if newest is None or newest.modified_at > entry.modified_at:
            return newest is not None
        # A copy of a store has its own times.
        sealed = self._batches.newest_manifest(mark.batch_id)
        return sealed is not None and sealed.run_id == mark.run_id


def check_mark(data: bytes) -> None:
    """Make sure that bytes are a mark.

    Raises:
        Unreadable: they are none.
    """
    _parsed(data)


def _parsed(data: bytes) -> _Mark:
    found = _MARK.fullmatch(data.decode(errors="replace"))
    if found is None:
        raise Unreadable("it is no mark of a begun batch")
    return _Mark(found["batch"], found["start"], found["owner"], RunId(found["run"]), int(found["to_do"]))


def _is_of(key: str, mark: _Mark) -> bool:
    return key.rpartition("/")[2] == mark.batch_id
