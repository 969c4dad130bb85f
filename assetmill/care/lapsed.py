"""Leases and heartbeats that mean nothing any more: of batches at which nobody has been at work for long.

A lease is in force while its holder's heartbeat is, and whoever is at work writes a new one every few
seconds. What is left says nothing of money, so that it may go where records stay.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from assetmill.store import batch_layout, layout
from assetmill.store.backend import Backend, ObjectHead


def lapsed(backend: Backend, before: float) -> Iterator[ObjectHead]:
    """Yield every lease and heartbeat that is older than a time, of batches without a younger heartbeat.

    One listing of what all batches have stored.
    """
    passing = (entry for entry in backend.list(layout.BATCHES) if batch_layout.is_passing(entry.key))
    for _, entries in itertools.groupby(passing, key=lambda entry: batch_layout.batch_of(entry.key)):
        found = list(entries)
        beats = (entry.modified_at for entry in found if batch_layout.is_beat(entry.key))
        if max(beats, default=0.0) < before:
            yield from (entry for entry in found if entry.modified_at < before)
