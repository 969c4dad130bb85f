"""Names of runs: when they began, by the clock of whoever began them, and which flow run they are."""

from __future__ import annotations

import itertools
import uuid

from assetmill.records import RunId
from assetmill.store import layout
from assetmill.store.backend import Backend

_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
_WRONG_S = 60.0
"""Further ahead of the store's own clock an ID's time is a mistake; stores tell theirs in whole seconds."""


def make_run_id(flow_run_id: str, started_at: float, attempt: int = 1) -> RunId:
    """Return the ID of a flow run's `attempt`-th try: the start time, so that IDs sort, and the flow run."""
    milliseconds, digits = int(started_at * 1000), ""
    for _ in range(10):
        milliseconds, rest = divmod(milliseconds, 32)
        digits = _CROCKFORD[rest] + digits
    tail = uuid.UUID(flow_run_id).hex[-8:]
    return RunId(f"run_{digits}_{tail}" + (f"_{attempt}" if attempt > 1 else ""))


def is_of_flow_run(run_id: str, flow_run_id: str) -> bool:
    """Whether a run, whichever try it is, is one of a flow run."""
    parts = run_id.split("_")
    return len(parts) > 2 and flow_run_id.replace("-", "")[-8:] == parts[2]


def open_try(told: RunId, backend: Backend) -> RunId:
    """Return the ID under which a run that somebody was told of begins, or goes on after it was killed.

    It is the told one, until that run is sealed or called off: then what comes is its next try.
    """
    tries = (RunId(f"{told}_{attempt}") if attempt > 1 else told for attempt in itertools.count(1))
    return next(one for one in tries if not _is_over(one, backend))


def _is_over(run_id: RunId, backend: Backend) -> bool:
    ends = (layout.run_manifest(run_id), layout.run_cancel(run_id))
    return any(backend.head(key) is not None for key in ends)


def began_at(run_id: str) -> float:
    """Return when the run of an ID began, in Unix seconds; 0 for what is no such ID."""
    digits = run_id.split("_")[1] if run_id.startswith("run_") else ""
    milliseconds = 0
    for digit in digits:
        if digit not in _CROCKFORD:
            return 0.0
        milliseconds = milliseconds * 32 + _CROCKFORD.index(digit)
    return milliseconds / 1000


def counted_from(run_id: str, stored_at: float) -> float:
    """Return when a run began, in Unix seconds: by its ID, or by when it was stored if that was long before.

    A clock that ran ahead would have its runs be the newest for as long as it was ahead. A later time of the
    store says nothing: that is how copies are.
    """
    told_at = began_at(run_id)
    return told_at if told_at <= stored_at + _WRONG_S else stored_at
