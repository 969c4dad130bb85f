"""What means nothing any more: leases and heartbeats of batches at which nobody is, marks that lead nowhere.

A lease is in force while its holder's heartbeat is, and whoever is at work writes a new one every few
seconds. What is left says nothing of money, so that it may go where records stay.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from assetmill.batches.begun import BegunBatches
from assetmill.store import batch_layout, layout
from assetmill.store.backend import Backend, ObjectHead


def lapsed(backend: Backend, before: float) -> Iterator[ObjectHead]:
    """Yield what is older than a time: leases and heartbeats without a younger heartbeat, and stale marks.

    One listing of what all batches have stored, and a few requests for each mark.
    """
    passing = (entry for entry in backend.list(layout.BATCHES) if batch_layout.is_passing(entry.key))
    for _, entries in itertools.groupby(passing, key=lambda entry: batch_layout.batch_of(entry.key)):
        found = list(entries)
        beats = (entry.modified_at for entry in found if batch_layout.is_beat(entry.key))
        if max(beats, default=0.0) < before:
            yield from (entry for entry in found if entry.modified_at < before)
    yield from (entry for entry in BegunBatches(backend).stale() if entry.modified_at < before)


def may_lapse(key: str) -> bool:
    """Whether a key is of what may lapse, and is not of bytes that a record may need."""
    return key.startswith((layout.BATCHES, layout.BEGUN))
