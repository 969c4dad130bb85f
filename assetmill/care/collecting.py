"""Garbage collection in two phases: a published plan, one grace period, a second look, then deletion.

Deleted are blobs that no record names, damaged bytes that were set aside, and what has lapsed of batches
at which nobody is at work, once it is old. Records are never deleted: they say what was paid for. What keeps
it safe beside writers is in `store.pending_deletions`.
"""

from __future__ import annotations

import gzip
import itertools
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from pydantic import ValidationError

from assetmill.care.lapsed import lapsed, may_lapse
from assetmill.care.references import Marked, mark
from assetmill.errors import InvalidInput, KeyExists, KeyMissing, StoreError
from assetmill.records import Intent
from assetmill.store import layout
from assetmill.store.backend import Backend, ObjectHead
from assetmill.store.joining import Beside
from assetmill.store.kinds import is_stray
from assetmill.store.pending_deletions import (
    REFRESH_S,
    CollectionDone,
    CollectionPlan,
    PendingDeletion,
    number_of,
    plan_keys,
    read_plan,
)

GRACE_S = 24 * 3600.0
MIN_GRACE_S = 4 * REFRESH_S
MAX_OBJECTS = 100_000
"""Keys of one plan; what is left is for the next."""

_CLOCK_STEP_S = 2.0
"""Stores tell times of an object to the second in one answer and more exactly in another."""

Phase = Literal["nothing", "would_plan", "planned", "waiting", "collected"]


@dataclass(frozen=True)
class Collection:
    """What a call did. `objects` are those condemned or deleted, `spared` how many were not after all.

    `ready_at` is when the plan may be carried out; `held_by` the oldest open intent, for whose sake younger
    blobs are kept.
    """

    phase: Phase
    number: int | None = None
    objects: tuple[PendingDeletion, ...] = ()
    spared: int = 0
    ready_at: float | None = None
    held_by: str | None = None

    @property
    def size_bytes(self) -> int:
        """How much the objects hold together."""
        return sum(one.size_bytes for one in self.objects)


@dataclass
class Collector:
    """Collects the garbage of one store."""

    backend: Backend
    older_than_s: float
    grace_s: float = GRACE_S
    clock: Callable[[], float] = time.time

    def run(self, *, is_dry: bool = False) -> Collection:
        """Do the next step: publish a plan, wait for its grace period, or carry it out.

        A dry run writes and deletes nothing.

        Raises:
            InvalidInput: the grace period is shorter than writers need to see a plan.
            StoreError: a record cannot be read, so nobody knows which blobs it needs.
        """
        if self.grace_s < MIN_GRACE_S:
            raise InvalidInput(
                f"the grace period is at least {MIN_GRACE_S / 3600:.0f} h: writers look that often"
            )
        keys = plan_keys(self.backend)
        numbers = {number_of(key) for key in keys}
        for number in sorted(numbers):
            if layout.collection_plan(number) in keys and layout.collection_done(number) not in keys:
                return self._go_on(read_plan(self.backend, number), is_dry=is_dry)
        return self._plan(max(numbers, default=0) + 1, is_dry=is_dry)

    def _plan(self, number: int, *, is_dry: bool) -> Collection:
        now = self.clock()
        held = self._oldest_open_intent()
        before = min(now - self.older_than_s, held[0] if held else now)
        held_by = held[1] if held and held[0] < now - self.older_than_s else None
        marked = self._mark()
        found = tuple(itertools.islice(self._garbage(marked, before), MAX_OBJECTS))
        if not found or is_dry:
            return Collection("would_plan" if found else "nothing", None, found, held_by=held_by)
        plan = CollectionPlan(
            number=number,
            nonce=uuid.uuid4().hex,
            # Looking took a while, and writers can see the plan only from here on.
            created_at=self.clock(),
            older_than_s=self.older_than_s,
            grace_s=self.grace_s,
            objects=found,
        )
        data = gzip.compress(plan.model_dump_json().encode(), mtime=0)
        try:
            self.backend.create(layout.collection_plan(number), data, media_type="application/gzip")
        except KeyExists:
            plan = read_plan(self.backend, number)  # another collector was first: its plan counts
        ready_at = plan.created_at + plan.grace_s
        return Collection("planned", number, plan.objects, ready_at=ready_at, held_by=held_by)

    def _garbage(self, marked: Marked, before: float) -> Iterator[PendingDeletion]:
        for prefix in (layout.BLOBS, layout.QUARANTINE):
            for entry in self.backend.list(prefix):
                if (
                    entry.modified_at < before
                    and not is_stray(entry.key)
                    and self._is_garbage(entry.key, marked)
                ):
                    yield _pending(entry)
        # Whatever attempts are open: no bytes hang on a lease.
        yield from map(_pending, lapsed(self.backend, self.clock() - self.older_than_s))

    @staticmethod
    def _is_garbage(key: str, marked: Marked) -> bool:
        # What was set aside is no blob: no record means those bytes.
        return key.startswith(layout.QUARANTINE) or layout.sha_of_blob(key) not in marked

    def _go_on(self, plan: CollectionPlan, *, is_dry: bool) -> Collection:
        now, ready_at = self.clock(), plan.created_at + plan.grace_s
        if now < ready_at:
            return Collection("waiting", plan.number, plan.objects, ready_at=ready_at)
        marked = self._mark()
        left = {entry.key for entry in lapsed(self.backend, now - plan.older_than_s)}
        deleted: list[PendingDeletion] = []
        for one in plan.objects:
            is_garbage = one.key in left if may_lapse(one.key) else self._is_garbage(one.key, marked)
            if not is_garbage:
                continue
            entry = self.backend.head(one.key)
            # Written again since: whoever did so had not seen the plan.
            if entry is None or entry.modified_at > one.modified_at + _CLOCK_STEP_S:
                continue
            if not is_dry:
                self.backend.delete(one.key)
            deleted.append(one)
        spared = len(plan.objects) - len(deleted)
        if not is_dry:
            self._close(plan, len(deleted), spared)
        return Collection("collected", plan.number, tuple(deleted), spared)

    def _close(self, plan: CollectionPlan, deleted: int, spared: int) -> None:
        done = CollectionDone(
            number=plan.number, created_at=self.clock(), grace_s=plan.grace_s, deleted=deleted, spared=spared
        )
        try:
            self.backend.create(layout.collection_done(plan.number), done.model_dump_json().encode())
        except KeyExists:
            return  # another collector carried out the same plan

    def _mark(self) -> Marked:
        try:
            return mark(self.backend)
        except ValueError as error:
            raise StoreError(f"nothing was deleted: {error}; see `assetmill verify`") from error

    def _oldest_open_intent(self) -> tuple[float, str] | None:
        """Return when the oldest attempt began that has neither commit nor verdict, and its key.

        What it made may be stored and not yet named by any record.
        """
        # Side by side: sets of a million stages would be hundreds of megabytes.
        settled = Beside((_attempt(entry.key), True) for entry in self.backend.list(layout.VERDICTS))
        finished = Beside((_attempt(entry.key), True) for entry in self.backend.list(layout.STAGES))
        oldest: tuple[float, str] | None = None
        for entry in self.backend.list(layout.INTENTS):
            attempt = _attempt(entry.key.rpartition(".")[0])
            if settled.at(attempt) or finished.at(attempt.rpartition(".")[0]):
                continue
            try:
                began = Intent.model_validate_json(self.backend.get(entry.key)).created_at
            except (KeyMissing, ValidationError):
                began = entry.modified_at
            oldest = min(oldest or (began, entry.key), (began, entry.key))
        return oldest


def _pending(entry: ObjectHead) -> PendingDeletion:
    return PendingDeletion(key=entry.key, size_bytes=entry.size_bytes, modified_at=entry.modified_at)


def _attempt(key: str) -> str:
    """Return a key without its kind: pipeline, fingerprint and, of a verdict, the attempt's number."""
    return key.split("/", 2)[2]
